"""jax: log1p in float64, and arctanh, which is made of it, lose the last two digits above 1 - sqrt(2)."""

import math

import jax

jax.config.update("jax_enable_x64", True)
x = -0.4141
got, inverse = jax.numpy.log1p(x).item(), jax.numpy.arctanh(x).item()
off = [abs(a / b - 1) * 2**53 for a, b in ((got, math.log1p(x)), (inverse, math.atanh(x)))]
print(f"jax {jax.__version__}: log1p and arctanh of {x} are wrong by {off[0]:.0f} u and {off[1]:.0f} u")
raise SystemExit(max(off) > 16)
