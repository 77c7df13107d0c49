"""The front end of NumPy: a function becomes a graph by being called once, with arrays that record what is done.

Whatever is done with recorded arrays alone is followed; integers, masks of known arrays and plain arrays are
constants. What would need a number (a branch, ``float(x)``) is refused, never guessed.
"""

from gradaudit.numpy import arrangements, products, reductions, ufuncs
from gradaudit.numpy.array import FUNCTIONS, REDUCTIONS, UFUNCS, Recorded, recorded

UFUNCS.update(ufuncs.UFUNCS)
REDUCTIONS.update(reductions.UFUNCS)
FUNCTIONS.update({**arrangements.FUNCTIONS, **products.FUNCTIONS, **reductions.FUNCTIONS, **ufuncs.FUNCTIONS})

__all__ = ["Recorded", "recorded"]
