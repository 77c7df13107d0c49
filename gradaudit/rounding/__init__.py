"""How far a correct program may be from the exact values: the arithmetic, and what all rules are made of."""
