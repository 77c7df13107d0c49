"""The ways in which courses have a two-layer network called, each found from the implementation itself.

What its signature and its members do not say is tried on one small network, the same for everybody, so that the answer
depends on the implementation alone. What was inferred is said in `Way.note`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import permutations
from operator import attrgetter
from types import FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from adapters.calls import in_words
from adapters.protocol import Inputs
from reference.problem import PARAMETERS

#: What an implementation returns, not yet read: the loss, and the gradients in some form.
Answer = Any
#: What the factor of the regularisation is called, by those who keep it in the network.
REGS = ("reg", "weight_decay_lambda", "weight_decay", "reg_strength", "l2_reg", "lambda_", "lam")
#: The orders of the arguments in which the parameters are one mapping.
MAPPING_ORDERS = (("params", "X", "y", "reg"), ("X", "y", "params", "reg"), ("X", "params", "y", "reg"))
#: The method of dlcourse.ai that leaves the gradients in the parameters.
_LEAVES = "compute_loss_and_gradients"
#: What a candidate may look like, in one line.
EXPECTED = (
    "expected f(X, y, W1, b1, W2, b2, reg) or f(params, X, y, reg) -> (loss, grads), "
    "or a class Net(D, H, C) with its parameters in .params and .loss(X, y, reg)"
)


class CallError(TypeError):
    """An implementation cannot be called in any known way: the message says what was expected."""


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


def probe() -> Inputs:
    """The network that ways are tried on: its four sizes differ, so that a shape tells what an array is."""
    N, D, H, C = 3, 2, 4, 5
    rng = np.random.default_rng(0)
    X, W1, b1, W2, b2 = (rng.standard_normal(shape) for shape in ((N, D), (D, H), (H,), (H, C), (C,)))
    return Inputs(X, np.array([1, 4, 0]), W1, b1, W2, b2, 0.5)


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
    build = _builder(candidate)
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


def _by_gradient(build: _Builder, labels: Callable[[Inputs], NDArray[Any]], inputs: Inputs) -> Answer:
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


class _Builder:
    """A network of the candidate's class that holds a problem's parameters.

    Parameters
    ----------
    candidate : type
        The class.
    order : callable
        The sizes D, H, C -> the constructor's positional arguments.
    keys : mapping of str to str
        W1, b1, W2, b2 -> what the network calls them.
    note : str
        What was inferred.
    """

    def __init__(
        self, candidate: type, order: Callable[[int, int, int], list[Any]], keys: Mapping[str, str], note: str
    ) -> None:
        self._candidate, self._order, self._keys, self.note = candidate, order, keys, note

    def __call__(self, inputs: Inputs) -> tuple[Any, Mapping[str, str]]:
        network = _constructed(self._candidate, self._order, inputs)
        parameters = _parameters(network)
        moved: dict[int, NDArray[Any]] = {}
        for name, key in self._keys.items():
            old, new = parameters.get(key), getattr(inputs, name)
            if hasattr(old, "value"):
                old.value = _shaped(new, old.value)
                old.grad = np.zeros_like(old.value)
                continue
            parameters[key] = _shaped(new, old)
            if isinstance(old, np.ndarray):
                moved[id(old)] = parameters[key]
        _replace(network, moved)
        attributes = [name for name in REGS if hasattr(network, name)] or ["reg"]
        setattr(network, attributes[0], inputs.reg)
        if isinstance(getattr(network, "dtype", None), (type, np.dtype)):
            network.dtype = inputs.X.dtype.type
        return network, self._keys


#: What a network may hold that holds none of its arrays.
_NO_LAYERS = (type, ModuleType, FunctionType, MethodType, np.ndarray)
#: How constructors take the sizes; the first that gives parameters of the right shapes is taken.
_ORDERS: tuple[tuple[str, Callable[[int, int, int], list[Any]]], ...] = (
    ("D, H, C", lambda D, H, C: [D, H, C]),
    *(
        (", ".join(order), lambda D, H, C, order=order: [{"D": D, "H": H, "C": C}[size] for size in order])
        for order in list(permutations("DHC"))
        if order != ("D", "H", "C")
    ),
    ("D, [H], C", lambda D, H, C: [D, [H], C]),
    ("[H], D, C", lambda D, H, C: [[H], D, C]),
)


def _builder(candidate: type) -> _Builder:
    """How a class is made into a network with given parameters.

    Raises
    ------
    CallError
        If no order of the sizes gives parameters of the shapes of W1, b1, W2, b2.
    """
    inputs, failure = probe(), ""
    for said, order in _ORDERS:
        try:
            keys = _keys(_parameters(_constructed(candidate, order, inputs)), inputs)
        except Exception as error:
            failure = failure or in_words(error)
            continue
        if keys:
            note = "" if said == "D, H, C" else f"made as {candidate.__name__}({said})"
            return _Builder(candidate, order, keys, note)
        failure = failure or "its parameters have other shapes than W1, b1, W2, b2"
    raise CallError(f"the class {candidate.__name__} cannot be made ({failure}); {EXPECTED}")


def _constructed(candidate: type, order: Callable[[int, int, int], list[Any]], inputs: Inputs) -> Any:
    (D, H), C = inputs.W1.shape, inputs.W2.shape[1]
    try:
        takes = list(inspect.signature(candidate).parameters)
    except (TypeError, ValueError):
        takes = []
    reg = [name for name in REGS if name in takes][:1]
    return candidate(*order(D, H, C), **dict.fromkeys(reg, inputs.reg))


def _parameters(network: Any) -> Any:
    """The mapping of the network's parameters: arrays, or objects with `.value` and `.grad`."""
    params = network.params
    return params() if callable(params) else params


def _keys(parameters: Mapping[str, Any], inputs: Inputs) -> dict[str, str]:
    """W1, b1, W2, b2 -> the keys of the parameters of their shapes; nothing if there are none of some."""
    if not parameters:  # they are to be put in
        return {name: name for name in PARAMETERS}
    keys = {}
    for name in PARAMETERS:
        shape = getattr(inputs, name).shape
        allowed = (shape, (1, *shape)) if len(shape) == 1 else (shape,)
        fitting = [key for key, value in parameters.items() if np.shape(getattr(value, "value", value)) in allowed]
        if len(fitting) != 1:
            return {}
        keys[name] = fitting[0]
    return keys


def _shaped(new: NDArray[Any], old: Any) -> NDArray[Any]:
    """The bias as a row, where the network keeps it so."""
    return new[None] if np.ndim(old) == new.ndim + 1 else new


def _replace(network: Any, moved: Mapping[int, NDArray[Any]]) -> None:
    """Put new arrays in the place of those that the constructor made, wherever the network's layers hold them."""
    seen: set[int] = set()
    left = [network]
    while left:
        one = left.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        held = one if isinstance(one, dict) else getattr(one, "__dict__", {})
        for name, value in list(held.items()):
            if id(value) in moved:
                held[name] = moved[id(value)]
            elif isinstance(value, (list, tuple)):
                left.extend(value)
            elif isinstance(value, dict) or (hasattr(value, "__dict__") and not isinstance(value, _NO_LAYERS)):
                left.append(value)


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
