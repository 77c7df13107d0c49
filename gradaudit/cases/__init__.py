"""What is posed: the edge cases, the catalogue that is made of them, random problems, and the plan of a run."""
