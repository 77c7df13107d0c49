"""How accurate libraries are: the K of each elementary function, held against NumPy, PyTorch and JAX in both dtypes.

A K is a policy, what good libraries reach. What exceeds it is listed with its figure: a fault of that library, and no
bound is made wider for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from flint import arb, ctx

from gradaudit.exact.functions import FUNCTIONS, Function
from gradaudit.exact.special import polygamma
from gradaudit.operations import planar
from gradaudit.rounding.arithmetic import Arithmetic

POINTS, MANY = 3000, 300_000
#: Functions that float64 has only by balls, or entry by entry.
SLOW = {"normal", "erf", "erfc", "erfinv", "lgamma", "polygamma 0", "polygamma 1", "polygamma 2"}
#: What exceeds K, and by how much at most, in units of u. JAX takes exp(x log 2), exp(x - log 2) and, in float64, log1p
#: by a quotient; PyTorch's softplus is x from 20 on, and its trigamma has the digits of float32.
ABOVE = {
    ("exp2", "jax", "float32"): 100,
    ("exp2", "jax", "float64"): 100,
    ("sinh", "jax", "float32"): 40,
    ("sinh", "jax", "float64"): 40,
    ("cosh", "jax", "float32"): 40,
    ("cosh", "jax", "float64"): 40,
    ("arctanh", "jax", "float64"): 300,
    ("softplus", "torch", "float64"): 1e6,
    ("polygamma 1", "torch", "float64"): 1e7,
}
#: Of each function its name in NumPy, PyTorch and JAX ("" where it has none), and where it is asked: the smallest and
#: the largest absolute value, and whether negative ones are.
ASKED: dict[str, tuple[str, str, str, float, float, bool]] = {
    "exp": ("exp", "exp", "numpy.exp", 1e-6, 80, True),
    "expm1": ("expm1", "expm1", "numpy.expm1", 1e-6, 80, True),
    "exp2": ("exp2", "exp2", "numpy.exp2", 1e-6, 100, True),
    "log": ("log", "log", "numpy.log", 1e-30, 1e30, False),
    "log1p": ("log1p", "log1p", "numpy.log1p", 1e-6, 1e30, False),
    "log2": ("log2", "log2", "numpy.log2", 1e-30, 1e30, False),
    "log10": ("log10", "log10", "numpy.log10", 1e-30, 1e30, False),
    "sqrt": ("sqrt", "sqrt", "numpy.sqrt", 1e-30, 1e30, False),
    "rsqrt": ("", "rsqrt", "lax.rsqrt", 1e-30, 1e30, False),
    "cbrt": ("cbrt", "", "numpy.cbrt", 1e-30, 1e30, True),
    "tanh": ("tanh", "tanh", "numpy.tanh", 1e-6, 20, True),
    "sigmoid": ("", "sigmoid", "nn.sigmoid", 1e-6, 80, True),
    "softplus": ("", "nn.functional.softplus", "nn.softplus", 1e-6, 80, True),
    "erf": ("", "erf", "lax.erf", 1e-6, 6, True),
    "erfc": ("", "erfc", "lax.erfc", 1e-6, 8, True),
    "erfinv": ("", "erfinv", "lax.erf_inv", 1e-6, 0.999, True),
    "normal": ("", "special.ndtr", "scipy.special.ndtr", 1e-6, 6, True),
    "sin": ("sin", "sin", "numpy.sin", 1e-6, 100, True),
    "cos": ("cos", "cos", "numpy.cos", 1e-6, 100, True),
    "tan": ("tan", "tan", "numpy.tan", 1e-6, 100, True),
    "arcsin": ("arcsin", "asin", "numpy.arcsin", 1e-6, 0.9999, True),
    "arccos": ("arccos", "acos", "numpy.arccos", 1e-6, 0.9999, True),
    "arctan": ("arctan", "atan", "numpy.arctan", 1e-6, 1e6, True),
    "sinh": ("sinh", "sinh", "numpy.sinh", 1e-6, 80, True),
    "cosh": ("cosh", "cosh", "numpy.cosh", 1e-6, 80, True),
    "arcsinh": ("arcsinh", "asinh", "numpy.arcsinh", 1e-6, 1e6, True),
    "arccosh": ("arccosh", "acosh", "numpy.arccosh", 1.0001, 1e6, False),
    "arctanh": ("arctanh", "atanh", "numpy.arctanh", 1e-6, 0.9999, True),
    "lgamma": ("", "lgamma", "lax.lgamma", 1e-6, 1e6, False),
    "polygamma 0": ("", "digamma", "lax.digamma", 1e-6, 1e6, False),
    "polygamma 1": ("", "special.polygamma 1", "scipy.special.polygamma 1", 1e-3, 1e4, False),
    "polygamma 2": ("", "special.polygamma 2", "scipy.special.polygamma 2", 1e-3, 1e4, False),
}
CASES = [
    (name, library, dtype)
    for name, row in ASKED.items()
    for library, of in zip(("numpy", "torch", "jax"), row, strict=False)
    for dtype in ("float32", "float64")
    if of
]


def function(name: str) -> Function:
    return polygamma(int(name.split()[1])) if name.startswith("polygamma") else FUNCTIONS[name]


def points(name: str, dtype: str) -> Any:
    """Of every scale where the function is asked, and as many evenly between; in float32 many more."""
    *_, low, high, negative = ASKED[name]
    rng, count = np.random.default_rng(0), MANY if dtype == "float32" and name not in SLOW else POINTS
    x = np.concatenate([np.exp(rng.uniform(np.log(low), np.log(high), count)), rng.uniform(low, high, count)])
    return (x * (rng.choice([-1, 1], x.shape) if negative else 1)).astype(dtype)


def attribute(module: Any, path: str) -> Any:
    for part in path.split("."):
        module = getattr(module, part)
    return module


def called(library: str, path: str, *x: Any) -> Any:
    """A library's function of floats; whole numbers before them are options."""
    if library == "numpy":
        return attribute(np, path)(*x)
    if library == "torch":
        torch = pytest.importorskip("torch")
        return attribute(torch, path)(*(torch.from_numpy(a) if np.ndim(a) else a for a in x)).numpy()
    jax = pytest.importorskip("jax")
    pytest.importorskip("jax.scipy.special")
    static = [k for k, a in enumerate(x) if not np.ndim(a)]
    with jax.enable_x64(x[-1].dtype == np.float64):
        return np.array(jax.jit(attribute(jax, path), static_argnums=static)(*x))


