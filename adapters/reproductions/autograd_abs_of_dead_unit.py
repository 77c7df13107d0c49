"""autograd: the derivative of |x| is computed as g * x / |x|, which rounds: it is not exactly g or -g."""

from importlib.metadata import version

import autograd.numpy as np
from autograd import elementwise_grad

x = -np.linspace(0.1, 2, 1000)
g = 0.1
slope = elementwise_grad(lambda x: g * (x + np.abs(x)))(x)
wrong = int(np.sum(slope != 0))
print(
    f"autograd {version('autograd')}: x + |x| of a negative x has a derivative other than 0 at {wrong} of 1000 of them"
)
raise SystemExit(wrong > 0)
