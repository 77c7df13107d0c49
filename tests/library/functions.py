"""Functions as people write them, in NumPy's spelling: the same text is run by NumPy, JAX and PyTorch, and recorded."""

# mypy: ignore-errors
# ruff: noqa: ARG001

from __future__ import annotations

from typing import Any

#: Samples, features, hidden units, classes of their inputs X, y, W1, b1, W2, b2.
N, D, H, C = 16, 12, 20, 5
#: Tanh layers of the deep network, whose further inputs are Ws and bs.
LAYERS = 8


def cross_entropy(np: Any, s: Any, y: Any) -> Any:
    z = s - np.max(s, axis=1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    return -log_p[np.arange(N), y].mean()


def network(activation):
    def function(np, X, y, W1, b1, W2, b2):
        return cross_entropy(np, activation(np, X @ W1 + b1) @ W2 + b2, y)

    return function


relu = network(lambda np, a: np.maximum(a, 0))
tanh = network(lambda np, a: np.tanh(a))
silu = network(lambda np, a: a / (1 + np.exp(-a)))
gelu = network(lambda np, a: 0.5 * a * (1 + np.tanh(0.7978845608 * (a + 0.044715 * a**3))))


def sigmoid_squares(np, X, y, W1, b1, W2, b2):
    h = 1 / (1 + np.exp(-(X @ W1 + b1)))
    return ((1 / (1 + np.exp(-(h @ W2 + b2)))) ** 2).sum()


def normalised(np, a, axis):
    mean = a.mean(axis=axis, keepdims=True)
    variance = ((a - mean) ** 2).mean(axis=axis, keepdims=True)
    return (a - mean) / np.sqrt(variance + 1e-5)


def layer_norm(np, X, y, W1, b1, W2, b2):
    return (normalised(np, X, 1) * W1[:, 0] + W1[:, 1]).sum()


def layer_norm_network(np, X, y, W1, b1, W2, b2):
    return cross_entropy(np, np.maximum(normalised(np, X @ W1, 1) + b1, 0) @ W2 + b2, y)


def batch_norm(np, X, y, W1, b1, W2, b2):
    """The sum of squares of normalised numbers hardly depends on them: of its gradient 1e-5 is left."""
    return ((normalised(np, X, 0) * W1[:, 0]) ** 2).sum()


def batch_norm_network(np, X, y, W1, b1, W2, b2):
    return cross_entropy(np, (normalised(np, X @ W1, 0) * b1) @ W2 + b2, y)


def attention(np, X, y, W1, b1, W2, b2):
    queries, keys, values = X @ W1, np.tanh(X) @ W1, X @ W1 + b1
    s = queries @ keys.T / H**0.5
    e = np.exp(s - np.max(s, axis=1, keepdims=True))
    return (((e / e.sum(axis=1, keepdims=True)) @ values @ W2 + b2) ** 2).sum()


def hinge(np, X, y, W1, b1, W2, b2):
    s = np.maximum(X @ W1 + b1, 0) @ W2 + b2
    margins = np.maximum(s - s[np.arange(N), y][:, None] + 1, 0)
    return (margins.sum(axis=1) - 1).mean()


def eight_layers(np, X, y, W1, b1, W2, b2, Ws, bs):
    h = np.tanh(X @ W1 + b1)
    for k in range(LAYERS - 1):
        h = np.tanh(h @ Ws[k] + bs[k])
    return cross_entropy(np, h @ W2 + b2, y)


ALL = {
    f.__name__ if f.__name__ != "function" else name: f
    for name, f in {
        "relu": relu, "tanh": tanh, "silu": silu, "gelu": gelu, "sigmoid_squares": sigmoid_squares,
        "layer_norm": layer_norm, "layer_norm_network": layer_norm_network, "batch_norm": batch_norm,
        "batch_norm_network": batch_norm_network, "attention": attention, "hinge": hinge, "eight_layers": eight_layers,
    }.items()
}  # fmt: skip
