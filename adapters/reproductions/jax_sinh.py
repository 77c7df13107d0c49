"""jax: sinh and cosh are right to 20 u only, in both dtypes."""

import math

import jax
import numpy as np

x = np.linspace(1, 80, 2000).astype(np.float32)
got = np.asarray(jax.numpy.sinh(x), np.float64)
worst = max(abs(a / math.sinh(b) - 1) * 2**24 for a, b in zip(got.tolist(), x.tolist(), strict=True))
print(f"jax {jax.__version__}: the largest error of sinh between 1 and 80 in float32 is {worst:.0f} u")
raise SystemExit(worst > 8)
