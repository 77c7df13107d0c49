"""keras: SparseCategoricalCrossentropy computes in float32 whatever the logits are."""

import keras
import numpy as np

s, y = np.array([[1e-12, 0.0]]), np.array([1])
loss = float(keras.losses.SparseCategoricalCrossentropy(from_logits=True)(y, s))
exact = float(np.log1p(np.exp(1e-12)))
print(f"keras {keras.__version__}: loss of float64 logits {loss!r}, exact {exact!r}, apart {abs(loss - exact):.1e}")
raise SystemExit(abs(loss - exact) > 1e-14)
