"""The operations: a file a family; each with its value, derivative, rounding and size in one place."""

from gradaudit.operations import choices, entrywise, products, shapes, softmax
from gradaudit.operations.operation import OPERATIONS, Operation

__all__ = ["OPERATIONS", "Operation", "choices", "entrywise", "products", "shapes", "softmax"]
