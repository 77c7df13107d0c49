"""The truth: what the gradient is, and how far a correct floating-point result may lie from it."""
