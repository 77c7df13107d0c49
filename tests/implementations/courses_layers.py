"""Right networks in the way of "Deep Learning from Scratch": layers that hold the arrays, `loss` beside `gradient`."""

# mypy: ignore-errors

from collections import OrderedDict

import numpy as np


def cross_entropy(s, t):
    """From the logits, so that no logarithm of a probability that underflowed is taken."""
    z = s - s.max(axis=-1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=-1, keepdims=True))
    if t.ndim > 1:
        t = t.argmax(axis=1)
    return -np.sum(log_p[np.arange(len(t)), t]) / len(t), np.exp(log_p)


class Affine:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.W.T


class Relu:
    def forward(self, x):
        self.mask = x <= 0
        out = x.copy()
        out[self.mask] = 0
        return out

    def backward(self, dout):
        dout[self.mask] = 0
        return dout


class SoftmaxWithLoss:
    def forward(self, x, t):
        self.t = t
        self.loss, self.p = cross_entropy(x, t)
        return self.loss

    def backward(self, dout=1):
        if self.t.size == self.p.size:
            return (self.p - self.t) / len(self.t)
        dx = self.p.copy()
        dx[np.arange(len(self.t)), self.t] -= 1
        return dx / len(self.t)


class TwoLayerNet:
    """Without a regulariser."""

    def __init__(self, input_size, hidden_size, output_size, weight_init_std=0.01):
        self.params = {
            "W1": weight_init_std * np.random.randn(input_size, hidden_size),
            "b1": np.zeros(hidden_size),
            "W2": weight_init_std * np.random.randn(hidden_size, output_size),
            "b2": np.zeros(output_size),
        }
        self.layers = OrderedDict()
        self.layers["Affine1"] = Affine(self.params["W1"], self.params["b1"])
        self.layers["Relu1"] = Relu()
        self.layers["Affine2"] = Affine(self.params["W2"], self.params["b2"])
        self.last_layer = SoftmaxWithLoss()

    def predict(self, x):
        for layer in self.layers.values():
            x = layer.forward(x)
        return x

    def loss(self, x, t):
        return self.last_layer.forward(self.predict(x), t)

    def gradient(self, x, t):
        self.loss(x, t)
        dout = self.last_layer.backward(1)
        for layer in reversed(self.layers.values()):
            dout = layer.backward(dout)
        first, second = self.layers["Affine1"], self.layers["Affine2"]
        return {"W1": first.dW, "b1": first.db, "W2": second.dW, "b2": second.db}


class LabelsOnly(TwoLayerNet):
    """Labels are indices here, and rows of zeros and a one an error."""

    def loss(self, x, t):
        s = self.predict(x)
        self.p = cross_entropy(s, t)[1]
        self.last_layer.forward(s, t)
        z = s - s.max(axis=1, keepdims=True)
        return (np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(t)), t]).mean()


class OnehotOnly(TwoLayerNet):
    def loss(self, x, t):
        loss = self.last_layer.forward(self.predict(x), t)
        assert t.shape == self.last_layer.p.shape
        return loss


class MultiLayerNet(TwoLayerNet):
    """Half L2, by an attribute; the hidden layers' sizes are a list."""

    def __init__(self, input_size, hidden_size_list, output_size, weight_decay_lambda=0):
        (hidden_size,) = hidden_size_list
        super().__init__(input_size, hidden_size, output_size)
        self.weight_decay_lambda = weight_decay_lambda

    def loss(self, x, t):
        decay = sum(0.5 * self.weight_decay_lambda * np.sum(self.params[name] ** 2) for name in ("W1", "W2"))
        return super().loss(x, t) + decay

    def gradient(self, x, t):
        grads = super().gradient(x, t)
        for name in ("W1", "W2"):
            grads[name] = grads[name] + self.weight_decay_lambda * self.params[name]
        return grads
