"""A function run by a framework: its values, and derivatives in reverse or forward mode."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from gradaudit.functions.program import Array, Program
from gradaudit.functions.writing import source

Values = tuple[Any, ...]
#: The ways in which each framework is run, the canonical one first; what compiles each function comes last.
VARIANTS: dict[str, tuple[str, ...]] = {
    "numpy": ("value",),
    "torch": ("autograd", "func", "jvp", "compile"),
    "jax": ("eager", "jvp", "jit", "jit_jvp"),
}
#: How many functions, and single operations, JAX may have compiled before it forgets them: a megabyte each, or more.
COMPILED, OPERATIONS = 200, 3000


class Result(NamedTuple):
    """What a framework has computed.

    Attributes
    ----------
    values : list of ndarray
        What the function returns.
    derivatives : list of ndarray
        By the inputs, or of the outputs along the direction; empty for a value alone.
    forward : bool
        Whether the derivatives are of forward mode.
    """

    values: list[Array]
    derivatives: list[Array]
    forward: bool = False


def run(program: Program, arrays: Sequence[Array], framework: str, variant: str) -> Result:
    """The values and derivatives of a program at arrays, which are not changed.

    Raises
    ------
    NotWritten
        If the framework has no word for an operation.
    Exception
        Whatever the framework raises.
    """
    ways: dict[str, Callable[..., Result]] = {"numpy": _numpy, "torch": _torch, "jax": _jax}
    return ways[framework](program, [np.array(a) for a in arrays], variant)


def defined(program: Program, framework: str) -> Callable[..., Values]:
    """The function in a framework."""
    space = dict(_modules(framework))
    exec(compile(source(program, framework), "<function>", "exec"), space)
    function: Callable[..., Values] = space["f"]
    return function


@lru_cache(maxsize=3)
def _modules(framework: str) -> dict[str, Any]:
    """What the source of a framework names."""
    if framework == "numpy":
        return {"np": np, "math": math}
    if framework == "torch":
        torch = importlib.import_module("torch")
        torch.set_num_threads(1)
        return {"torch": torch}
    importlib.import_module("jax.scipy.special")
    jax = importlib.import_module("jax")
    jax.monitoring.register_event_duration_secs_listener(_count)
    return {"jax": jax, "jnp": importlib.import_module("jax.numpy")}


def _numpy(program: Program, arrays: Sequence[Array], variant: str) -> Result:  # noqa: ARG001 (there is one)
    with np.errstate(all="ignore"):
        return Result([np.asarray(v) for v in defined(program, "numpy")(*arrays)], [])


def _torch(program: Program, arrays: Sequence[Array], variant: str) -> Result:
    torch = _modules("torch")["torch"]
    f = defined(program, "torch")
    dtype = arrays[0].dtype
    given = [torch.from_numpy(a) for a in arrays]
    weights = tuple(torch.from_numpy(np.asarray(c, dtype)) for c in program.cotangents)
    if variant == "jvp":
        along = tuple(torch.from_numpy(np.asarray(v, dtype)) for v in program.direction)
        values, derivatives = torch.func.jvp(f, tuple(given), along)
        return Result([v.numpy() for v in values], [d.numpy() for d in derivatives], forward=True)
    if variant == "func":
        values, pull = torch.func.vjp(f, *given)
        return Result([v.numpy() for v in values], [d.numpy() for d in pull(weights)])
    leaves = [x.requires_grad_() for x in given]
    values = (_compiled(f) if variant == "compile" else f)(*leaves)
    pulled = torch.autograd.grad(values, leaves, weights, allow_unused=True)
    zeros = [np.zeros_like(a) if g is None else g.numpy() for g, a in zip(pulled, arrays, strict=True)]
    return Result([v.detach().numpy() for v in values], zeros)


def _compiled(f: Callable[..., Values]) -> Any:
    torch = _modules("torch")["torch"]
    torch._dynamo.reset()
    return torch.compile(f, dynamic=False)


def _jax(program: Program, arrays: Sequence[Array], variant: str) -> Result:
    jax = _modules("jax")["jax"]
    f = defined(program, "jax")
    dtype = arrays[0].dtype
    compiled = variant.startswith("jit")
    _counts["functions"] += compiled
    _bounded(jax)
    with jax.enable_x64(bool(dtype == np.float64)), jax.disable_jit(not compiled):
        given = tuple(jax.numpy.asarray(a) for a in arrays)
        if variant.endswith("jvp"):
            along = tuple(jax.numpy.asarray(np.asarray(v, dtype)) for v in program.direction)

            def forward(x: Any, v: Any) -> Any:
                return jax.jvp(f, x, v)

            values, derivatives = (jax.jit(forward) if compiled else forward)(given, along)
            return Result([np.asarray(v) for v in values], [np.asarray(d) for d in derivatives], forward=True)
        weights = tuple(jax.numpy.asarray(np.asarray(c, dtype)) for c in program.cotangents)

        def reverse(x: Any, c: Any) -> Any:
            values, pull = jax.vjp(f, *x)
            return values, pull(c)

        values, derivatives = (jax.jit(reverse) if compiled else reverse)(given, weights)
        return Result([np.asarray(v) for v in values], [np.asarray(d) for d in derivatives])


#: How much JAX has compiled since it last forgot it: single operations, and whole functions.
_counts = {"operations": 0, "functions": 0}


def _count(event: str, duration: float, **_: Any) -> None:  # noqa: ARG001 (a listener of JAX)
    _counts["operations"] += event.endswith("backend_compile_duration")


def _bounded(jax: Any) -> None:
    """Let JAX forget what it has compiled, before that takes too much memory."""
    if _counts["operations"] > OPERATIONS or _counts["functions"] > COMPILED:
        jax.clear_caches()
        _counts.update(operations=0, functions=0)
