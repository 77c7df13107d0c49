"""A function that fails as a script of a few lines, which needs the framework and NumPy alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gradaudit.exact.enclosure import Enclosure
from gradaudit.functions.judging import Judged
from gradaudit.functions.program import Array, Program
from gradaudit.functions.writing import source

_HEAD = {
    "numpy": "import math\n\nimport numpy as np\n",
    "torch": "import numpy as np\nimport torch\n",
    "jax": "import jax\nimport jax.numpy as jnp\nimport jax.scipy.special\nimport numpy as np\n",
}
_RUN = {
    ("numpy", "value"): "y, d = f(*x), ()",
    ("torch", "autograd"): """x = [torch.from_numpy(a).requires_grad_() for a in x]
y = f(*x)
d = torch.autograd.grad(y, x, [torch.from_numpy(a) for a in c], allow_unused=True)""",
    ("torch", "func"): """y, pull = torch.func.vjp(f, *map(torch.from_numpy, x))
d = pull(tuple(map(torch.from_numpy, c)))""",
    ("torch", "jvp"): "y, d = torch.func.jvp(f, tuple(map(torch.from_numpy, x)), tuple(map(torch.from_numpy, v)))",
    ("torch", "compile"): """x = [torch.from_numpy(a).requires_grad_() for a in x]
y = torch.compile(f)(*x)
d = torch.autograd.grad(y, x, [torch.from_numpy(a) for a in c], allow_unused=True)""",
    ("jax", "eager"): """with jax.disable_jit():
    y, pull = jax.vjp(f, *map(jnp.asarray, x))
    d = pull(tuple(map(jnp.asarray, c)))""",
    ("jax", "jvp"): """with jax.disable_jit():
    y, d = jax.jvp(f, tuple(map(jnp.asarray, x)), tuple(map(jnp.asarray, v)))""",
    ("jax", "jit"): """@jax.jit
def both(x, c):
    y, pull = jax.vjp(f, *x)
    return y, pull(c)


y, d = both(tuple(x), tuple(c))""",
    ("jax", "jit_jvp"): "y, d = jax.jit(lambda x, v: jax.jvp(f, x, v))(tuple(x), tuple(v))",
}


def script(
    name: str,
    program: Program,
    arrays: Mapping[int, Array],
    framework: str,
    variant: str,
    judged: Judged,
    exact: Enclosure,
) -> str:
    """The script: it prints what the framework has at the worst entry, and what is exact there."""
    index = judged.finding.index if judged.finding else ()
    dtype = next(iter(arrays.values())).dtype.name
    array, number = judged.array.rstrip("0123456789"), int(judged.array.lstrip("dxy"))
    value = "y" if array == "y" else "d"
    place = "".join(f"[{i}]" for i in index)
    weights, given = ("v", program.direction) if array == "dy" else ("c", program.cotangents)
    lines = [
        f'"""{framework} {variant} in {dtype}, made small from {name}."""\n',
        _HEAD[framework],
        'jax.config.update("jax_enable_x64", True)\n' if (framework, dtype) == ("jax", "float64") else "",
        f"\n{source(program, framework)}\n",
        f"x = {_listed(arrays.values(), dtype)}",
        "" if framework == "numpy" else f"{weights} = {_listed(given, dtype)}",
        _RUN[framework, variant],
        f'print("got  ", np.asarray({value}[{number}]{".detach()" if framework == "torch" else ""}){place})',
        f'print("exact", {float(exact.hi[index])!r})',
    ]
    return "\n".join(line for line in lines if line) + "\n"


def _listed(arrays: object, dtype: str) -> str:
    """Arrays as source code."""
    texts = (f"np.array({np.asarray(x, dtype).tolist()!r}, np.{dtype})" for x in arrays)  # type: ignore[attr-defined]
    return "[" + ", ".join(texts) + "]"
