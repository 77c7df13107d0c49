"""jax: the derivative of digamma, 1 / x at large numbers, is 0 from 1.8e19 on in float32."""

import jax

got = jax.grad(jax.scipy.special.digamma)(8e34).item()
print(f"jax {jax.__version__}: the derivative of digamma at 8e34 in float32 is {got}, exact 1.25e-35")
raise SystemExit(abs(got / 1.25e-35 - 1) > 1e-5)
