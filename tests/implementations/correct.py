"""Correct implementations in different styles; each has to pass, and none may be diagnosed with anything."""

# mypy: ignore-errors

from functools import cache
from typing import Any

import numpy as np


def textbook(X: Any, y: Any, W1: Any, b1: Any, W2: Any, b2: Any, reg: Any) -> Any:
    N = len(y)
    a = X @ W1 + b1
    h = np.maximum(0, a)
    s = h @ W2 + b2
    e = np.exp(s - s.max(1, keepdims=True))
    p = e / e.sum(1, keepdims=True)
    z = s - s.max(1, keepdims=True)
    loss = (np.log(e.sum(1)) - z[np.arange(N), y]).mean() + reg * ((W1 * W1).sum() + (W2 * W2).sum())
    ds = p.copy()
    ds[np.arange(N), y] -= 1
    ds /= N
    da = (ds @ W2.T) * (a > 0)
    return loss, {"W1": X.T @ da + 2 * reg * W1, "b1": da.sum(0), "W2": h.T @ ds + 2 * reg * W2, "b2": ds.sum(0)}


def dscores(s, y):
    """(p - onehot), and each sample's loss."""
    m = s.max(1, keepdims=True)
    z = s - m
    Z = np.exp(z).sum(1, keepdims=True)
    d = np.exp(z) / Z
    losses = np.log(Z[:, 0]) - z[np.arange(len(y)), y]
    d[np.arange(len(y)), y] -= 1
    return d, losses


def penalty(W1, W2, reg):
    return reg * (np.sum(W1**2) + np.sum(W2**2))


def as_tuple(X, y, W1, b1, W2, b2, reg):
    loss, g = textbook(X, y, W1, b1, W2, b2, reg)
    return loss, (g["W1"], g["b1"], g["W2"], g["b2"])


def prefixed_keys(X, y, W1, b1, W2, b2, reg):
    loss, g = textbook(X, y, W1, b1, W2, b2, reg)
    return loss, {f"d{name}": value for name, value in g.items()}


def einsum(X, y, W1, b1, W2, b2, reg):
    a = np.einsum("nd,dh->nh", X, W1) + b1
    h = np.where(a > 0, a, 0)
    s = np.einsum("nh,hc->nc", h, W2) + b2
    d, losses = dscores(s, y)
    ds = d / len(y)
    da = np.einsum("nc,hc,nh->nh", ds, W2, (a > 0).astype(X.dtype))
    dW1 = np.einsum("nd,nh->dh", X, da) + 2 * reg * W1
    dW2 = np.einsum("nh,nc->hc", h, ds) + 2 * reg * W2
    return losses.mean() + penalty(W1, W2, reg), {"W1": dW1, "b1": da.sum(0), "W2": dW2, "b2": ds.sum(0)}


def loops(X, y, W1, b1, W2, b2, reg):
    (N, D), (H, C) = X.shape, W2.shape
    real = X.dtype.type
    dW1, db1, dW2, db2 = (np.zeros_like(P) for P in (W1, b1, W2, b2))
    total = real(0)
    for i in range(N):
        a = [sum((X[i, d] * W1[d, j] for d in range(D)), real(0)) + b1[j] for j in range(H)]
        h = [x if x > 0 else real(0) for x in a]
        s = [sum((h[j] * W2[j, c] for j in range(H)), real(0)) + b2[c] for c in range(C)]
        m = max(s)
        e = [np.exp(x - m) for x in s]
        Z = sum(e, real(0))
        total += np.log(Z) - (s[y[i]] - m)
        ds = [(e[c] / Z - (c == y[i])) / N for c in range(C)]
        for j in range(H):
            dh = sum((ds[c] * W2[j, c] for c in range(C)), real(0))
            for c in range(C):
                dW2[j, c] += h[j] * ds[c]
            if a[j] > 0:
                db1[j] += dh
                for d in range(D):
                    dW1[d, j] += X[i, d] * dh
        for c in range(C):
            db2[c] += ds[c]
    loss = total / N + penalty(W1, W2, reg)
    return loss, {"W1": dW1 + 2 * reg * W1, "b1": db1, "W2": dW2 + 2 * reg * W2, "b2": db2}


def logsumexp(X, y, W1, b1, W2, b2, reg):
    a = X @ W1 + b1
    h = a.clip(min=0)
    s = h @ W2 + b2
    z = s - s.max(1)[:, None]
    lse = np.log(np.exp(z).sum(1))
    p = np.exp(z - lse[:, None])
    loss = np.mean(lse - z[np.arange(len(y)), y]) + penalty(W1, W2, reg)
    ds = (p - np.eye(len(b2), dtype=X.dtype)[y]) / len(y)
    da = np.where(a > 0, ds @ W2.T, 0)
    return loss, {"W1": X.T @ da + 2 * reg * W1, "b1": da.sum(0), "W2": h.T @ ds + 2 * reg * W2, "b2": ds.sum(0)}


