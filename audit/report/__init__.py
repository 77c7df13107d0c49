"""What a run says, in the forms in which it is read."""
