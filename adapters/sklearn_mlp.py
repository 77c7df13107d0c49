"""scikit-learn: the backpropagation of `MLPClassifier`, which is written by hand.

`MLPClassifier._backprop` is private, so the names of its arguments are checked. Its loss is the mean cross-entropy plus
``alpha / (2 N) * (|W1|^2 + |W2|^2)``, which is the network's with ``alpha = 2 N reg``.
"""

from __future__ import annotations

import inspect

import numpy as np
import sklearn
from sklearn.neural_network import MLPClassifier

from gradaudit.adapters.protocol import Inputs, normalised
from gradaudit.reference.problem import Gradients

name = "sklearn"
variants = ("backprop",)
dtypes = ("float64", "float32")
onehot = True

#: The arguments of `_backprop`, in order.
ARGUMENTS = ("X", "y", "sample_weight", "activations", "deltas", "coef_grads", "intercept_grads")


def versions() -> dict[str, str]:
    """The version of scikit-learn."""
    return {"scikit-learn": sklearn.__version__}


def gradients(inputs: Inputs, variant: str) -> Gradients:
    """The loss and its gradients by `MLPClassifier._backprop`.

    Raises
    ------
    KeyError
        If there is no such variant.
    RuntimeError
        If `_backprop` of this version of scikit-learn has other arguments.
    """
    if variant not in variants:
        raise KeyError(variant)
    arguments = tuple(inspect.signature(MLPClassifier._backprop).parameters)[1:]
    if arguments != ARGUMENTS:
        raise RuntimeError(
            f"MLPClassifier._backprop of scikit-learn {sklearn.__version__} takes {', '.join(arguments)}"
        )
    X, y, W1, b1, W2, b2, reg = normalised(inputs)
    N, (H, C) = len(X), W2.shape
    network = MLPClassifier(hidden_layer_sizes=(H,), alpha=X.dtype.type(2 * N * reg))
    network.n_layers_, network.n_outputs_, network.out_activation_ = 3, C, "softmax"
    network.coefs_, network.intercepts_ = [W1, W2], [b1, b2]
    onehot = np.zeros((N, C), dtype=X.dtype)
    onehot[np.arange(N), y] = 1
    activations = [X, np.empty((N, H), X.dtype), np.empty((N, C), X.dtype)]
    deltas = [np.empty_like(a) for a in activations[1:]]
    dW, db = [np.empty_like(W1), np.empty_like(W2)], [np.empty_like(b1), np.empty_like(b2)]
    loss, dW, db = network._backprop(X, onehot, None, activations, deltas, dW, db)
    return Gradients(np.asarray(loss, dtype=float), dW[0], db[0], dW[1], db[1])
