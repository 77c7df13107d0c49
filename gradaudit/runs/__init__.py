"""From a plan to its findings: a run, a sweep, a replay, and the merging of shards."""
