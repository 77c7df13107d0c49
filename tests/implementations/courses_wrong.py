"""The networks of the courses with a mistake each: the way in which they are called must hide none."""

# mypy: ignore-errors

import courses_functions
import courses_layers
import courses_objects
import numpy as np


def params_first(params, X, y, reg):
    """Without 1/N."""
    loss, g = courses_functions.backward(params, X, y, reg)
    zero = courses_functions.backward(params, X, y, X.dtype.type(0))[1]
    return loss, {name: g[name] + (len(y) - 1) * zero[name] for name in g}


def rows(X, y, W1, b1, W2, b2, reg):
    """The gradients of the biases keep an axis, and b2's is the mean of its entries."""
    loss, g = courses_functions.rows(X, y, W1, b1, W2, b2, reg)
    return loss, g | {"b2": np.full_like(g["b2"], g["b2"].mean())}


class Layers(courses_layers.TwoLayerNet):
    """Without the derivative of the ReLU."""

    def __init__(self, input_size, hidden_size, output_size):
        super().__init__(input_size, hidden_size, output_size)
        self.layers["Relu1"].backward = lambda dout: dout


class Stale(courses_layers.TwoLayerNet):
    """The layers hold copies of the constructor's parameters, so that an update never reaches them."""

    def __init__(self, input_size, hidden_size, output_size):
        super().__init__(input_size, hidden_size, output_size)
        for layer in (self.layers["Affine1"], self.layers["Affine2"]):
            layer.W = layer.W.copy()


class Objects(courses_objects.TwoLayerNet):
    """The gradient of W2 is left as it was."""

    def compute_loss_and_gradients(self, X, y):
        loss = super().compute_loss_and_gradients(X, y)
        self.second.W.grad = np.zeros_like(self.second.W.value)
        return loss


later = []


def type_error_later(X, y, W1, b1, W2, b2, reg):
    later.append(1)
    if len(later) > 1:
        raise TypeError("not again")
    return courses_functions.backward({"W1": W1, "b1": b1, "W2": W2, "b2": b2}, X, y, reg)
