"""Every formula of ROUNDING.md a second time, in plain loops and decimal arithmetic; written from its text alone."""
