"""Notebook code with one or two mistakes, written apart from the known mistakes: `MISTAKEN` says which."""

# mypy: ignore-errors

import numpy as np


def notebook(*, over="classes", dtype=None, in_loss=False, in_gradient=False, relu=True, masked=True):
    """Flat code of one cell, with what its writer got wrong."""

    def network(X, y, W1, b1, W2, b2, reg):
        wanted = X.dtype
        if dtype is not None:
            with np.errstate(over="ignore"):
                X, W1, b1, W2, b2 = [np.array(t, dtype=dtype) for t in (X, W1, b1, W2, b2)]
        m = float(len(X))
        with np.errstate(all="ignore"):
            Z = np.einsum("ij,jk->ik", X, W1) + b1[np.newaxis]
            A = np.clip(Z, 0, None) if relu else Z
            scores = np.einsum("ij,jk->ik", A, W2) + b2[np.newaxis]
            if over == "classes":
                shifted = (scores.T - scores.max(1)).T
                log_probs = (shifted.T - np.log(np.exp(shifted).sum(1))).T
                probs = np.exp(shifted) / np.exp(shifted).sum(1).reshape(-1, 1)
            elif over == "samples":  # the numerator is shifted class by class, as the sum is taken
                shifted = scores - np.amax(scores, 0)
                log_probs = shifted - np.log(np.sum(np.exp(shifted), 0))
                probs = np.exp(shifted) / np.sum(np.exp(shifted), 0)
            else:  # the shift is right, the sum is not
                numerator = np.exp(scores - np.amax(scores, 1, keepdims=True))
                probs = numerator / numerator.sum(0, keepdims=True)
                log_probs = np.log(probs)
            cost = -sum(log_probs[i, k] for i, k in enumerate(y)) / m
            decayed = [W1, W2] + [b1, b2] * in_loss
            cost = cost + sum(reg * np.square(t).sum() for t in decayed)
            delta = (probs - np.eye(len(b2), dtype=probs.dtype)[y.astype(int)]) / probs.dtype.type(m)
            back = np.einsum("ik,jk->ij", delta, W2)
            if relu and masked:
                back = np.where(Z > 0, back, back.dtype.type(0))
            out = {"W1": X.T.dot(back), "b1": back.sum(0), "W2": A.T.dot(delta), "b2": delta.sum(0)}
            for name, t in (("W1", W1), ("W2", W2), ("b1", b1), ("b2", b2))[: 4 if in_gradient else 2]:
                out[name] = out[name] + reg * t + reg * t
            return wanted.type(cost), {name: g.astype(wanted) for name, g in out.items()}

    return network


MISTAKEN = {
    "right": set(),
    "over_samples": {"softmax_over_samples"},
    "summed_over_samples": {"normalised_over_samples"},
    "single": {"float32_inside"},
    "single_unmasked": {"float32_inside", "mask_forgotten"},
    "bias_in_gradient": {"bias_regularised_in_gradient"},
    "bias_in_both_linear": {"bias_regularised", "no_relu"},
}
right = notebook()
over_samples, summed_over_samples = notebook(over="samples"), notebook(over="sum")
single, single_unmasked = notebook(dtype=np.float32), notebook(dtype=np.float32, masked=False)
bias_in_gradient = notebook(in_gradient=True)
bias_in_both = notebook(in_loss=True, in_gradient=True)
bias_in_both_linear = notebook(in_loss=True, in_gradient=True, relu=False)
