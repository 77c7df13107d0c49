"""Two-layer nets as classes with a dict of parameters, each with one to three mistakes: `MISTAKEN` says which."""

# mypy: ignore-errors

import numpy as np


class Net:
    """Right but for what its subclasses override."""

    def __init__(self):
        self.cache = {}

    def shifted(self, scores):
        return scores - np.amax(scores, axis=1).reshape(-1, 1)

    def softmax(self, scores):
        exps = np.exp(self.shifted(scores))
        return exps / exps.sum(axis=1)[:, None]

    def data_loss(self, probs, y):
        return -np.log(probs[range(len(y)), y]).mean()

    def weight_cost(self, net, reg):
        return reg * (np.sum(net["W1"] * net["W1"]) + np.sum(net["W2"] * net["W2"]))

    def relu_grad(self, dhidden, before):
        out = dhidden.copy()
        out[before <= 0] = 0
        return out

    def dscores(self, probs, y):
        d = probs.copy()
        d[range(len(y)), y] -= 1
        d /= len(y)
        return d

    def decay(self, grads, net, reg):
        grads["W1"] += 2 * reg * net["W1"]
        grads["W2"] += 2 * reg * net["W2"]

    def loss(self, X, y, W1, b1, W2, b2, reg):
        net = {"W1": W1, "b1": b1, "W2": W2, "b2": b2}
        before = X.dot(W1) + b1
        hidden = before * (before > 0)
        probs = self.softmax(hidden.dot(W2) + b2)
        total = self.data_loss(probs, y) + self.weight_cost(net, reg)
        d = self.dscores(probs, y)
        dbefore = self.relu_grad(d.dot(W2.T), before)
        grads = {"W2": hidden.T.dot(d), "b2": np.sum(d, 0), "W1": X.T.dot(dbefore), "b1": np.sum(dbefore, 0)}
        self.decay(grads, net, reg)
        return total, grads


class BiasDecay:
    def weight_cost(self, net, reg):
        return reg * sum(np.sum(np.square(net[k])) for k in net)

    def decay(self, grads, net, reg):
        for k in net:
            grads[k] += 2 * reg * net[k]


class Unshifted:
    def shifted(self, scores):
        return scores


class Whole:
    def shifted(self, scores):
        return scores - np.max(scores)


class FactorForgotten:
    def decay(self, grads, net, reg):
        for k in ("W1", "W2"):
            grads[k] += reg * net[k]


class Averaged:
    def dscores(self, probs, y):
        return super().dscores(probs, y) * len(y)


class MaskBelow:
    def relu_grad(self, dhidden, before):
        out = dhidden.copy()
        out[before < 0] = 0
        return out


class MaskFactor:
    def relu_grad(self, dhidden, before):
        return dhidden * (before > 0)


class Hot:
    def data_loss(self, probs, y):
        hot = np.eye(probs.shape[1])[y]
        return -np.sum(hot * np.log(probs)) / len(y)


class Epsilon:
    def data_loss(self, probs, y):
        return -np.sum(np.log(probs[np.arange(len(y)), y] + 1e-8)) / len(y)


class Clipped:
    def data_loss(self, probs, y):
        return -np.mean(np.log(np.maximum(probs, 1e-12)[np.arange(len(y)), y]))


class NoDecay:
    def decay(self, grads, net, reg):
        return None


class HalfCost:
    def weight_cost(self, net, reg):
        return super().weight_cost(net, reg) / 2


class OneForgotten:
    def dscores(self, probs, y):
        return probs / len(y)


def of(*parts):
    return type("_".join(p.__name__ for p in parts), (*parts, Net), {})().loss


MISTAKEN = {
    "plain": {"log_of_softmax"},
    "no_shift": {"log_of_softmax", "no_shift"},
    "bias_decay": {"log_of_softmax", "bias_regularised"},
    "no_shift_bias_decay": {"log_of_softmax", "no_shift", "bias_regularised"},
    "whole_maximum": {"log_of_softmax", "global_maximum"},
    "mask_below": {"log_of_softmax", "relu_derivative_1_at_0"},
    "log_bias_mask": {"log_of_softmax", "bias_regularised", "relu_derivative_1_at_0"},
    "mask_factor_no_shift": {"log_of_softmax", "no_shift"},
    "hot": {"onehot_times_log_p"},
    "hot_factor": {"onehot_times_log_p", "l2_factor_missing"},
    "epsilon_bias": {"log_of_p_plus_1e-8", "bias_regularised"},
    "clipped": {"p_not_below_1e-12"},
    "no_decay_mean": {"log_of_softmax", "l2_missing_in_gradient", "mean_missing"},
    "half_cost": {"log_of_softmax", "l2_halved_in_loss"},
    "one_forgotten": {"log_of_softmax", "onehot_omitted"},
}
plain, no_shift, bias_decay, no_shift_bias_decay = of(), of(Unshifted), of(BiasDecay), of(Unshifted, BiasDecay)
whole_maximum, mask_below, log_bias_mask = of(Whole), of(MaskBelow), of(BiasDecay, MaskBelow)
mask_factor_no_shift, hot, hot_factor = of(MaskFactor, Unshifted), of(Hot), of(Hot, FactorForgotten)
epsilon_bias, clipped, no_decay_mean = of(Epsilon, BiasDecay), of(Clipped), of(NoDecay, Averaged)
half_cost, one_forgotten = of(HalfCost), of(OneForgotten)
