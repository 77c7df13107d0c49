"""Loops over samples, lists, columns and hand-made torch tensors, with one to three mistakes: `MISTAKEN` says which."""

# mypy: ignore-errors

import math

import numpy as np


def exponential(x):
    return math.exp(x) if x < 709.78 else math.inf


def looped(*, shift=True, mean=True, decay=2.0, bias=0.0, cost=1.0, at_zero=False, loss_mean=True, masked=True,
           sign=1, spare=False, average=False):  # fmt: skip
    """One sample at a time, every number by itself."""

    def network(X, y, W1, b1, W2, b2, reg):
        (n, d), h, c = X.shape, W1.shape[1], W2.shape[1]
        g1, g2 = np.zeros_like(W1), np.zeros_like(W2)
        e1, e2 = np.zeros_like(b1), np.zeros_like(b2)
        losses = []
        for i in range(n):
            pre = [b1[k] + sum(X[i, j] * W1[j, k] for j in range(d)) for k in range(h)]
            hidden = [u if u > 0 else u * 0 for u in pre]
            score = [b2[m] + sum(hidden[k] * W2[k, m] for k in range(h)) for m in range(c)]
            top = max(score) if shift else 0.0
            exps = [exponential(t - top) for t in score]
            total = sum(exps)
            if shift:
                losses.append(math.log(total) - (score[int(y[i])] - top))
            else:
                losses.append(math.log(total) - score[int(y[i])] if total > 0 else math.inf)
            with np.errstate(all="ignore"):
                probs = [np.float64(q) / np.float64(total) for q in exps]
            delta = [sign * (probs[m] - (m == int(y[i]))) / (n if mean else 1) for m in range(c)]
            for m in range(c):
                e2[m] += delta[m] / (n if average else 1)
                for k in range(h):
                    g2[k, m] += hidden[k] * delta[m]
            for k in range(h):
                back = sum(W2[k, m] * delta[m] for m in range(c))
                if masked and not (pre[k] > 0 or (at_zero and pre[k] == 0)):
                    continue
                if not spare:
                    e1[k] += back / (n if average else 1)
                for j in range(d):
                    g1[j, k] += X[i, j] * back
        g1 += decay * reg * W1
        g2 += decay * reg * W2
        if bias:
            e1 += bias * reg * b1
            e2 += bias * reg * b2
        squares = sum(w * w for w in W1.ravel()) + sum(w * w for w in W2.ravel())
        if bias:
            squares += sum(w * w for w in b1) + sum(w * w for w in b2)
        return sum(losses) / (n if loss_mean else 1) + cost * reg * squares, [g1, e1, g2, e2]

    return network


def columned(*, epsilon=0.0, over=0, keep=1, half=False):
    """Samples in columns: A1, Z2 and caches as in a course's functions."""

    def model(X, Y, W1, b1, W2, b2, lambd):
        A0, m = X.T, X.shape[0]
        Z1 = W1.T @ A0 + b1[:, None]
        A1 = np.maximum(0, Z1)
        Z2 = W2.T @ A1 + b2[:, None]
        T = np.exp(Z2 - Z2.max(axis=0, keepdims=True))
        A2 = T / np.sum(T, axis=0, keepdims=True)
        hot = np.zeros((W2.shape[1], m))
        hot[Y, np.arange(m)] = 1
        cache = {"Z1": Z1, "A1": A1, "A2": A2}
        cost = -(1 / m) * np.sum(np.log(np.sum(hot * cache["A2"], axis=0) + epsilon))
        cost += lambd * (np.sum(np.square(W1)) + np.sum(np.square(W2))) * (0.5 if half else 1)
        dZ2 = (1 / m) * (cache["A2"] - hot)
        dW2 = dZ2 @ A1.T + 2 * lambd * keep * W2.T
        dZ1 = np.where(Z1 > 0, W2 @ dZ2, 0)
        dW1 = dZ1 @ A0.T + 2 * lambd * keep * W1.T
        return cost, {"W1": dW1.T, "b1": dZ1.sum(1), "W2": dW2.T, "b2": dZ2.sum(1)}

    return model


def tensors(*, log=True, mask=True, decay=2.0, l2=1.0, ones=True):
    """By hand in torch."""

    def step(X, y, W1, b1, W2, b2, reg):
        import torch

        X, y, W1, b1, W2, b2 = (torch.from_numpy(np.array(t)) for t in (X, y.astype("int64"), W1, b1, W2, b2))
        z = torch.addmm(b1, X, W1)
        h = z.clamp(min=0)
        out = torch.addmm(b2, h, W2)
        q = torch.softmax(out, 1)
        hot = torch.nn.functional.one_hot(y, W2.shape[1]).to(q.dtype)
        picked = (q * hot).sum(1).log() if log else torch.log_softmax(out, 1).gather(1, y[:, None])
        loss = -picked.mean() + reg * l2 * ((W1**2).sum() + (W2**2).sum())
        g = (q - hot if ones else q) / len(y)
        back = g @ W2.T
        back = torch.where(z > 0, back, torch.zeros_like(back)) if mask else back
        grads = X.T @ back + decay * reg * W1, back.sum(0), h.T @ g + decay * reg * W2, g.sum(0)
        return loss.numpy(), [t.numpy() for t in grads]

    return step


MISTAKEN = {
    "loop_mean": {"mean_missing"},
    "loop_bias": {"bias_regularised"},
    "loop_mean_bias": {"mean_missing", "bias_regularised"},
    "loop_kink_sum": {"relu_derivative_1_at_0", "sum_in_loss"},
    "loop_sign_half": {"sign", "l2_halved_in_loss"},
    "loop_db1": {"db1_zero"},
    "loop_unmasked_factor": {"mask_forgotten", "l2_factor_missing"},
    "loop_averaged": {"bias_averaged"},
    "column_log": {"log_of_softmax"},
    "column_epsilon": {"log_of_p_plus_1e-8"},
    "column_keep": {"log_of_softmax", "l2_missing_in_gradient"},
    "column_half": {"log_of_p_plus_1e-10", "l2_halved_in_loss"},
    "torch_log": {"log_of_softmax"},
    "torch_mask": {"mask_forgotten", "l2_missing_in_loss"},
    "torch_three": {"log_of_softmax", "l2_factor_missing", "onehot_omitted"},
}
loop_mean, loop_bias = looped(mean=False), looped(bias=2.0)
loop_mean_bias, loop_kink_sum = looped(mean=False, bias=2.0), looped(at_zero=True, loss_mean=False)
loop_sign_half, loop_db1 = looped(sign=-1, cost=0.5), looped(spare=True)
loop_unmasked_factor, loop_averaged = looped(masked=False, decay=1.0), looped(average=True)
column_log, column_epsilon, column_keep = columned(), columned(epsilon=1e-8), columned(keep=0)
column_half = columned(epsilon=1e-10, half=True)
torch_log, torch_mask = tensors(), tensors(log=False, mask=False, l2=0.0)
torch_three = tensors(decay=1.0, ones=False)
