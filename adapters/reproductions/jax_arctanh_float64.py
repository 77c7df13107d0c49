"""jax: arctanh in float64 is right to some hundred units in the last place."""

import jax
import jax.numpy as jnp

jax.config.update("jax_enable_x64", True)
x = [k / 4096 for k in range(1, 400)]
got = jnp.arctanh(jnp.array(x))
exact = [sum(t ** (2 * n + 1) / (2 * n + 1) for n in range(12, -1, -1)) for t in x]  # its series
worst = max(abs(a - b) / b for a, b in zip(got.tolist(), exact, strict=True))
print(f"jax {jax.__version__}: the largest relative error of arctanh is {worst:.3g}, {worst * 2**53:.0f} u")
raise SystemExit(worst > 8 * 2**-53)
