"""A network of somebody's class that holds a problem's parameters: how it is made, and where it keeps them.

Found on one small network, the same for everybody, whose sizes differ: the shapes of its parameters tell the order of
the constructor's arguments, and which parameter is which.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from itertools import permutations
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradaudit.adapters.calls import in_words
from gradaudit.adapters.protocol import Inputs
from gradaudit.reference.problem import PARAMETERS

#: What the factor of the regularisation is called, by those who keep it in the network.
REGS = ("reg", "weight_decay_lambda", "weight_decay", "reg_strength", "l2_reg", "lambda_", "lam")
#: What a candidate may look like, in one line.
EXPECTED = (
    "expected f(X, y, W1, b1, W2, b2, reg) or f(params, X, y, reg) -> (loss, grads), "
    "or a class Net(D, H, C) with its parameters in .params and .loss(X, y, reg)"
)


class CallError(TypeError):
    """An implementation cannot be called in any known way: the message says what was expected."""


def probe() -> Inputs:
    """The network that ways are tried on: its four sizes differ, so that a shape tells what an array is."""
    N, D, H, C = 3, 2, 4, 5
    rng = np.random.default_rng(0)
    X, W1, b1, W2, b2 = (rng.standard_normal(shape) for shape in ((N, D), (D, H), (H,), (H, C), (C,)))
    return Inputs(X, np.array([1, 4, 0]), W1, b1, W2, b2, 0.5)


class Builder:
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
        moved: dict[int, tuple[NDArray[Any], NDArray[Any]]] = {}
        for name, key in self._keys.items():
            old, new = parameters.get(key), getattr(inputs, name)
            if hasattr(old, "value"):
                old.value = _shaped(new, old.value)
                old.grad = np.zeros_like(old.value)
                continue
            parameters[key] = _shaped(new, old)
            if isinstance(old, np.ndarray):
                moved[id(old)] = old, parameters[key]  # kept, so that its id stays its own
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


def builder(candidate: type) -> Builder:
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
            return Builder(candidate, order, keys, note)
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
        if name not in fitting and len(fitting) != 1:
            return {}
        keys[name] = name if name in fitting else fitting[0]
    return keys


def _shaped(new: NDArray[Any], old: Any) -> NDArray[Any]:
    """The bias as a row, where the network keeps it so."""
    return new[None] if np.ndim(old) == new.ndim + 1 else new


def _replace(network: Any, moved: Mapping[int, tuple[NDArray[Any], NDArray[Any]]]) -> None:
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
                held[name] = moved[id(value)][1]
            elif isinstance(value, (list, tuple)):
                left.extend(value)
            elif isinstance(value, dict) or (hasattr(value, "__dict__") and not isinstance(value, _NO_LAYERS)):
                left.append(value)
