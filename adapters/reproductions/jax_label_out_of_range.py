"""jax: a label that is no class gives the loss of the last class and a gradient that belongs to no loss."""

import jax
import jax.numpy as jnp

s = jnp.array([0.0, 1.0, 2.0])
loss, slope = jax.value_and_grad(lambda s, label: -jax.nn.log_softmax(s)[label])(s, 3)
last = float(-jax.nn.log_softmax(s)[2])
print(f"jax {jax.__version__}: label 3 of 3 classes: loss {loss:.4f} (label 2: {last:.4f}), gradient {slope.tolist()}")
raise SystemExit(float(loss) == last and not slope.any())
