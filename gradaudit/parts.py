"""Parts of a program that have one form: each form is made ready to be certified once, for whatever floats come."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from gradaudit.certify import Plan
from gradaudit.graph import Node, topological_order
from gradaudit.operations.shapes import input_
from gradaudit.patterns import LARGE

#: So many forms are kept.
FORMS = 256


class Part(NamedTuple):
    """A part of a program, ready to be certified.

    Attributes
    ----------
    plan : Plan
        Its outputs, or its contributions to cotangents.
    leaves : tuple of Node
        The inputs that it begins with, in the order of its form.
    weights : tuple of Node
        The cotangents of its outputs.
    roots : tuple of Node
        The nodes that it was made of: as long as it is kept, none of their ids is that of anything else.
    """

    plan: Plan
    leaves: tuple[Node, ...]
    weights: tuple[Node, ...]
    roots: tuple[Node, ...]


class Form(NamedTuple):
    """What two parts of a program have to have in common, to be one part at other floats.

    Attributes
    ----------
    key : tuple or None
        Operations, shapes, parameters, lines, and what is computed from what; None if it is not to be kept.
    leaves : tuple of Node
        The inputs, in their order.
    """

    key: Any
    leaves: tuple[Node, ...]


def form(roots: Sequence[Node]) -> Form:
    """The form of a graph with these outputs."""
    order = topological_order(roots)
    number = {id(node): n for n, node in enumerate(order)}
    leaves = tuple(node for node in order if node.operation is input_)
    key: list[Any] = [tuple(number[id(root)] for root in roots)]
    for node in order:
        details: list[Any] = []
        for name, value in node.parameters.items():
            if not isinstance(value, np.ndarray):
                details.append((name, repr(value)))
            elif value.size <= LARGE:
                details.append((name, value.shape, value.dtype.str, value.tobytes()))
            elif not value.flags.writeable:  # it is kept itself, for every node of its kind
                details.append((name, id(value)))
            else:
                return Form(None, leaves)
        inputs = tuple(number[id(n)] for n in node.inputs)
        key.append((id(node.operation), node.shape, node.line, inputs, *details))
    return Form(tuple(key), leaves)


_kept: OrderedDict[Any, Part] = OrderedDict()


def planned(of: Form, more: Any, make: Callable[[], Part]) -> Part:
    """The part of a form, and of what else it depends on; made, or that which was made before."""
    if of.key is None:
        return make()
    key = (of.key, more)
    part = _kept.get(key)
    if part is None:
        part = _kept[key] = make()
        if len(_kept) > FORMS:
            _kept.popitem(last=False)
    else:
        _kept.move_to_end(key)
    return part
