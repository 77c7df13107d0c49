"""jax: the derivative of softplus is exp(x - y), which is only right to the rounding of y = softplus(x)."""

import math

import jax
import numpy as np

jax.config.update("jax_enable_x64", True)
x = np.linspace(16, 32, 500)
got = jax.vmap(jax.grad(jax.nn.softplus))(x).tolist()
worst = max(abs(a * (1 + math.exp(-b)) - 1) * 2**53 for a, b in zip(got, x.tolist(), strict=True))
print(f"jax {jax.__version__}: the largest error of the derivative of softplus from 16 to 32 is {worst:.0f} u")
raise SystemExit(worst > 8)
