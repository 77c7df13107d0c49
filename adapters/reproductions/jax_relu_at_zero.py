"""jax: relu(x), maximum(x, 0) and (x + |x|) / 2 are one function, with three derivatives at 0."""

import jax
import jax.numpy as jnp

spellings = {
    "relu(x)": jax.nn.relu,
    "maximum(x, 0)": lambda x: jnp.maximum(x, 0),
    "(x + |x|) / 2": lambda x: (x + jnp.abs(x)) / 2,
}
slopes = {name: float(jax.grad(relu)(0.0)) for name, relu in spellings.items()}
print(f"jax {jax.__version__}: derivatives at 0: {slopes}")
raise SystemExit(len(set(slopes.values())) > 1)
