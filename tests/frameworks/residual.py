"""ResNet-20 on small images (He et al., "Deep Residual Learning for Image Recognition", 2016), and its training."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, relu

from gradaudit.cases.images import images
from gradaudit.judge import Report
from gradaudit.torch import gradcheck

CHANNELS = (16, 16, 32, 64)
#: So many blocks of two convolutions have each number of channels.
BLOCKS = 3


class Block(nn.Module):  # type: ignore[misc]
    """Two convolutions, and the way around them."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(after)
        self.second = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.last_norm = nn.BatchNorm2d(after)
        self.around = nn.Sequential()
        if before != after or stride != 1:
            self.around = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        y = relu(self.norm(self.first(x)))
        return relu(self.last_norm(self.second(y)) + self.around(x))


class ResNet(nn.Module):  # type: ignore[misc]
    """Its loss on images (N, 1, 8, 8) with labels (N,)."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, CHANNELS[0], 3, 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(CHANNELS[0])
        blocks = [
            Block(before if n == 0 else after, after, 2 if n == 0 and before != after else 1)
            for before, after in pairwise(CHANNELS)
            for n in range(BLOCKS)
        ]
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.Linear(CHANNELS[-1], 10)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        scores = self.last(self.blocks(relu(self.norm(self.first(x)))).mean((2, 3)))
        return cross_entropy(scores, labels)


class Trained(NamedTuple):
    """A step of a training, and its certificate.

    Attributes
    ----------
    loss : float
        Before the step.
    report : Report
        On the same batch, after it.
    step, check : float
        The seconds of the processor that the step took, and that its certificate took.
    """

    loss: float
    report: Report
    step: float
    check: float


def training(steps: int, batch: int, seed: int = 0) -> Iterator[Trained]:
    """So many steps in float32 by gradient descent with momentum, each certified."""
    torch.manual_seed(seed)
    pixels, labels = images()
    net = ResNet()
    descent = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    for n in range(steps):
        at = torch.arange(n * batch, (n + 1) * batch) % len(labels)
        x = torch.tensor(pixels, dtype=torch.float32)[at].reshape(-1, 1, 8, 8)
        y = torch.tensor(labels)[at]
        began = time.process_time()
        descent.zero_grad()
        loss = net(x, y)
        loss.backward()
        descent.step()
        between = time.process_time()
        report = gradcheck(net, (x, y), steps=True, raise_exception=False)
        yield Trained(float(loss.detach()), report, between - began, time.process_time() - between)
