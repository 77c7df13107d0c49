"""autograd: maximum(x, 0) and where(x > 0, x, 0) are one function, with two derivatives at 0."""

from importlib.metadata import version

import autograd.numpy as np
from autograd import grad

slopes = {
    "maximum(x, 0)": float(grad(lambda x: np.maximum(x, 0.0))(0.0)),
    "where(x > 0, x, 0)": float(grad(lambda x: np.where(x > 0, x, 0.0))(0.0)),
}
print(f"autograd {version('autograd')}: derivatives at 0: {slopes}")
raise SystemExit(len(set(slopes.values())) > 1)
