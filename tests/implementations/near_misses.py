"""Wrong in ways that no known mistake is, close to one: none may have a name."""

# mypy: ignore-errors

import numpy as np
from correct import textbook


def changed(loss=lambda loss: loss, gradient=lambda g: g):
    def network(*arrays):
        value, grads = textbook(*arrays)
        return loss(value), {name: gradient(g) for name, g in grads.items()}

    return network


zeros = changed(gradient=np.zeros_like)
signs = changed(gradient=np.sign)
loss_zero = changed(loss=lambda loss: loss * 0)
triple = changed(gradient=lambda g: 3 * g)
random_signs = changed(gradient=lambda g: g * np.where(np.arange(g.size).reshape(g.shape) % 3 == 1, -1, 1))
eleven_tenths = changed(gradient=lambda g: g * 1.1)
slightly_off = changed(gradient=lambda g: g * (1 + 1e-9))


def sigmoid(X, y, W1, b1, W2, b2, reg):
    with np.errstate(all="ignore"):
        h = 1 / (1 + np.exp(-(X @ W1 + b1)))
        s = h @ W2 + b2
        e = np.exp(s - s.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        loss = -np.log(p[np.arange(len(y)), y]).mean() + reg * ((W1**2).sum() + (W2**2).sum())
        p[np.arange(len(y)), y] -= 1
        p /= len(y)
        da = p @ W2.T * h * (1 - h)
        return loss, [X.T @ da + 2 * reg * W1, da.sum(0), h.T @ p + 2 * reg * W2, p.sum(0)]


FIRST = []


def first_size(X, y, W1, b1, W2, b2, reg):
    FIRST.append(len(y))
    loss, g = textbook(X, y, W1, b1, W2, b2, reg)
    ratio = len(y) / FIRST[0]
    parameters = {"W1": W1, "b1": 0 * b1, "W2": W2, "b2": 0 * b2}
    return loss, {k: (g[k] - 2 * reg * parameters[k]) * ratio + 2 * reg * parameters[k] for k in g}


def columns_without_mean(X, y, W1, b1, W2, b2, reg):
    loss, g = textbook(X, y, W1, b1, W2, b2, reg)
    N = len(y)
    W = {"W1": W1, "W2": W2}
    g = {k: (g[k] - 2 * reg * W[k]) * N + 2 * reg * W[k] if k in W else (g[k] * N)[:, None] for k in g}
    return loss, g


def centred_in_place(X, y, W1, b1, W2, b2, reg):
    loss, g = textbook(X, y, W1, b1, W2, b2, reg)
    if X.flags.writeable:
        X -= X.mean(axis=0)
    return loss * 1.5, {k: 3 * g[k] for k in g}
