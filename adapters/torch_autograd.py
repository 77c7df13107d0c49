"""PyTorch: the forward pass as in its tutorials, differentiated in each way of PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from gradaudit.adapters.idioms import Spelling, spellings
from gradaudit.adapters.protocol import Inputs, normalised
from gradaudit.reference.problem import Gradients

RELUS = {
    "relu": torch.relu,
    "maximum_x_0": lambda x: torch.maximum(x, torch.zeros_like(x)),
    "maximum_0_x": lambda x: torch.maximum(torch.zeros_like(x), x),
    "clip": lambda x: torch.clamp(x, min=0),
    "where": lambda x: torch.where(x > 0, x, 0),
    "absolute": lambda x: (x + x.abs()) / 2,
    "product": lambda x: x * (x > 0),
}


def _of_labels(s: Tensor, y: Tensor) -> Tensor:
    return s[torch.arange(len(y)), y]


def _own_maximum(s: Tensor, y: Tensor) -> Tensor:
    z = s - s.max(dim=1, keepdim=True).values
    return (z.exp().sum(dim=1).log() - _of_labels(z, y)).mean()


LOSSES: dict[str, Callable[..., Tensor]] = {
    "fused": F.cross_entropy,
    "log_softmax": lambda s, y: F.nll_loss(torch.log_softmax(s, dim=1), y),
    "logsumexp": lambda s, y: (torch.logsumexp(s, dim=1) - _of_labels(s, y)).mean(),
    "log_of_softmax": lambda s, y: -_of_labels(torch.softmax(s, dim=1), y).log().mean(),
    "own_maximum": _own_maximum,
}
WAYS = ("autograd", "backward", "func", "per_sample", "forward", "compile")
SPELLINGS = spellings(WAYS, RELUS, LOSSES)

name = "torch"
variants = tuple(SPELLINGS)
dtypes = ("float64", "float32")
narrow = ("float16", "bfloat16")
modes = ("eager", "compiled")


def versions() -> dict[str, str]:
    """PyTorch's version."""
    return {"torch": torch.__version__}


def gradients(inputs: Inputs, variant: str) -> Gradients:
    """The loss and its gradients, in the way and with the idioms of the variant."""
    X, y, parameters = _tensors(inputs)
    spelling, reg = SPELLINGS[variant], inputs.reg

    def loss(*parameters: Tensor) -> Tensor:
        return _forward(X, y, parameters, reg, spelling)[-1]

    if spelling.way == "func":
        grads, value = torch.func.grad_and_value(loss, argnums=(0, 1, 2, 3))(*parameters)
    elif spelling.way == "forward":
        grads, value = torch.func.jacfwd(loss, argnums=(0, 1, 2, 3))(*parameters), loss(*parameters)
    elif spelling.way == "per_sample":
        per_sample = torch.func.vmap(
            torch.func.grad_and_value(_sample_loss, argnums=(0, 1, 2, 3)), in_dims=(None,) * 4 + (0, 0)
        )
        grads, value = per_sample(*parameters, X, y)
        W1, _, W2, _ = parameters
        value = value.mean() + reg * ((W1**2).sum() + (W2**2).sum())
        dW1, db1, dW2, db2 = (g.mean(dim=0) for g in grads)
        grads = (dW1 + 2 * reg * W1, db1, dW2 + 2 * reg * W2, db2)
    else:
        value = _compiled_loss()(X, y, parameters, reg) if spelling.way == "compile" else loss(*parameters)
        if spelling.way == "backward":
            value.backward()
            grads = [p.grad for p in parameters]
        else:
            grads = torch.autograd.grad(value, parameters)
    return Gradients(*(_array(t) for t in (value, *grads)))


def slopes(x: NDArray[Any], mode: str) -> dict[str, NDArray[Any]]:
    """The derivative of every ReLU at each entry of x."""
    derivatives = {}
    for idiom, relu in RELUS.items():
        point = torch.tensor(x, requires_grad=True)
        (torch.compile(relu) if mode == "compiled" else relu)(point).sum().backward()
        derivatives[idiom] = point.grad.numpy()
    return derivatives


def intermediates(inputs: Inputs) -> dict[str, NDArray[Any]]:
    """The derivatives of the loss by the logits, the hidden units and the pre-activations: ds (N, C), dh, da (N, H)."""
    X, y, parameters = _tensors(inputs)
    a, h, s, loss = _forward(X, y, parameters, inputs.reg)
    ds, dh, da = torch.autograd.grad(loss, (s, h, a))
    return {"ds": ds.numpy(), "dh": dh.numpy(), "da": da.numpy()}


def _tensors(inputs: Inputs) -> tuple[Tensor, Tensor, list[Tensor]]:
    """X, y and the parameters as separate tensors. The parameters require gradients."""
    X, y, *parameters = (_tensor(array) for array in normalised(inputs)[:6])
    return X, y, [p.requires_grad_() for p in parameters]


def _tensor(array: NDArray[Any]) -> Tensor:
    if array.dtype.name == "bfloat16":  # torch.from_numpy does not support it
        return torch.from_numpy(array.view(np.uint16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def _array(tensor: Tensor) -> NDArray[Any]:
    tensor = tensor.detach()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


def _forward(
    X: Tensor, y: Tensor, parameters: Any, reg: float, spelling: Spelling = SPELLINGS["autograd"]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    W1, b1, W2, b2 = parameters
    a = X @ W1 + b1
    h = RELUS[spelling.relu](a)
    s = h @ W2 + b2
    return a, h, s, LOSSES[spelling.loss](s, y) + reg * ((W1**2).sum() + (W2**2).sum())


def _sample_loss(W1: Tensor, b1: Tensor, W2: Tensor, b2: Tensor, x: Tensor, label: Tensor) -> Tensor:
    return F.cross_entropy(torch.relu(x @ W1 + b1) @ W2 + b2, label)


@lru_cache(maxsize=1)
def _compiled_loss() -> Callable[..., Tensor]:
    """The loss, compiled for any sizes. After too many recompilations it raises; it never runs eagerly."""
    import torch._dynamo  # late: it takes a second

    torch._dynamo.config.recompile_limit = 64
    torch._dynamo.config.fail_on_recompile_limit_hit = True
    return torch.compile(lambda *inputs: _forward(*inputs)[-1], dynamic=True, fullgraph=True)
