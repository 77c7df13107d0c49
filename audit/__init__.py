"""The judge: what is asked, what is answered, and what is said about it."""
