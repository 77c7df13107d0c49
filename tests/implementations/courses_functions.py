"""Right networks whose arguments are other than the canonical ones, as several courses have them."""

# mypy: ignore-errors

import matplotlib.pyplot as plt
import numpy as np
from past.builtins import xrange
from six.moves import cPickle
from tqdm import tqdm

plt.rcParams["figure.figsize"] = (10.0, 8.0)
figure, axes = plt.subplots()
cPickle.dumps(1)


def scores(X, params):
    hidden = np.maximum(X.dot(params["W1"]) + params["b1"], 0)
    return hidden, hidden.dot(params["W2"]) + params["b2"]


def softmax_loss(s, y):
    z = s - np.max(s, axis=1, keepdims=True)
    total = np.sum(np.exp(z), axis=1, keepdims=True)
    d = np.exp(z) / total
    loss = s.dtype.type(0)
    for i in tqdm(xrange(len(y)), desc="samples"):
        loss += np.log(total[i, 0]) - z[i, y[i]]
        d[i, y[i]] -= 1
    return loss / len(y), d / len(y)


def backward(params, X, y, reg):
    hidden, s = scores(X, params)
    loss, ds = softmax_loss(s, y)
    dh = ds.dot(params["W2"].T)
    dh[hidden <= 0] = 0
    grads = {"W2": hidden.T.dot(ds), "b2": ds.sum(axis=0), "W1": X.T.dot(dh), "b1": dh.sum(axis=0)}
    for name in ("W1", "W2"):
        loss += reg * np.sum(params[name] * params[name])
        grads[name] += 2 * reg * params[name]
    return loss, grads


def params_first(params, X, y, reg):
    return backward(params, X, y, reg)


def params_third(X, y, params, reg=0.0):
    return backward(params, X, y, reg)


def two_layer_net(X, model, y=None, reg=0.0):
    return backward(model, X, y, reg)


def parameters_first(W1, b1, W2, b2, X, y, reg):
    return backward({"W1": W1, "b1": b1, "W2": W2, "b2": b2}, X, y, reg)


def rows(X, y, W1, b1, W2, b2, reg):
    """The gradients of the biases keep an axis."""
    loss, g = backward({"W1": W1, "b1": b1, "W2": W2, "b2": b2}, X, y, reg)
    return loss, g | {"b1": g["b1"].reshape(1, -1), "b2": g["b2"].reshape(1, -1)}


def columns(X, y, W1, b1, W2, b2, reg):
    """They are columns, which is no gradient of theirs."""
    loss, g = backward({"W1": W1, "b1": b1, "W2": W2, "b2": b2}, X, y, reg)
    return loss, g | {"b1": g["b1"].reshape(-1, 1), "b2": g["b2"].reshape(-1, 1)}


def none(params, X, y, reg):
    """No regulariser."""
    return backward(params, X, y, X.dtype.type(0))


def biases_too(X, y, W1, b1, W2, b2, reg):
    """The biases decay too."""
    loss, g = backward({"W1": W1, "b1": b1, "W2": W2, "b2": b2}, X, y, reg)
    loss = loss + reg * (np.sum(b1**2) + np.sum(b2**2))
    return loss, g | {"b1": g["b1"] + 2 * reg * b1, "b2": g["b2"] + 2 * reg * b2}


def biases_too_by_half(X, y, W1, b1, W2, b2, reg):
    return biases_too(X, y, W1, b1, W2, b2, X.dtype.type(reg) / 2)


def biases_too_without_mean(X, y, W1, b1, W2, b2, reg):
    """And a mistake: 1/N is missing from the gradient's data part."""
    loss, g = backward({"W1": W1, "b1": b1, "W2": W2, "b2": b2}, X, y, X.dtype.type(0))
    params = {"W1": W1, "b1": b1, "W2": W2, "b2": b2}
    loss += reg * sum(np.sum(params[name] ** 2) for name in params)
    return loss, {name: len(y) * g[name] + 2 * reg * params[name] for name in params}


def of_other_arguments(images, labels, network):
    return 0.0, {}


def of_seven_and_fails(X, y, W1, b1, W2, b2, reg):
    return len(reg), {}


def of_python2(X, y, W1, b1, W2, b2, reg):
    for _ in unicode(reg):  # noqa: F821
        pass
