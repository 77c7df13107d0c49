"""Hidden mistakes: right on most problems, but wrong for equal sizes, or for some size, dtype or layout."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradaudit.mistakes.network import (
    Array,
    Implementation,
    Mistake,
    log_softmax,
    softmax,
    unshifted_log_softmax,
    unshifted_softmax,
)

#: The number of samples, or elements, from which there are several chunks, threads or tiles.
CHUNK, TILE = 1024, 2**16


def _flat_onehot(y: Array, like: Array, dtype: Any) -> Array:
    """1 at the label of each row and 0 elsewhere. The flat index of the label is computed in `dtype`."""
    N, C = like.shape
    rows = np.zeros_like(like)
    with np.errstate(over="ignore"):
        rows.reshape(-1)[np.arange(N).astype(dtype) * np.array(C).astype(dtype) + y.astype(dtype)] = 1
    return rows


def _along_classes(v: Any, function: Any) -> Array:
    """A function of rows, applied along the axis whose size is the number of classes."""
    axis = v.s.shape.index(v.b2.size)
    return np.asarray(np.moveaxis(function(np.moveaxis(v.s, axis, -1)), -1, axis))


def _shift_by_squeezed_maximum(s: Array) -> Array:
    """The logits minus the maximum along the last axis after axes of length 1 are dropped."""
    return np.asarray(s - np.reshape(s.squeeze().max(axis=-1) if s.size > 1 else s, (-1, 1)))


def _orient(A: Array, columns: int) -> Array:
    """The matrix if it has this number of columns, otherwise its transpose."""
    return A if A.shape[1] == columns else A.T


def _first_entries(A: Array, count: int) -> Array:
    """The array; only its first `count` entries, in C order, are not replaced by 0."""
    flat = np.where(np.arange(A.size) < count, A.reshape(-1), 0)
    return np.asarray(flat.reshape(A.shape), dtype=A.dtype)


def _first_columns(A: Array, count: int) -> Array:
    """The matrix; only its first `count` columns are not replaced by 0."""
    return np.where(np.arange(A.shape[1]) < count, A, A.dtype.type(0))


def _flush(A: Array) -> Array:
    return np.where(np.abs(A) < 1e-30, A.dtype.type(0), A)


def _chunk_weights(v: Any) -> Array:
    """The weight of each sample, shape (N, 1), in a mean over the means of chunks."""
    chunk = np.arange(v.N) // CHUNK
    return np.asarray(1 / (np.bincount(chunk)[chunk] * (chunk[-1] + 1)), dtype=v.p.dtype)[:, None]


def _whole_chunks(v: Any) -> Array:
    """1 if a sample belongs to a whole chunk, or to the only chunk; otherwise 0. Shape (N, 1)."""
    return np.asarray(np.arange(v.N) < (v.N - v.N % CHUNK or v.N), dtype=v.p.dtype)[:, None]


def _lost_update(da: Array) -> Array:
    """The sum of the rows if two threads add their halves without a lock, and one sum is lost."""
    return np.asarray((da if len(da) < CHUNK else da[len(da) // 2 :]).sum(axis=0))


def _with_buffers(right: Implementation) -> Implementation:
    buffers: dict[Any, Array] = {}

    def reuse(*arrays: Any) -> tuple[Any, dict[str, Any]]:
        loss, grads = right(*arrays)
        for name, g in grads.items():
            buffers.setdefault((name, g.shape, g.dtype), np.empty_like(g))[...] = g
        return loss, {name: buffers[name, g.shape, g.dtype] for name, g in grads.items()}

    return reuse


def _with_labels_as_places(right: Implementation) -> Implementation:
    def place(X: Array, y: Array, W1: Array, b1: Array, W2: Array, b2: Array, reg: float) -> Any:
        answer = right(X, y, W1, b1, W2, b2, reg)
        y += (np.arange(len(y)) * b2.size).astype(y.dtype)
        return answer

    return place


_DS = "ds = (p - onehot) / N"
_A = "a = X.W1 + b1"
_DA = "da = dh where a > 0, else 0"
_DW1 = "dW1 = X'.da + 2 reg W1"
_DW2 = "dW2 = h'.ds + 2 reg W2"
_DB1 = "db1 = sum of da over samples"
_L = "L = -(1/N) sum log p[i, y_i] + reg (|W1|^2 + |W2|^2)"
_P = "p = exp(s - max s) / sum exp(s - max s), row by row"
_H = "h = max(a, 0)"
_WHOLE = "all entries, whatever the size"
_GUESS = "a layout that is guessed from sizes"
_KERNEL = "kernels with 16 bits for an index or a grid"

#: In the order in which a diagnosis tries them.
HIDDEN = [
    Mistake("onehot_in_labels_dtype", "the one-hot's indices are computed in the labels' dtype, which overflows",
            "arange(N, dtype=y.dtype) * C + y", "places in int64",
            {"onehot": lambda v: _flat_onehot(v.y, v.p, v.y.dtype)}),
    Mistake("onehot_in_16_bits", "the one-hot's indices are computed in 16 bits, which overflow", _KERNEL,
            "places in int64", {"onehot": lambda v: _flat_onehot(v.y, v.p, np.uint16)}),
    Mistake("features_after_65536", "X's entries after 65,536 are treated as 0 in W1's gradient", _KERNEL, _WHOLE,
            {"dW1": lambda v: _first_entries(v.X, TILE).T @ v.da + 2 * v.reg * v.W1}),
    Mistake("units_after_65536", "h's entries after 65,536 are treated as 0 in W2's gradient", _KERNEL, _WHOLE,
            {"dW2": lambda v: _first_entries(v.h, TILE).T @ v.ds + 2 * v.reg * v.W2}),
    Mistake("logits_after_65536", "ds' entries after 65,536 are 0", _KERNEL, _WHOLE,
            {"ds": lambda v: _first_entries((v.p - v.onehot) / v.N, TILE)}),
    Mistake("x_not_transposed", "X is not transposed in W1's gradient where N = D", _GUESS, _DW1,
            {"dW1": lambda v: _orient(v.X, v.N) @ v.da + 2 * v.reg * v.W1}),
    Mistake("b1_axis_by_size", "b1's gradient is summed over units, not samples, where N = H", _GUESS, _DB1,
            {"db1": lambda v: v.da.sum(axis=1 if len(v.da) == len(v.b1) else 0)}),
    Mistake("softmax_axis_by_size", "the softmax runs over samples where N = C", "s.shape.index(C)", _P,
            {"p": lambda v: _along_classes(v, softmax), "log_p": lambda v: _along_classes(v, log_softmax)}),
    Mistake("w1_transposed", "W1 is transposed where D = H", _GUESS, _A,
            {"a": lambda v: v.X @ _orient(v.W1.T, v.W1.shape[1]) + v.b1}),
    Mistake("buffer_of_x", "X's buffer holds ds, of the same shape, where D = C", "buffers found by their shape", _DW1,
            {"dW1": lambda v: (v.ds if v.ds.shape == v.X.shape else v.X).T @ v.da + 2 * v.reg * v.W1}),
    Mistake("w2_orientation_by_size", "W2 is not transposed in dh where H = C", _GUESS, "dh = ds.W2'",
            {"dh": lambda v: v.ds @ (v.W2 if len(v.W2) == v.ds.shape[1] else v.W2.T)}),
    Mistake("relu_threshold_1e-8", "the ReLU begins at 1e-8", "a tolerance in place of 0", _H,
            {"h": lambda v: np.where(v.a > 1e-8, v.a, 0), "da": lambda v: np.where(v.a > 1e-8, v.dh, 0)}),
    Mistake("relu_threshold_1e-12", "the ReLU's derivative begins at 1e-12", "a tolerance in place of 0", _DA,
            {"da": lambda v: np.where(v.a > 1e-12, v.dh, 0)}),
    Mistake("maximum_squeezed", "with one class the maximum is that of the batch", "squeeze() before max(axis=-1)", _P,
            {"p": lambda v: unshifted_softmax(_shift_by_squeezed_maximum(v.s)),
             "log_p": lambda v: unshifted_log_softmax(_shift_by_squeezed_maximum(v.s))}),
    Mistake("first_100_features", "only the first 100 features are used, in loss and gradient", "a fixed buffer", _A,
            {"a": lambda v: _first_columns(v.X, 100) @ v.W1 + v.b1,
             "dW1": lambda v: _first_columns(v.X, 100).T @ v.da + 2 * v.reg * v.W1}),
    Mistake("mean_of_means", "the mean over the means of chunks of 1,024 samples, of which the last is smaller",
            "gradient accumulation", _L,
            {"data_loss": lambda v: -(v.log_p[np.arange(v.N), v.y] * _chunk_weights(v)[:, 0]).sum(),
             "ds": lambda v: (v.p - v.onehot) * _chunk_weights(v)}),
    Mistake("remainder_dropped", "the samples after the last whole chunk of 1,024 have no gradient", "drop_last", _DS,
            {"ds": lambda v: _whole_chunks(v) * (v.p - v.onehot) / v.N}),
    Mistake("update_lost", "one of two threads' sums is lost, from 1,024 samples on", "a sum shared without a lock",
            _DB1, {"db1": lambda v: _lost_update(v.da)}),
    Mistake("inputs_flushed", "inputs below 1e-30 are treated as 0", "a tolerance in place of 0", _DW1,
            {"a": lambda v: _flush(v.X) @ v.W1 + v.b1, "dW1": lambda v: _flush(v.X).T @ v.da + 2 * v.reg * v.W1}),
    Mistake("memory_order", "X is read in memory order in W1's gradient", 'ravel(order="K")', _DW1,
            {"dW1": lambda v: v.X.ravel(order="K").reshape(v.X.shape).T @ v.da + 2 * v.reg * v.W1}),
    Mistake("labels_changed", "the labels are changed in place", "y += arange(N) * C", "inputs as they were",
            wrap=_with_labels_as_places),
    Mistake("arrays_reused", "each call returns the same arrays, filled anew", "buffers kept in an object",
            "fresh arrays a call", wrap=_with_buffers),
]  # fmt: skip