def computed(name: str, library: str, x: Any) -> Any:
    path, *before = str(ASKED[name][("numpy", "torch", "jax").index(library)]).split()
    return called(library, path, *map(int, before), x)


def worst(f: Function, x: Any, got: Any) -> tuple[float, float]:
    """The largest error in units of u beyond what growth explains, and where; in float32 held against float64."""
    fp, wide = Arithmetic.of(x.dtype), x.astype(np.float64)
    if x.dtype == np.float32:
        exact = f.plain(wide)
        size = np.maximum(np.abs(exact), f.floor)
        error = np.where(size < fp.eta * 2, 0.0, np.abs(got - exact) / size / fp.u - f.growth(wide))
        return float(error.max()), float(x[error.argmax()])
    errors = []
    with ctx.workprec(160):
        for a, b, more in zip(x.tolist(), got.tolist(), f.growth(wide).tolist(), strict=True):
            value = f.ball(arb(a))
            scale = max(abs(value), arb(f.floor))
            errors.append(float(abs(arb(b) - value) / scale) / fp.u - more if scale > 2 * fp.eta else 0.0)
    return max(errors), float(x[int(np.argmax(errors))])


@pytest.mark.parametrize(("name", "library", "dtype"), CASES)
def test_libraries_are_as_accurate_as_the_model_says(
    name: str, library: str, dtype: str, figure: Callable[[str], None]
) -> None:
    f, x = function(name), points(name, dtype)
    with np.errstate(all="ignore"):
        K, place = worst(f, x, computed(name, library, x))
    figure(f"K of {name} by {library} in {dtype}: {K:.2f} u of {f.K:g} u, at {place:g}")
    above = ABOVE.get((name, library, dtype))
    assert K <= f.K if above is None else f.K < K <= above


#: Of each function of two numbers its K, its names, and its value on balls.
OF_TWO: dict[str, tuple[float, dict[str, str], Callable[[arb, arb], arb]]] = {
    "power": (planar.K_POWER, {"numpy": "power", "torch": "pow", "jax": "numpy.power"}, lambda x, y: x**y),
    "arctan2": (planar.K_ANGLE, {"numpy": "arctan2", "torch": "atan2", "jax": "numpy.arctan2"}, arb.atan2),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("library", ["numpy", "torch", "jax"])
@pytest.mark.parametrize("name", OF_TWO)
def test_functions_of_two_numbers_are_as_accurate_as_the_model_says(
    name: str, library: str, dtype: str, figure: Callable[[str], None]
) -> None:
    K, names, ball = OF_TWO[name]
    rng, fp = np.random.default_rng(0), Arithmetic.of(np.dtype(dtype))
    x, y = np.exp(rng.uniform(-20, 20, POINTS)).astype(dtype), (3 * rng.standard_normal(POINTS)).astype(dtype)
    with np.errstate(over="ignore", under="ignore"):
        got = called(library, names[library], x, y)
    with ctx.workprec(160):
        triples = zip(x.tolist(), y.tolist(), got.tolist(), strict=True)
        errors = [
            float(abs(arb(c) / ball(arb(a), arb(b)) - 1)) / fp.u for a, b, c in triples if fp.eta < abs(c) <= fp.omega
        ]
    figure(f"K of {name} by {library} in {dtype}: {max(errors):.2f} u of {K:g} u")
    assert len(errors) > POINTS / 2
    assert max(errors) <= K
