"""jax: standardize takes the variance as E[x^2] - E[x]^2, of which nothing is left where the mean is large."""

import jax
import jax.numpy as jnp

x = jnp.array([4096.0, 4097.0, 4098.0], jnp.float32)
got = jax.nn.standardize(x)
exact = 1.2247357  # 1 / sqrt(2/3 + 1e-5)
print(f"jax {jax.__version__}: standardize of 4096, 4097, 4098 is {got.tolist()}, exact -{exact}, 0, {exact}")
raise SystemExit(abs(got[2].item() - exact) > 1e-5)
