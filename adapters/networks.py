"""A network of a candidate's class with the parameters of a problem: how it is made, and where its parameters are.

This is inferred from one small network, which is always the same. Its sizes differ, so that the shapes of its
parameters give the order of the constructor's arguments and the role of each parameter.
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

#: Names of the factor of the regularisation, if it is in the network.
REGS = ("reg", "weight_decay_lambda", "weight_decay", "reg_strength", "l2_reg", "lambda_", "lam")
#: The possible forms of a candidate, in one line.
EXPECTED = (
    "expected f(X, y, W1, b1, W2, b2, reg) or f(params, X, y, reg) -> (loss, grads), "
    "or a class Net(D, H, C) with its parameters in .params and .loss(X, y, reg)"
)


class CallError(TypeError):
    """An implementation that cannot be called in any known way. The message says what was expected."""


def probe() -> Inputs:
    """The small network for the inference. Its four sizes differ, so that each shape belongs to one array."""
    N, D, H, C = 3, 2, 4, 5
    rng = np.random.default_rng(0)
    X, W1, b1, W2, b2 = (rng.standard_normal(shape) for shape in ((N, D), (D, H), (H,), (H, C), (C,)))
    return Inputs(X, np.array([1, 4, 0]), W1, b1, W2, b2, 0.5)


class Builder:
    """Makes networks of the candidate's class with the parameters of a problem.

    Parameters
    ----------
    candidate : type
        The class.
    order : callable
        The sizes D, H, C -> the constructor's positional arguments.
    keys : mapping of str to str
        W1, b1, W2, b2 -> their names in the network.
    note : str
        What was inferred.
    """

    def __init__(
        self, candidate: type, order: Callable[[int, int, int], list[Any]], keys: Mapping[str, str], note: str
    ) -> None:
        self._candidate, self._order, self._keys, self.note = candidate, order, keys, note

    def __call__(self, inputs: Inputs) -> tuple[Any, Mapping[str, str]]:
        network = _construct(self._candidate, self._order, inputs)
        parameters = _parameters(network)
        replacements: dict[int, tuple[NDArray[Any], NDArray[Any]]] = {}
        for name, key in self._keys.items():
            old, new = parameters.get(key), getattr(inputs, name)
            if hasattr(old, "value"):
                old.value = _reshape(new, old.value)
                old.grad = np.zeros_like(old.value)
                continue
            parameters[key] = _reshape(new, old)
            if isinstance(old, np.ndarray):
                replacements[id(old)] = old, parameters[key]  # the tuple keeps `old` alive, so that its id stays unique
        _replace(network, replacements)
        attributes = [name for name in REGS if hasattr(network, name)] or ["reg"]
        setattr(network, attributes[0], inputs.reg)
        if isinstance(getattr(network, "dtype", None), (type, np.dtype)):
            network.dtype = inputs.X.dtype.type
        return network, self._keys


#: Types of values in a network that contain none of its layers.
_NO_LAYERS = (type, ModuleType, FunctionType, MethodType, np.ndarray)
#: Forms of the sizes in constructors. The first form that gives parameters of the right shapes is used.
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
    """The builder of networks of a class.

    Raises
    ------
    CallError
        If no order of the sizes gives parameters of the shapes of W1, b1, W2, b2.
    """
    inputs, failure = probe(), ""
    for text, order in _ORDERS:
        try:
            keys = _keys(_parameters(_construct(candidate, order, inputs)), inputs)
        except Exception as error:
            failure = failure or in_words(error)
            continue
        if keys:
            note = "" if text == "D, H, C" else f"made as {candidate.__name__}({text})"
            return Builder(candidate, order, keys, note)
        failure = failure or "its parameters have other shapes than W1, b1, W2, b2"
    raise CallError(f"the class {candidate.__name__} cannot be made ({failure}); {EXPECTED}")


def _construct(candidate: type, order: Callable[[int, int, int], list[Any]], inputs: Inputs) -> Any:
    (D, H), C = inputs.W1.shape, inputs.W2.shape[1]
    try:
        names = list(inspect.signature(candidate).parameters)
    except (TypeError, ValueError):
        names = []
    reg = [name for name in REGS if name in names][:1]
    return candidate(*order(D, H, C), **dict.fromkeys(reg, inputs.reg))


def _parameters(network: Any) -> Any:
    """The mapping of the network's parameters: arrays, or objects with `.value` and `.grad`."""
    params = network.params
    return params() if callable(params) else params


def _keys(parameters: Mapping[str, Any], inputs: Inputs) -> dict[str, str]:
    """W1, b1, W2, b2 -> the keys of the parameters with their shapes. Empty if a shape is missing or ambiguous."""
    if not parameters:  # the parameters are added later
        return {name: name for name in PARAMETERS}
    keys = {}
    for name in PARAMETERS:
        shape = getattr(inputs, name).shape
        shapes = (shape, (1, *shape)) if len(shape) == 1 else (shape,)
        matches = [key for key, value in parameters.items() if np.shape(getattr(value, "value", value)) in shapes]
        if name not in matches and len(matches) != 1:
            return {}
        keys[name] = name if name in matches else matches[0]
    return keys


def _reshape(new: NDArray[Any], old: Any) -> NDArray[Any]:
    """The new array; a bias becomes a row if it is a row in the network."""
    return new[None] if np.ndim(old) == new.ndim + 1 else new


def _replace(network: Any, replacements: Mapping[int, tuple[NDArray[Any], NDArray[Any]]]) -> None:
    """Replace the arrays of the constructor by the new arrays, in all layers of the network."""
    ids: set[int] = set()
    queue = [network]
    while queue:
        item = queue.pop()
        if id(item) in ids:
            continue
        ids.add(id(item))
        members = item if isinstance(item, dict) else getattr(item, "__dict__", {})
        for name, value in list(members.items()):
            if id(value) in replacements:
                members[name] = replacements[id(value)][1]
            elif isinstance(value, (list, tuple)):
                queue.extend(value)
            elif isinstance(value, dict) or (hasattr(value, "__dict__") and not isinstance(value, _NO_LAYERS)):
                queue.append(value)
