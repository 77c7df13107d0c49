"""Engines: the work runs in this process, in several processes, or on a cluster. `base` is the common interface."""
