"""PyTorch: the forward pass as its tutorials write it, differentiated by autograd."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from adapters.protocol import Inputs, normalised
from reference.problem import Gradients

name = "torch"
variants = ("autograd",)
dtypes = ("float64", "float32")


def versions() -> dict[str, str]:
    """PyTorch's version."""
    return {"torch": torch.__version__}


def gradients(inputs: Inputs, variant: str) -> Gradients:
    """The loss and its gradients by `torch.autograd.grad`."""
    X, y, parameters = _tensors(inputs)
    _, _, _, loss = _forward(X, y, parameters, inputs.reg)
    return Gradients(*(t.detach().numpy() for t in (loss, *torch.autograd.grad(loss, parameters))))


def intermediates(inputs: Inputs) -> dict[str, NDArray[Any]]:
    """The derivatives of the loss by the logits, the hidden units and the pre-activations: ds (N, C), dh, da (N, H)."""
    X, y, parameters = _tensors(inputs)
    a, h, s, loss = _forward(X, y, parameters, inputs.reg)
    ds, dh, da = torch.autograd.grad(loss, (s, h, a))
    return {"ds": ds.numpy(), "dh": dh.numpy(), "da": da.numpy()}


def _tensors(inputs: Inputs) -> tuple[Tensor, Tensor, list[Tensor]]:
    """X, y and the parameters as tensors of their own, the parameters to be differentiated by."""
    X, y, *parameters = (torch.from_numpy(array) for array in normalised(inputs)[:6])
    return X, y, [p.requires_grad_() for p in parameters]


def _forward(X: Tensor, y: Tensor, parameters: list[Tensor], reg: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    W1, b1, W2, b2 = parameters
    a = X @ W1 + b1
    h = torch.relu(a)
    s = h @ W2 + b2
    return a, h, s, F.cross_entropy(s, y) + reg * ((W1**2).sum() + (W2**2).sum())