def per_sample(X, y, W1, b1, W2, b2, reg):
    grads = [2 * reg * W1, np.zeros_like(b1), 2 * reg * W2, np.zeros_like(b2)]
    loss = penalty(W1, W2, reg)
    for x, label in zip(X, y):
        one, g = textbook(x[None], np.array([label]), W1, b1, W2, b2, X.dtype.type(0))
        loss += one / len(y)
        grads = [total + g[name] / len(y) for total, name in zip(grads, g)]
    return loss, grads


def mean_last(X, y, W1, b1, W2, b2, reg):
    """The mean is taken of the finished sums."""
    N = len(y)
    a = X @ W1 + b1
    h = np.maximum(a, 0)
    d, losses = dscores(h @ W2 + b2, y)
    da = (d @ W2.T) * (a > 0)
    loss = losses.sum() / N + penalty(W1, W2, reg)
    return loss, {
        "W1": X.T @ da / N + reg * W1 + reg * W1,
        "b1": da.sum(0) / N,
        "W2": h.T @ d / N + reg * W2 + reg * W2,
        "b2": d.sum(0) / N,
    }


def log_softmax(X, y, W1, b1, W2, b2, reg):
    """P as the exponential of its logarithm."""
    a = X @ W1 + b1
    h = np.maximum(a, 0)
    s = h @ W2 + b2
    z = s - s.max(1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(1, keepdims=True))
    ds = np.exp(log_p) / len(y)
    ds[range(len(y)), y] -= 1 / len(y)
    da = np.where(a > 0, ds @ W2.T, 0)
    loss = -log_p[range(len(y)), y].mean() + penalty(W1, W2, reg)
    return loss, {"W1": X.T @ da + 2 * reg * W1, "b1": da.sum(0), "W2": h.T @ ds + 2 * reg * W2, "b2": ds.sum(0)}


def matrices(X, y, W1, b1, W2, b2, reg):
    """np.matrix, where * is the matrix product."""
    loss, g = textbook(X, y, W1, b1, W2, b2, reg)
    return loss, {"W1": np.asmatrix(g["W1"]), "b1": g["b1"], "W2": np.asmatrix(g["W2"]), "b2": g["b2"]}


def columns(X, y, W1, b1, W2, b2, reg):
    """Samples as columns."""
    N = len(y)
    a = W1.T @ X.T + b1[:, None]
    h = np.maximum(a, 0)
    s = W2.T @ h + b2[:, None]
    d, losses = dscores(s.T, y)
    ds = d.T / N
    da = (W2 @ ds) * (a > 0)
    loss = losses.sum() / N + penalty(W1, W2, reg)
    return loss, {
        "W1": (da @ X).T + 2 * reg * W1,
        "b1": da @ np.ones(N, X.dtype),
        "W2": (ds @ h.T).T + 2 * reg * W2,
        "b2": ds @ np.ones(N, X.dtype),
    }


def augmented(X, y, W1, b1, W2, b2, reg):
    """The biases as rows of the weights."""
    N = len(y)
    ones = np.ones((N, 1), X.dtype)
    X1, V1 = np.hstack([X, ones]), np.vstack([W1, b1])
    a = X1 @ V1
    h = np.hstack([np.maximum(a, 0), ones])
    V2 = np.vstack([W2, b2])
    d, losses = dscores(h @ V2, y)
    dV2 = h.T @ (d / N)
    dV1 = X1.T @ ((d / N @ W2.T) * (a > 0))
    loss = losses.mean() + penalty(W1, W2, reg)
    return loss, (dV1[:-1] + 2 * reg * W1, dV1[-1], dV2[:-1] + 2 * reg * W2, dV2[-1])


def outer_products(X, y, W1, b1, W2, b2, reg):
    N = len(y)
    a = X @ W1 + b1
    h = np.maximum(a, 0)
    d, losses = dscores(h @ W2 + b2, y)
    ds = d / N
    da = np.where(a > 0, ds @ W2.T, 0)
    dW1 = sum(np.outer(x, g) for x, g in zip(X, da)) + 2 * reg * W1
    dW2 = sum(np.outer(x, g) for x, g in zip(h, ds)) + 2 * reg * W2
    return losses.mean() + penalty(W1, W2, reg), {"W1": dW1, "b1": sum(da), "W2": dW2, "b2": sum(ds)}


def two_halves(X, y, W1, b1, W2, b2, reg):
    """The batch in two parts, put together by their sizes."""
    N, half = len(y), (len(y) + 1) // 2
    zero = X.dtype.type(0)
    parts = [slice(0, half), slice(half, N)] if N > 1 else [slice(0, N)]
    done = [(len(y[p]), *textbook(X[p], y[p], W1, b1, W2, b2, zero)) for p in parts]
    loss = sum(n * one for n, one, _ in done) / N + penalty(W1, W2, reg)
    g = {name: sum(n * grads[name] for n, _, grads in done) / N for name in ("W1", "b1", "W2", "b2")}
    return loss, g | {"W1": g["W1"] + 2 * reg * W1, "W2": g["W2"] + 2 * reg * W2}


