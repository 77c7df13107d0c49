"""jax: logsumexp(s) - s[y], as optax writes its loss of integer labels, is 0 where two logits are equal and large."""

import math

import jax
import jax.numpy as jnp

s, y = jnp.full((1, 2), 1e8), jnp.array([0])
loss = float((jax.nn.logsumexp(s, axis=1) - jnp.take_along_axis(s, y[:, None], axis=1)[:, 0])[0])
shifted = float(-jax.nn.log_softmax(s)[0, 0])
print(f"jax {jax.__version__}: the loss of two equal logits of 1e8 is {loss}, by log_softmax {shifted:.6f} = log 2")
raise SystemExit(abs(loss - math.log(2)) > 0.1)
