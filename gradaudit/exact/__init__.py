"""Certified values: what a graph is exactly, at the precision that is asked for."""
