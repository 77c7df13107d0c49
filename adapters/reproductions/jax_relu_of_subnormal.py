"""jax: the derivative of relu at a subnormal number depends on whether it is compiled."""

import jax

x = 1e-45  # the smallest number of float32
slope = jax.grad(jax.nn.relu)
eager, compiled = float(slope(x)), float(jax.jit(slope)(x))
print(f"jax {jax.__version__}: derivative of relu at {x}: {eager} eager, {compiled} compiled")
raise SystemExit(eager != compiled)
