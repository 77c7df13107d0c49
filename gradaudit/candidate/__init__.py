"""The audit of an implementation of a user, in a separate process and in its own convention."""
