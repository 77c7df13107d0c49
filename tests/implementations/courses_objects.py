"""Right networks in the way of dlcourse.ai (objects with a value and a gradient) and of cs231n's second assignment."""

# mypy: ignore-errors

import numpy as np
from courses_layers import cross_entropy


class Param:
    def __init__(self, value):
        self.value, self.grad = value, np.zeros_like(value)


class FullyConnected:
    def __init__(self, n_input, n_output):
        self.W = Param(0.001 * np.random.randn(n_input, n_output))
        self.B = Param(0.001 * np.random.randn(1, n_output))

    def forward(self, X):
        self.X = X
        return X @ self.W.value + self.B.value

    def backward(self, d_out):
        self.W.grad += self.X.T @ d_out
        self.B.grad += np.sum(d_out, axis=0, keepdims=True)
        return d_out @ self.W.value.T


class TwoLayerNet:
    """The biases decay like the weights; the sizes come in the order D, C, H."""

    def __init__(self, n_input, n_output, hidden_layer_size, reg):
        self.reg = reg
        self.first, self.second = (
            FullyConnected(n_input, hidden_layer_size),
            FullyConnected(hidden_layer_size, n_output),
        )

    def compute_loss_and_gradients(self, X, y):
        for param in self.params().values():
            param.grad = np.zeros_like(param.value)
        a = self.first.forward(X)
        s = self.second.forward(np.maximum(a, 0))
        loss, p = cross_entropy(s, y)
        p[np.arange(len(y)), y] -= 1
        self.first.backward(self.second.backward(p / len(y)) * (a > 0))
        for param in self.params().values():
            loss += self.reg * np.sum(param.value**2)
            param.grad += 2 * self.reg * param.value
        return loss

    def params(self):
        return {"W1": self.first.W, "B1": self.first.B, "W2": self.second.W, "B2": self.second.B}


class FullyConnectedNet:
    """A list of hidden sizes first, a dtype of its own, half L2 by an attribute."""

    def __init__(
        self, hidden_dims, input_dim=3 * 32 * 32, num_classes=10, reg=0.0, weight_scale=1e-2, dtype=np.float32
    ):
        self.reg, self.dtype, self.params = reg, dtype, {}
        sizes = [input_dim, *hidden_dims, num_classes]
        for i, (n, m) in enumerate(zip(sizes, sizes[1:], strict=False), start=1):
            self.params[f"W{i}"] = (weight_scale * np.random.randn(n, m)).astype(dtype)
            self.params[f"b{i}"] = np.zeros(m, dtype)

    def loss(self, X, y=None):
        X, (W1, b1, W2, b2) = X.astype(self.dtype), (self.params[name] for name in ("W1", "b1", "W2", "b2"))
        a = X @ W1 + b1
        h = np.maximum(a, 0)
        loss, ds = cross_entropy(h @ W2 + b2, y)
        ds[np.arange(len(y)), y] -= 1
        ds /= len(y)
        da = np.where(a > 0, ds @ W2.T, 0)
        loss += 0.5 * self.reg * (np.sum(W1 * W1) + np.sum(W2 * W2))
        dW1, dW2 = X.T @ da + self.reg * W1, h.T @ ds + self.reg * W2
        return loss, {"W1": dW1, "b1": da.sum(axis=0), "W2": dW2, "b2": ds.sum(axis=0)}


class WithoutLoss:
    def forward(self, X):
        return X


class OfOtherShapes:
    """Its weights are transposed, so that nobody can tell which they are."""

    def __init__(self, input_dim, hidden_dim, num_classes):
        self.params = {"W1": np.zeros((hidden_dim, input_dim)), "W2": np.zeros((num_classes, hidden_dim))}

    def loss(self, X, y, reg):
        return 0.0, {}
