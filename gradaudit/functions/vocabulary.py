"""All operations of random functions, by their names."""

from gradaudit.functions.pointwise import ACTIVATIONS, ARITHMETIC, FUNCTIONS
from gradaudit.functions.reductions import REDUCTIONS

WORDS = FUNCTIONS | ACTIVATIONS | ARITHMETIC | REDUCTIONS
