"""A backward pass that is watched: what each function of autograd was given, and what it returned."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any, NamedTuple

import torch

from gradaudit.torch.memory import numbers

#: An input of a function of autograd, or a leaf by its id and 0.
Place = tuple[Any, int]


class Edge(NamedTuple):
    """Where a function of autograd hands on a cotangent.

    Attributes
    ----------
    function : object
        The function.
    number : int
        Of what it returns.
    place : tuple
        To whom: a function and the number of its output, or the id of a leaf and 0.
    """

    function: Any
    number: int
    place: Place


class Backward:
    """A backward pass of outputs, pulled back with weights.

    Attributes
    ----------
    functions : list
        The functions of autograd that were run, those that were made first at the end.
    idle : set
        Those that were not run: they lead to nothing that is differentiated by.
    received, returned : dict
        The cotangents that each was given, and those that it returned: arrays of the program's own floats, or None.
    of : dict
        Where they went, by the function.
    edges : list of Edge
        All of that.
    start : dict of Place to ndarray
        What the outputs were pulled back with.
    leaves : dict of int to str
        The names of the tensors that are differentiated by, by their ids.
    gradients : list
        What autograd returned for them: tensors, or None.
    """

    def __init__(
        self, outputs: Sequence[torch.Tensor], weights: Sequence[torch.Tensor], leaves: Mapping[str, torch.Tensor]
    ) -> None:
        chosen = [(t, w) for t, w in zip(outputs, weights, strict=True) if t.requires_grad]
        self.received: dict[Any, tuple[Any, ...]] = {}
        self.returned: dict[Any, tuple[Any, ...]] = {}
        self.start: dict[Place, list[Any]] = {}
        self.leaves = {id(t): name for name, t in leaves.items()}
        self._called = outputs, weights, list(leaves.values())
        found = _reached([t.grad_fn for t, _ in chosen if t.grad_fn is not None])
        handles = [h for function in found for h in self._watched(function)]
        try:
            for t, w in chosen:
                place = (id(t), 0) if t.grad_fn is None else (t.grad_fn, int(t.output_nr))
                self.start.setdefault(place, []).append(numbers(w))
            self.gradients = self.again()
        finally:
            for handle in handles:
                handle.remove()
        ran = [function for function in found if function in self.returned]
        self.idle = {function for function in found if function not in self.returned}
        self.functions = sorted(ran, key=lambda f: -int(f._sequence_nr()))
        self.of = {function: _edges(function) for function in self.functions}
        self.edges = [edge for edges in self.of.values() for edge in edges]
        self._to: dict[Place, list[Edge]] = {}
        for edge in self.edges:
            self._to.setdefault(edge.place, []).append(edge)

    def again(self) -> list[Any]:
        """Run it, once more for whoever looks on."""
        return pulled(*self._called)

    def _watched(self, function: Any) -> list[Any]:
        """Copies, since a function may write into what it was given."""

        def before(received: Sequence[Any]) -> None:
            self.received[function] = tuple(map(_copy, received))

        def after(returned: Sequence[Any], received: Sequence[Any]) -> None:  # noqa: ARG001
            places = function.next_functions
            self.returned[function] = tuple(
                _fitted(_copy(g), *place) for g, place in zip(returned, places, strict=True)
            )

        return [function.register_prehook(before), function.register_hook(after)]

    def contributions(self, place: Place, but: Container[Any] = ()) -> list[Any]:
        """What was handed to a place, but by some functions; what is None is left out."""
        edges = [edge for edge in self._to.get(place, ()) if edge.function not in but]
        returned = [self.returned[edge.function][edge.number] for edge in edges]
        return [*self.start.get(place, ()), *(numbers(part) for part in returned if part is not None)]


def pulled(
    outputs: Sequence[torch.Tensor], weights: Sequence[torch.Tensor], leaves: Sequence[torch.Tensor]
) -> list[Any]:
    """What autograd returns for the leaves: tensors, or None where it says that no output depends on one."""
    chosen = [(t, w) for t, w in zip(outputs, weights, strict=True) if t.requires_grad]
    if not chosen:
        return [None] * len(leaves)
    tensors, cotangents = zip(*chosen, strict=True)
    return list(torch.autograd.grad(tensors, leaves, cotangents, retain_graph=True, allow_unused=True))


def _copy(x: Any) -> Any:
    return x.detach().clone() if isinstance(x, torch.Tensor) else None


def _fitted(gradient: torch.Tensor | None, function: Any, number: int) -> torch.Tensor | None:
    """What autograd makes of a cotangent where it hands it on: of the array's shape, summed, and of its dtype."""
    if gradient is None or function is None:
        return gradient
    array = function._input_metadata[number]
    return gradient.sum_to_size(array.shape).to(array.dtype)


def _reached(functions: Sequence[Any]) -> list[Any]:
    """All functions below some, in the order in which they are met; no leaves."""
    reached: dict[Any, None] = {}
    stack = list(functions)
    while stack:
        function = stack.pop()
        if function is not None and function not in reached and not hasattr(function, "variable"):
            reached[function] = None
            stack += [f for f, _ in function.next_functions]
    return list(reached)


def _edges(function: Any) -> list[Edge]:
    places = [_place(*edge) for edge in function.next_functions]
    return [Edge(function, n, place) for n, place in enumerate(places) if place is not None]


def _place(function: Any, number: int) -> Place | None:
    if function is None:
        return None
    return (id(function.variable), 0) if hasattr(function, "variable") else (function, int(number))