def own_copies(X, y, W1, b1, W2, b2, reg):
    """Works in place, on copies."""
    X, W1, W2 = X.copy(), W1.copy(), W2.copy()
    return textbook(
        np.ascontiguousarray(X), y.astype(int), np.ascontiguousarray(W1), b1, np.ascontiguousarray(W2), b2, reg
    )


def scatter(X, y, W1, b1, W2, b2, reg):
    """1 subtracted by np.add.at, the mask by multiplication with a sign."""
    N = len(y)
    a = X @ W1 + b1
    h = a * (a > 0)
    d, losses = dscores(h @ W2 + b2, y)
    np.add.at(d, (np.arange(N), y), 1)
    np.subtract.at(d, (np.arange(N), y), 1)
    d = d / X.dtype.type(N)
    da = np.multiply(d.dot(W2.T), np.sign(h))
    loss = losses.sum() / N + penalty(W1, W2, reg)
    return loss, {
        "W1": X.T.dot(da) + W1 * (2 * reg),
        "b1": da.sum(0),
        "W2": h.T.dot(d) + W2 * (2 * reg),
        "b2": d.sum(0),
    }


def dots(X, y, W1, b1, W2, b2, reg):
    """Vdot for the norms, reshaped matrices, a label mask of booleans."""
    N = len(y)
    a = np.dot(X, W1) + b1.reshape(1, -1)
    h = np.fmax(a, 0)
    s = np.dot(h, W2) + b2.reshape(1, -1)
    e = np.exp(s - np.amax(s, axis=-1)[:, np.newaxis])
    p = e / np.sum(e, axis=-1)[:, np.newaxis]
    z = s - np.amax(s, axis=-1)[:, np.newaxis]
    mask = np.arange(s.shape[1])[None, :] == np.asarray(y)[:, None]
    losses = np.log(e.sum(-1)) - z[mask]
    ds = np.where(mask, p - 1, p) * X.dtype.type(1 / N)
    da = np.dot(ds, W2.T)
    da[a <= 0] = 0
    loss = np.average(losses) + reg * np.vdot(W1, W1) + reg * np.vdot(W2, W2)
    return loss, [np.dot(X.T, da) + 2 * reg * W1, np.sum(da, 0), np.dot(h.T, ds) + 2 * reg * W2, np.sum(ds, 0)]


class CourseNet:
    """In the way of cs231n's first assignment."""

    def __init__(self, D, H, C):
        self.params = {"W1": np.zeros((D, H)), "b1": np.zeros(H), "W2": np.zeros((H, C)), "b2": np.zeros(C)}

    def loss(self, X, y, reg):
        return textbook(X, y, *(self.params[name] for name in ("W1", "b1", "W2", "b2")), reg)


class SecondCourseNet:
    """In the way of its second assignment: the factor of the regularisation is the network's."""

    def __init__(self, input_dim, hidden_dim, num_classes):
        self.params, self.reg = {}, 0.0

    def loss(self, X, y):
        return textbook(X, y, *(self.params[name] for name in ("W1", "b1", "W2", "b2")), self.reg)


def torch_inside(X, y, W1, b1, W2, b2, reg):
    import torch

    leaves = [torch.tensor(np.array(P)).requires_grad_() for P in (W1, b1, W2, b2)]
    V1, c1, V2, c2 = leaves
    s = torch.relu(torch.tensor(np.array(X)) @ V1 + c1) @ V2 + c2
    labels = torch.tensor(np.array(y, dtype=np.int64))
    loss = torch.nn.functional.cross_entropy(s, labels) + reg * ((V1**2).sum() + (V2**2).sum())
    loss.backward()
    return loss, [leaf.grad for leaf in leaves]


@cache
def jax_gradient():
    import jax
    import jax.numpy as jnp

    def compute(parameters, X, y, reg):
        V1, c1, V2, c2 = parameters
        s = jax.nn.relu(X @ V1 + c1) @ V2 + c2
        picked = jax.nn.log_softmax(s)[jnp.arange(y.shape[0]), y]
        return -picked.mean() + reg * ((V1**2).sum() + (V2**2).sum())

    return jax.jit(jax.value_and_grad(compute))


def jax_inside(X, y, W1, b1, W2, b2, reg):
    import jax

    with jax.enable_x64(X.dtype == np.float64):
        parameters = [np.array(P) for P in (W1, b1, W2, b2)]
        return jax_gradient()(parameters, np.array(X), np.array(y, dtype=np.int64), X.dtype.type(reg))


ALL = [
    "textbook", "as_tuple", "prefixed_keys", "einsum", "loops", "logsumexp", "per_sample", "mean_last", "log_softmax",
    "matrices", "columns", "augmented", "outer_products", "two_halves", "own_copies", "scatter", "dots", "CourseNet",
    "SecondCourseNet", "torch_inside", "jax_inside",
]  # fmt: skip
