"""The judge of the two-layer network: a finding, and what is expected of whom."""
