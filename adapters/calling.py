"""The ways in which courses have a two-layer network called, each found from the implementation itself.

What its signature and its members do not say is tried on one small network, the same for everybody, so that the answer
depends on the implementation alone. What was inferred is said in `Way.note`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradaudit.adapters.calls import in_words
from gradaudit.adapters.networks import EXPECTED, Builder, CallError, builder, probe
from gradaudit.adapters.protocol import Inputs
from gradaudit.reference.problem import PARAMETERS

#: What an implementation returns, not yet read: the loss, and the gradients in some form.
Answer = Any
#: The orders of the arguments in which the parameters are one mapping.
MAPPING_ORDERS = (("params", "X", "y", "reg"), ("X", "y", "params", "reg"), ("X", "params", "y", "reg"))
#: The method of dlcourse.ai that leaves the gradients in the parameters.
_LEAVES = "compute_loss_and_gradients"


class Way(NamedTuple):
    """How an implementation is called.

    Attributes
    ----------
    call : callable
        Inputs -> the loss and the gradients, in some form.
    note : str
        What was inferred; empty for the two ways that are documented first.
    """

    call: Callable[[Inputs], Answer]
    note: str = ""


def way_of(candidate: Any) -> Way:
    """How a function or a class is called.

    Raises
    ------
    CallError
        If none of the known ways is that of the candidate.
    """
    return _way_of_class(candidate) if inspect.isclass(candidate) else _way_of_function(candidate)


def onehot(inputs: Inputs) -> NDArray[Any]:
    """The labels as rows of zeros and a one, in the dtype of X."""
    return np.eye(inputs.b2.shape[-1], dtype=inputs.X.dtype)[inputs.y]


def _way_of_function(function: Callable[..., Any]) -> Way:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # of what is compiled nothing is known
        return Way(lambda inputs: function(*inputs))
    names = list(signature.parameters)[: len(Inputs._fields)]
    if set(names) == set(Inputs._fields) and tuple(names) != Inputs._fields:
        note = f"called as f({', '.join(names)}), by the names of its arguments"
        return Way(lambda inputs: function(*(getattr(inputs, name) for name in names)), note)
    if _takes(signature, len(Inputs._fields)):
        return Way(lambda inputs: function(*inputs))
    if not _takes(signature, len(MAPPING_ORDERS[0])):
        raise CallError(f"it is {_named(function)}{signature}; {EXPECTED}")

    def ways() -> Iterator[Way]:
        for order in MAPPING_ORDERS:
            note = f"called as f({', '.join(order)}), params a mapping of W1, b1, W2, b2"
            yield Way(partial(_by_mapping, function, order), note)

    return _first(ways(), f"{_named(function)}{signature}")


def _by_mapping(function: Callable[..., Any], order: tuple[str, ...], inputs: Inputs) -> Answer:
    """Its parameters are one mapping."""
    params = {name: getattr(inputs, name) for name in PARAMETERS}
    return function(*(params if name == "params" else getattr(inputs, name) for name in order))


def _way_of_class(candidate: type) -> Way:
    has = {name for name in ("loss", "gradient", _LEAVES) if callable(getattr(candidate, name, None))}
    if not has & {"loss", _LEAVES}:
        raise CallError(f"the class {candidate.__name__} has no method loss; {EXPECTED}")
    build = builder(candidate)
    if _LEAVES in has:
        note = _joined(f"called as .{_LEAVES}(X, y), gradients read from .params()", build.note)
        return Way(lambda inputs: _by_parameters(*build(inputs), inputs), note)
    if "gradient" not in has:
        return Way(lambda inputs: _by_loss(*build(inputs), inputs), build.note)

    def ways() -> Iterator[Way]:
        for labels, said in ((onehot, "rows of zeros and a one"), (attrgetter("y"), "class indices")):
            note = _joined(f"called as .loss(x, t) and .gradient(x, t), t as {said}", build.note)
            yield Way(partial(_by_gradient, build, labels), note)

    return _first(ways(), f"the class {candidate.__name__}")


def _by_loss(network: Any, keys: Mapping[str, str], inputs: Inputs) -> Answer:
    """In the way of cs231n: one method gives both."""
    takes_reg = _takes(inspect.signature(network.loss), 3)
    answer = network.loss(inputs.X, inputs.y, inputs.reg) if takes_reg else network.loss(inputs.X, inputs.y)
    if isinstance(answer, (tuple, list)) and len(answer) == 2:
        return answer[0], _by_name(answer[1], keys)
    return answer


def _by_gradient(build: Builder, labels: Callable[[Inputs], NDArray[Any]], inputs: Inputs) -> Answer:
    """In the way of "Deep Learning from Scratch": one method for the loss, another for the gradients."""
    (network, keys), t = build(inputs), labels(inputs)
    return network.loss(inputs.X, t), _by_name(network.gradient(inputs.X, t), keys)


def _by_name(grads: Any, keys: Mapping[str, str]) -> Any:
    """The gradients by the names W1, b1, W2, b2, where they have the network's own keys."""
    if isinstance(grads, Mapping) and set(keys.values()) <= set(grads):
        return {name: grads[key] for name, key in keys.items()}
    return grads


def _by_parameters(network: Any, keys: Mapping[str, str], inputs: Inputs) -> Answer:
    """In the way of dlcourse.ai: the gradients are left in the parameters."""
    loss = getattr(network, _LEAVES)(inputs.X, inputs.y)
    parameters = network.params()
    return loss, {name: parameters[keys[name]].grad for name in PARAMETERS}


def _first(ways: Iterator[Way], what: str) -> Way:
    """The first way in which the probe is answered by numbers of the right shapes.

    Raises
    ------
    CallError
        If there is none.
    """
    failure: Exception | None = None
    for way in ways:
        try:
            way.call(probe())
        except Exception as error:
            failure = failure or error
        else:
            return way
    raise CallError(f"{what} cannot be called ({in_words(failure)}); {EXPECTED}") from failure


def _takes(signature: inspect.Signature, number: int) -> bool:
    """Whether a function can be called with so many positional arguments."""
    try:
        signature.bind(*range(number))
    except TypeError:
        return False
    return True


def _named(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", type(function).__name__)


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)
