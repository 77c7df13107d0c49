"""Records: of a run, of a sweep under way, and the changes between two records."""
