"""The operations: a file a family; each with its value, derivative, rounding and size in one place."""

from gradaudit.operations import choices, cross_entropy, entrywise, products, shapes, softmax, special
from gradaudit.operations.operation import OPERATIONS, Operation

__all__ = [
    "OPERATIONS",
    "Operation",
    "choices",
    "cross_entropy",
    "entrywise",
    "products",
    "shapes",
    "softmax",
    "special",
]
