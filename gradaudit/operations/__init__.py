"""The operations: a file a family; each with its value, derivative, rounding and size in one place."""

from gradaudit.operations import (
    choices,
    cross_entropy,
    entrywise,
    factors,
    orders,
    planar,
    products,
    shapes,
    softmax,
    special,
    whole,
)
from gradaudit.operations.operation import OPERATIONS, Operation

__all__ = [
    "OPERATIONS", "Operation", "choices", "cross_entropy", "entrywise", "factors", "orders", "planar", "products",
    "shapes", "softmax", "special", "whole",
]  # fmt: skip
