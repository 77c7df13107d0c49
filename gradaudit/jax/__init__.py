"""The front end of JAX: a function becomes a graph by its jaxpr, and JAX's derivative of it is judged."""

from gradaudit.jax import calls, entrywise, products, reductions, shapes  # noqa: F401 (they fill the tables)
from gradaudit.jax.check import check_grads

__all__ = ["check_grads"]
