"""Right in float64; in float32 some of the numbers between have fewer bits, or less room, as on an accelerator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Network = Callable[..., tuple[Any, dict[str, Array]]]


def of_bits(bits: int) -> Callable[[Array], Array]:
    """What rounds a significand to so many bits, whatever its exponent: TF32 has 11, bfloat16 has 8."""

    def rounded(A: Array) -> Array:
        m, e = np.frexp(A)
        return np.asarray(np.ldexp(np.round(m * 2.0**bits) / 2.0**bits, e), dtype=A.dtype)

    return rounded


def in_half(A: Array) -> Array:
    """What float16 holds of the numbers: 11 bits, and none beyond 65504 or below 6e-8."""
    return A.astype(np.float16).astype(A.dtype)


def narrowed(
    operands: Callable[[Array], Array] = np.asarray,
    results: Callable[[Array], Array] = np.asarray,
    scale: float = 1.0,
) -> Network:
    """The network, with what is done to a product's operands and to results in float32, and a scale on ds."""

    def network(
        X: Array, y: Array, W1: Array, b1: Array, W2: Array, b2: Array, reg: float
    ) -> tuple[Any, dict[str, Array]]:
        single = X.dtype == np.float32
        k = np.asarray(scale if single else 1.0, dtype=X.dtype)

        def product(A: Array, B: Array) -> Array:
            return np.asarray(results(operands(A) @ operands(B)) if single else A @ B)

        with np.errstate(all="ignore"):
            a = product(X, W1) + b1
            h = np.where(a > 0, a, a.dtype.type(0))
            s = product(h, W2) + b2
            z = s - s.max(axis=1)[:, None]
            total = np.exp(z).sum(axis=1)
            rows = np.arange(len(y))
            loss = (np.log(total) - z[rows, y]).sum() / len(y) + reg * ((W1 * W1).sum() + (W2 * W2).sum())
            ds = np.exp(z) / total[:, None]
            ds[rows, y] -= 1
            ds = ds / len(y) * k
            ds = np.asarray(results(ds) if single else ds)
            da = np.where(a > 0, product(ds, W2.T), a.dtype.type(0))
            grads = {"W1": product(X.T, da), "b1": da.sum(axis=0), "W2": product(h.T, ds), "b2": ds.sum(axis=0)}
            grads = {name: g / k for name, g in grads.items()}
            return loss, grads | {"W1": grads["W1"] + 2 * reg * W1, "W2": grads["W2"] + 2 * reg * W2}

    return network


tf32_products = narrowed(of_bits(11))
bfloat16_products = narrowed(of_bits(8))
half_operands = narrowed(in_half)
half_between = narrowed(in_half, in_half)
half_scaled_by_2_to_10 = narrowed(in_half, in_half, 2.0**10)
half_scaled_by_2_to_16 = narrowed(in_half, in_half, 2.0**16)
single_scaled_by_2_to_120 = narrowed(scale=2.0**120)
