"""The ways in which courses call a two-layer network. The way is inferred from the implementation.

If the signature and the members are not enough, the ways are tried on a small network. It is always the same, so that
the result depends on the implementation only. `Way.note` says what was inferred.
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

#: The return value of an implementation: the loss, and the gradients in some form.
Answer = Any
#: The orders of the arguments of functions whose parameters are one mapping.
MAPPING_ORDERS = (("params", "X", "y", "reg"), ("X", "y", "params", "reg"), ("X", "params", "y", "reg"))
#: The method of dlcourse.ai that leaves the gradients in the parameters.
_PARAMETER_METHOD = "compute_loss_and_gradients"


class Way(NamedTuple):
    """How an implementation is called.

    Attributes
    ----------
    call : callable
        Inputs -> the loss and the gradients, in some form.
    note : str
        What was inferred. Empty for the two canonical ways.
    """

    call: Callable[[Inputs], Answer]
    note: str = ""


def way_of(candidate: Any) -> Way:
    """How a function or a class is called.

    Raises
    ------
    CallError
        If no known way fits the candidate.
    """
    return _way_of_class(candidate) if inspect.isclass(candidate) else _way_of_function(candidate)


def onehot(inputs: Inputs) -> NDArray[Any]:
    """The labels as one-hot rows, in the dtype of X."""
    return np.eye(inputs.b2.shape[-1], dtype=inputs.X.dtype)[inputs.y]


def _way_of_function(function: Callable[..., Any]) -> Way:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # a compiled function has no signature
        return Way(lambda inputs: function(*inputs))
    names = list(signature.parameters)[: len(Inputs._fields)]
    if set(names) == set(Inputs._fields) and tuple(names) != Inputs._fields:
        note = f"called as f({', '.join(names)}), by the names of its arguments"
        return Way(lambda inputs: function(*(getattr(inputs, name) for name in names)), note)
    if _takes(signature, len(Inputs._fields)):
        return Way(lambda inputs: function(*inputs))
    if not _takes(signature, len(MAPPING_ORDERS[0])):
        raise CallError(f"it is {_name(function)}{signature}; {EXPECTED}")

    def ways() -> Iterator[Way]:
        for order in MAPPING_ORDERS:
            note = f"called as f({', '.join(order)}), params a mapping of W1, b1, W2, b2"
            yield Way(partial(_by_mapping, function, order), note)

    return _first(ways(), f"{_name(function)}{signature}")


def _by_mapping(function: Callable[..., Any], order: tuple[str, ...], inputs: Inputs) -> Answer:
    """Call a function whose parameters are one mapping."""
    params = {name: getattr(inputs, name) for name in PARAMETERS}
    return function(*(params if name == "params" else getattr(inputs, name) for name in order))


def _way_of_class(candidate: type) -> Way:
    methods = {name for name in ("loss", "gradient", _PARAMETER_METHOD) if callable(getattr(candidate, name, None))}
    if not methods & {"loss", _PARAMETER_METHOD}:
        raise CallError(f"the class {candidate.__name__} has no method loss; {EXPECTED}")
    build = builder(candidate)
    if _PARAMETER_METHOD in methods:
        note = _join(f"called as .{_PARAMETER_METHOD}(X, y), gradients read from .params()", build.note)
        return Way(lambda inputs: _by_parameters(*build(inputs), inputs), note)
    if "gradient" not in methods:
        return Way(lambda inputs: _by_loss(*build(inputs), inputs), build.note)

    def ways() -> Iterator[Way]:
        for labels, text in ((onehot, "rows of zeros and a one"), (attrgetter("y"), "class indices")):
            note = _join(f"called as .loss(x, t) and .gradient(x, t), t as {text}", build.note)
            yield Way(partial(_by_gradient, build, labels), note)

    return _first(ways(), f"the class {candidate.__name__}")


def _by_loss(network: Any, keys: Mapping[str, str], inputs: Inputs) -> Answer:
    """Call a network like that of cs231n: one method returns both."""
    takes_reg = _takes(inspect.signature(network.loss), 3)
    answer = network.loss(inputs.X, inputs.y, inputs.reg) if takes_reg else network.loss(inputs.X, inputs.y)
    if isinstance(answer, (tuple, list)) and len(answer) == 2:
        return answer[0], _by_name(answer[1], keys)
    return answer


def _by_gradient(build: Builder, labels: Callable[[Inputs], NDArray[Any]], inputs: Inputs) -> Answer:
    """Call a network like that of "Deep Learning from Scratch", with one method for the loss and one for gradients."""
    (network, keys), t = build(inputs), labels(inputs)
    return network.loss(inputs.X, t), _by_name(network.gradient(inputs.X, t), keys)


def _by_name(grads: Any, keys: Mapping[str, str]) -> Any:
    """The gradients with the keys W1, b1, W2, b2 instead of the keys of the network."""
    if isinstance(grads, Mapping) and set(keys.values()) <= set(grads):
        return {name: grads[key] for name, key in keys.items()}
    return grads


def _by_parameters(network: Any, keys: Mapping[str, str], inputs: Inputs) -> Answer:
    """Call a network like that of dlcourse.ai, which stores the gradients in the parameters."""
    loss = getattr(network, _PARAMETER_METHOD)(inputs.X, inputs.y)
    parameters = network.params()
    return loss, {name: parameters[keys[name]].grad for name in PARAMETERS}


def _first(ways: Iterator[Way], what: str) -> Way:
    """The first way that works for the probe.

    Raises
    ------
    CallError
        If there is no such way.
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
    """Whether a function can be called with this number of positional arguments."""
    try:
        signature.bind(*range(number))
    except TypeError:
        return False
    return True


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", type(function).__name__)


def _join(*notes: str) -> str:
    return "; ".join(note for note in notes if note)
