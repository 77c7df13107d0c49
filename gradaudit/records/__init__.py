"""What is written and read back: the record of a run, of a sweep under way, and what changed between two."""
