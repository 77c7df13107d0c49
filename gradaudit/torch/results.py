"""What the operations of a run returned: floats, which function of autograd made them, and where in the user's code.

The tensors themselves are kept, and copied only when they are about to be written to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from gradaudit.graph import Node
from gradaudit.torch.memory import key, numbers


@dataclass(eq=False)
class Result:
    """One result of an operation.

    Attributes
    ----------
    tensor : Tensor
        It.
    node : Node
        What it is.
    call : int
        The number of the operation in the run.
    name : str
        The operation's, without the namespace.
    module : str
        The path of the module in whose forward pass it was computed; empty if in none.
    is_view : bool
        Whether it shares the memory of an operand, and nothing was computed.
    """

    tensor: torch.Tensor
    node: Node
    call: int
    name: str
    module: str
    is_view: bool
    _floats: Any = field(default=None)

    @property
    def floats(self) -> Any:
        """Its numbers when it was returned, as float64."""
        return numbers(self.tensor) if self._floats is None else self._floats

    def freeze(self) -> None:
        """Copy the numbers, since they are about to change."""
        if self._floats is None:
            self._floats = numbers(self.tensor)


class Results:
    """All results of a run that depend on an input, in their order.

    Attributes
    ----------
    all : list of Result
    made : dict
        The node of what a function of autograd made, by the function and the number of its output.
    """

    def __init__(self) -> None:
        self.all: list[Result] = []
        self.made: dict[tuple[Any, int], Node] = {}
        self._by_storage: dict[int, list[Result]] = {}

    def add(self, result: Result) -> None:
        """Put down a result."""
        self.all.append(result)
        self._by_storage.setdefault(key(result.tensor), []).append(result)

    def before_write(self, written: list[torch.Tensor], node: Callable[[torch.Tensor], Node]) -> None:
        """Take down what is about to be written over."""
        for storage in {key(t) for t in written if t.layout == torch.strided}:
            for result in self._by_storage.get(storage, ()):
                self.match(result.tensor, node(result.tensor))
                result.freeze()

    def settle(self, node: Callable[[torch.Tensor], Node]) -> None:
        """Find out, when the run is over, which function of autograd made what."""
        for result in self.all:
            self.match(result.tensor, node(result.tensor))

    def match(self, tensor: torch.Tensor, node: Node) -> None:
        """Put down which function of autograd made a tensor, as it is now."""
        function = tensor.grad_fn
        if function is not None:
            self.made.setdefault((function, tensor.output_nr), node)
