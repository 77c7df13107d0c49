"""Mistakes in the formulas. Each replaces steps of the canonical network, or wraps the whole network."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from gradaudit.mistakes.network import Array, Implementation, Mistake, log_softmax, onehot, softmax, unshifted_softmax


def _norm(W: Array) -> Any:
    return np.sqrt((W**2).sum())


def _unit(W: Array) -> Array:
    """The derivative of the norm."""
    return np.asarray(W / _norm(W))


def _fits_float32(tensor: Array) -> bool:
    """Whether every number of a tensor is a float32 number."""
    with np.errstate(over="ignore"):
        return np.array_equal(tensor, tensor.astype(np.float32), equal_nan=True)


def _in_float32(right: Implementation) -> Implementation:
    def narrow(*arrays: Any) -> tuple[Any, dict[str, Any]]:
        X, y, W1, b1, W2, b2, reg = arrays
        with np.errstate(over="ignore"):
            X32, W1, b1, W2, b2 = (np.asarray(A, dtype=np.float32) for A in (X, W1, b1, W2, b2))
        loss, grads = right(X32, y, W1, b1, W2, b2, reg)
        return X.dtype.type(loss), {name: g.astype(X.dtype) for name, g in grads.items()}

    return narrow


def _with_accumulation(right: Implementation) -> Implementation:
    sums: dict[tuple[Any, ...], dict[str, Any]] = {}

    def accumulate(*arrays: Any) -> tuple[Any, dict[str, Any]]:
        loss, grads = right(*arrays)
        shapes = tuple((g.shape, str(g.dtype)) for g in grads.values())
        before = sums.get(shapes, {})
        sums[shapes] = {name: g + before.get(name, 0) for name, g in grads.items()}
        return loss, dict(sums[shapes])

    return accumulate


def _with_step(right: Implementation) -> Implementation:
    def descend(*arrays: Any) -> tuple[Any, dict[str, Any]]:
        loss, grads = right(*arrays)
        for parameter, name in zip(arrays[2:6], grads, strict=True):
            parameter -= 0.1 * grads[name]
        return loss, grads

    return descend


def _with_centring(right: Implementation) -> Implementation:
    def centre(*arrays: Any) -> tuple[Any, dict[str, Any]]:
        X = arrays[0]
        X -= X.mean(axis=0)
        return right(*arrays)

    return centre


def _last_sample(ds: Array) -> Array:
    """The matrix ds with all rows but the last replaced by 0."""
    return np.asarray(np.vstack([np.zeros_like(ds[:-1]), ds[-1:]]))


#: Small numbers that are added to p, or limits to which p is clipped.
EPSILONS = (1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15)


def _log_of_sum(v: Any, epsilon: float) -> Array:
    return np.asarray(np.log(v.p + v.p.dtype.type(epsilon)))


def _log_of_clipped(v: Any, low: float, high: float = np.inf) -> Array:
    return np.asarray(np.log(np.clip(v.p, low, high)))


_DS = "ds = (p - onehot) / N"
_DA = "da = dh where a > 0, else 0"
_DW = "dW1 = X'.da + 2 reg W1, dW2 = h'.ds + 2 reg W2"
_DW1 = "dW1 = X'.da + 2 reg W1"
_DW2 = "dW2 = h'.ds + 2 reg W2"
_DB1 = "db1 = sum of da over samples"
_DB2 = "db2 = sum of ds over samples"
_DB = "db1 = sum of da, db2 = sum of ds, over samples"
_L = "L = -(1/N) sum log p[i, y_i] + reg (|W1|^2 + |W2|^2)"
_P = "p = exp(s - max s) / sum exp(s - max s), row by row"
_LOG = "log p = z - log sum exp z, z = s - max s, row by row"
_H = "h = max(a, 0), s = h.W2 + b2"

_NOTE = "the note that reference/DERIVATION.md corrects"
_COURSE = "course code"

#: In the order in which a diagnosis tries them: a mistake in one tensor before the same mistake in several.
FORMULAS = [
    Mistake("mean_missing", "1/N is missing", _NOTE, _DS, {"ds": lambda v: v.p - v.onehot}),
    Mistake("mean_twice", "1/N occurs twice", "loops that average, then average again", _DS,
            {"ds": lambda v: (v.p - v.onehot) / v.N / v.N}),
    Mistake("mean_over_entries", "the mean is taken over samples and classes", "a mean over all of a matrix", _DS,
            {"ds": lambda v: (v.p - v.onehot) / v.p.size}),
    Mistake("sum_in_loss", "the loss is the sum over samples, its gradient that of the mean", "Liger-Kernel #680", _L,
            {"data_loss": lambda v: -v.log_p[np.arange(v.N), v.y].sum()}),
    Mistake("sign", "the data gradient has the wrong sign", _COURSE, _DS, {"ds": lambda v: (v.onehot - v.p) / v.N}),
    Mistake("onehot_omitted", "1 is not subtracted at the label", _COURSE, _DS, {"ds": lambda v: v.p / v.N}),
    Mistake("labels_shifted", "the labels are off by one", "labels that count from 1", _DS,
            {"onehot": lambda v: onehot((v.y - 1) % v.p.shape[1], v.p)}),
    Mistake("last_sample_only", "only the last sample's gradient is kept", "a loop that assigns instead of adding", _DS,
            {"ds": lambda v: _last_sample((v.p - v.onehot) / v.N)}),
    Mistake("b2_last_sample_only", "only the last sample's part of db2 is kept", "a loop that assigns", _DB2,
            {"db2": lambda v: v.ds[-1] + v.rb2}),
    Mistake("b1_averaged", "b1's gradient is averaged over samples, not added", _COURSE, _DB1,
            {"db1": lambda v: v.da.mean(axis=0) + v.rb1}),
    Mistake("b2_averaged", "b2's gradient is averaged over samples, not added", _COURSE, _DB2,
            {"db2": lambda v: v.ds.mean(axis=0) + v.rb2}),
    Mistake("bias_averaged", "the biases' gradients are averaged over samples, not added", _COURSE, _DB,
            {"db1": lambda v: v.da.mean(axis=0) + v.rb1, "db2": lambda v: v.ds.mean(axis=0) + v.rb2}),
    Mistake("l2_factor_missing_in_w1", "the 2 of the regularisation's derivative is missing in W1's gradient", _COURSE,
            _DW1, {"rW1": lambda v: v.reg * v.W1}),
    Mistake("l2_factor_missing_in_w2", "the 2 of the regularisation's derivative is missing in W2's gradient", _COURSE,
            _DW2, {"rW2": lambda v: v.reg * v.W2}),
    Mistake("l2_factor_missing", "the 2 of the regularisation's derivative is missing", "titu1994/DenseNet #57", _DW,
            {"rW1": lambda v: v.reg * v.W1, "rW2": lambda v: v.reg * v.W2}),
    Mistake("l2_halved_in_loss", "the regularisation is halved in the loss, not in the gradient", _COURSE, _L,
            {"penalty": lambda v: 0.5 * v.reg * ((v.W1**2).sum() + (v.W2**2).sum())}),
    Mistake("l2_over_n", "the regularisation is divided by N", "mlcommons/hpc #22", _L,
            {"penalty": lambda v: v.reg * ((v.W1**2).sum() + (v.W2**2).sum()) / v.N,
             "rW1": lambda v: 2 * v.reg * v.W1 / v.N, "rW2": lambda v: 2 * v.reg * v.W2 / v.N}),
    Mistake("l2_missing_in_w1", "the regularisation is missing in W1's gradient", _COURSE, _DW1,
            {"rW1": lambda v: 0 * v.W1}),
    Mistake("l2_missing_in_w2", "the regularisation is missing in W2's gradient", _COURSE, _DW2,
            {"rW2": lambda v: 0 * v.W2}),
    Mistake("l2_missing_in_gradient", "the regularisation is missing in the gradient", _COURSE, _DW,
            {"rW1": lambda v: 0 * v.W1, "rW2": lambda v: 0 * v.W2}),
    Mistake("l2_missing_in_loss", "the regularisation is missing in the loss", "weight decay in place of L2", _L,
            {"penalty": lambda v: 0.0 * v.reg}),
    Mistake("bias_regularised_in_loss", "the biases are regularised in the loss only", _COURSE, _L,
            {"bias_penalty": lambda v: v.reg * ((v.b1**2).sum() + (v.b2**2).sum())}),
    Mistake("bias_regularised_in_gradient", "the biases are regularised in the gradient only", _COURSE, _DB,
            {"rb1": lambda v: 2 * v.reg * v.b1, "rb2": lambda v: 2 * v.reg * v.b2}),
    Mistake("bias_regularised", "the biases are regularised in loss and gradient", "decay of all parameters", _DB,
            {"bias_penalty": lambda v: v.reg * ((v.b1**2).sum() + (v.b2**2).sum()),
             "rb1": lambda v: 2 * v.reg * v.b1, "rb2": lambda v: 2 * v.reg * v.b2}),
    Mistake("w1_regularised_twice", "W1 is regularised twice and W2 never", _COURSE, _L,
            {"penalty": lambda v: v.reg * 2 * (v.W1**2).sum(),
             "rW1": lambda v: 4 * v.reg * v.W1, "rW2": lambda v: 0 * v.W2}),
    Mistake("norm_not_squared_in_loss", "the norms are not squared in the loss", "np.linalg.norm(W), not squared", _L,
            {"penalty": lambda v: v.reg * (_norm(v.W1) + _norm(v.W2))}),
    Mistake("norm_not_squared", "the norms are not squared", "the formula read as a sum of norms", _L,
            {"penalty": lambda v: v.reg * (_norm(v.W1) + _norm(v.W2)),
             "rW1": lambda v: v.reg * _unit(v.W1), "rW2": lambda v: v.reg * _unit(v.W2)}),
    Mistake("relu_derivative_1_at_0", "the ReLU's derivative at 0 is 1", "a mask written as a >= 0; course code", _DA,
            {"mask": lambda v: v.a >= 0}),
    Mistake("relu_derivative_half_at_0", "the ReLU's derivative at 0 is 1/2", "maximum(x, 0): pytorch #184572", _DA,
            {"da": lambda v: np.where(v.a > 0, v.dh, np.where(v.a == 0, v.dh / 2, 0))}),
    Mistake("mask_inverted", "the ReLU's mask is inverted", _COURSE, _DA, {"mask": lambda v: ~(v.a > 0)}),
    Mistake("mask_from_dh", "the mask is the sign of dh, not of a", "a ReLU applied to the gradient", _DA,
            {"da": lambda v: np.maximum(v.dh, 0)}),
    Mistake("mask_forgotten", "the ReLU's derivative is forgotten", _COURSE, _DA,
            {"mask": lambda v: np.ones_like(v.a, dtype=bool)}),
    Mistake("mask_missing_in_b1", "the ReLU's derivative is missing in b1's gradient", _COURSE, _DB1,
            {"db1": lambda v: v.dh.sum(axis=0) + v.rb1}),
    Mistake("no_relu", "there is no ReLU, in loss and gradient", "a self-consistent network; course code", _H,
            {"h": lambda v: v.a, "mask": lambda v: np.ones_like(v.a, dtype=bool)}),
    Mistake("leaky_relu", "the ReLU is a leaky one, in loss and gradient", "a layer in place of another", _H,
            {"h": lambda v: np.where(v.a > 0, v.a, v.a / 128), "da": lambda v: np.where(v.a > 0, v.dh, v.dh / 128)}),
    Mistake("relu_on_logits", "there is a ReLU on the logits too, in loss and gradient", "passes a course's own check",
            _H, {"s": lambda v: np.maximum(v.h @ v.W2 + v.b2, 0),
                 "ds": lambda v: np.where(v.s > 0, (v.p - v.onehot) / v.N, 0)}),
    Mistake("x_centred", "X is centred over the samples first, in loss and gradient", "preprocessing in the network",
            "a = X.W1 + b1", {"X": lambda v: v.X - v.X.mean(axis=0)}),
    Mistake("b1_forgotten", "b1 is not added, in loss and gradient", _COURSE, "a = X.W1 + b1",
            {"a": lambda v: v.X @ v.W1, "db1": lambda v: np.zeros_like(v.b1)}),
    Mistake("db1_zero", "db1 is never filled in: it is 0", "zeros_like, never filled", _DB1,
            {"db1": lambda v: np.zeros_like(v.b1)}),
    Mistake("db2_zero", "db2 is never filled in: it is 0", "zeros_like, never filled", _DB2,
            {"db2": lambda v: np.zeros_like(v.b2)}),
    Mistake("gradients_zero", "no gradient is ever filled in: all are 0", "zeros_like, never filled", _DW,
            {"dW1": lambda v: np.zeros_like(v.W1), "db1": lambda v: np.zeros_like(v.b1),
             "dW2": lambda v: np.zeros_like(v.W2), "db2": lambda v: np.zeros_like(v.b2)}),
    Mistake("x_for_h", "X stands for h in W2's gradient", _COURSE, _DW2,
            {"dW2": lambda v: v.X.T @ v.ds + v.rW2}),
    Mistake("a_for_h", "a stands for h in W2's gradient", _COURSE, _DW2,
            {"dW2": lambda v: v.a.T @ v.ds + v.rW2}),
    Mistake("w2_not_transposed", "W2 is not transposed: unnoticed where it is square", _COURSE, "dh = ds.W2'",
            {"dh": lambda v: v.ds @ v.W2}),
    Mistake("w2_reshaped", "W2 is reshaped where it should be transposed", _COURSE, "dh = ds.W2'",
            {"dh": lambda v: v.ds @ v.W2.reshape(v.W2.shape[::-1])}),
    Mistake("dw2_for_w2", "dW2 stands for W2 in the hidden layer's gradient", _COURSE, "dh = ds.W2'",
            {"dh": lambda v: v.ds @ (v.h.T @ v.ds + 2 * v.reg * v.W2).T}),
    Mistake("softmax_over_samples", "the softmax runs over samples instead of classes", "axis=0", _P,
            {"z": lambda v: v.s - v.s.max(axis=0), "p": lambda v: softmax(v.s.T).T,
             "log_p": lambda v: log_softmax(v.s.T).T}),
    Mistake("normalised_over_samples", "each exponential is divided by the sum over samples, and the loss is -log p",
            "axis=0", _P, {"p": lambda v: np.exp(v.z) / np.exp(v.z).sum(axis=0), "log_p": lambda v: np.log(v.p)}),
    Mistake("maximum_over_samples", "the maximum of each class over the batch is subtracted, not that of the row",
            "axis=0", _P, {"z": lambda v: v.s - v.s.max(axis=0)}),
    Mistake("maximum_over_samples_first", "the maximum of each class over the batch is subtracted before the softmax",
            "axis=0, before a library's softmax", _P,
            {"z": lambda v: v.s - v.s.max(axis=0), "p": lambda v: softmax(v.z), "log_p": lambda v: log_softmax(v.z)}),
    Mistake("global_maximum", "the maximum of the whole batch is subtracted, not that of the row", "crysx_nn #7", _P,
            {"z": lambda v: v.s - v.s.max()}),
    Mistake("no_shift", "no maximum is subtracted before the exponential", _COURSE, _P, {"z": lambda v: v.s}),
    Mistake("loss_in_bits", "the loss is in bits, its gradient that of the natural logarithm", "log2", _L,
            {"data_loss": lambda v: -v.log_p[np.arange(v.N), v.y].sum() / v.N / np.log(2)}),
    Mistake("log_of_softmax", "the loss is -log of the softmax: right only where no p underflows", _COURSE, _LOG,
            {"log_p": lambda v: np.log(v.p)}),
    Mistake("onehot_times_log_p", "the loss is a sum of onehot * log p: 0 * -inf is NaN where any p underflows",
            _COURSE, _LOG, {"log_p": lambda v: np.log(v.p),
                            "data_loss": lambda v: -(v.onehot * v.log_p).sum() / v.N}),
    *(Mistake(f"log_of_p_plus_{epsilon:.0e}".replace("e-0", "e-"), f"the loss is -log(p + {epsilon:g})", _COURSE, _LOG,
              {"log_p": partial(_log_of_sum, epsilon=epsilon)}) for epsilon in EPSILONS),
    *(Mistake(f"p_not_below_{epsilon:.0e}".replace("e-0", "e-"), f"p is clipped to {epsilon:g} and above in the loss",
              _COURSE, _LOG, {"log_p": partial(_log_of_clipped, low=epsilon)}) for epsilon in EPSILONS),
    *(Mistake(f"p_within_{epsilon:.0e}".replace("e-0", "e-"), f"p is clipped to {epsilon:g}..1-{epsilon:g} in the loss",
              _COURSE, _LOG, {"log_p": partial(_log_of_clipped, low=epsilon, high=1 - epsilon)})
      for epsilon in EPSILONS[:-1]),  # 1 - 1e-15 is almost 1 in float64
    Mistake("p_clipped", "p is clipped to 1e-7..1 - 1e-7", "a loss that stops growing", _P,
            {"p": lambda v: np.clip(unshifted_softmax(v.z), 1e-7, 1 - 1e-7), "log_p": lambda v: np.log(v.p)}),
    Mistake("epsilon_in_softmax", "1e-8 is added to the softmax's denominator", _COURSE, _P,
            {"p": lambda v: unshifted_softmax(v.z, 1e-8)}),
    Mistake("float32_inside", "float64 goes through float32", "an array without a dtype", "float64 throughout",
            signature=_fits_float32, wrap=_in_float32),
    Mistake("accumulated", "the gradient is added to the last call's", "a missing zero_grad", "a fresh gradient a call",
            wrap=_with_accumulation),
    Mistake("parameters_updated", "the parameters are updated in place", "a training step in the gradient",
            "inputs as they were", wrap=_with_step),
    Mistake("inputs_changed", "an input is changed in place", "X -= X.mean(axis=0)", "inputs as they were",
            wrap=_with_centring),
]  # fmt: skip

#: Other ways to write a step. They are right, but give another pattern of NaN if a mistake overflows.
VARIANTS = [
    Mistake("mask_as_product", "the mask is a factor: NaN * 0", "", "", {"da": lambda v: v.dh * v.mask}),
]
