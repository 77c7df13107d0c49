"""Somebody's own implementation before the judge: in a process of its own, in its own convention."""
