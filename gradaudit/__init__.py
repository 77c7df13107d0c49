"""Certified judging of gradients."""
