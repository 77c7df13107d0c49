"""What the operations of a run returned: floats, which function of autograd made them, and where in the user's code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from gradaudit.graph import Node
from gradaudit.torch.memory import numbers
from gradaudit.torch.tables.rules import finite


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
        Whether nothing was computed: it shares the memory of an operand, or is a copy of one.
    is_part : bool
        Whether it was written to a part of a memory: for autograd it is a view of the whole.
    """

    tensor: torch.Tensor
    node: Node
    call: int
    name: str
    module: str
    is_view: bool
    is_part: bool
    _copy: Any = field(default=None)

    def __post_init__(self) -> None:
        """Copy the numbers: whatever runs later, a backward pass too, may write over them."""
        if not self.is_view:
            self._copy = self.tensor.detach().clone()

    @property
    def floats(self) -> Any:
        """The numbers when it was returned, as float64, what is infinite very large; of a view nobody asks."""
        return finite(numbers(self._copy))


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

    def settle(self, node: Callable[[torch.Tensor], Node]) -> None:
        """Find out, when the run is over, which function of autograd made what nobody has used."""
        for result in self.all:
            self.match(result.tensor, node(result.tensor))

    def match(self, tensor: torch.Tensor, node: Node) -> None:
        """Put down which function of autograd made a tensor, as it is now."""
        try:
            function = tensor.grad_fn
        except RuntimeError:  # a view of what was written to, which PyTorch forbids to use
            return
        if function is not None:
            self.made.setdefault((function, tensor.output_nr), node)
