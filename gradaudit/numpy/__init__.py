"""The front end of NumPy: a function becomes a graph by being called once, with arrays that record what is done.

Whatever is done with recorded arrays alone is followed; integers, masks of known arrays and plain arrays are
constants. What would need a number (a branch, ``float(x)``) is refused, never guessed.
"""

from gradaudit.numpy import arrangements, products, reductions, ufuncs
from gradaudit.numpy.array import FUNCTIONS, TABLES, Recorded, recorded

TABLES["__call__"].update(ufuncs.UFUNCS)
TABLES["reduce"].update(reductions.REDUCED)
TABLES["accumulate"].update(reductions.ACCUMULATED)
FUNCTIONS.update({**arrangements.FUNCTIONS, **products.FUNCTIONS, **reductions.FUNCTIONS, **ufuncs.FUNCTIONS})

__all__ = ["Recorded", "recorded"]
