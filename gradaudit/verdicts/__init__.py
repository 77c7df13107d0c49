"""The judge of the two-layer network: findings, and the findings that are expected."""
