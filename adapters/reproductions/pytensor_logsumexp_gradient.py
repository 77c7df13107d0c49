"""pytensor: logsumexp is stable, but the gradient of its mean is not."""

import numpy as np
import pytensor
import pytensor.tensor as pt

x = pt.matrix("x", dtype="float64")
mean = pt.logsumexp(x, axis=1).mean()
got, slope = pytensor.function([x], [mean, pytensor.grad(mean, x)])(np.array([[1000.0, 0.0]]))
text = f"logsumexp([1000, 0]) is {float(got)}, its gradient {slope.tolist()}, exact [1, 0]"
print(f"pytensor {pytensor.__version__}: {text}")
raise SystemExit(not np.isfinite(slope).all())
