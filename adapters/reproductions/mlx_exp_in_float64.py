"""mlx: exp in float64 has the accuracy, and the limits, of float32."""

import math
from importlib.metadata import version

import mlx.core as mx

mx.set_default_device(mx.cpu)
got, exact = mx.exp(mx.array(-1.3, dtype=mx.float64)).item(), math.exp(-1.3)
apart = abs(got - exact) / exact
print(f"mlx {version('mlx')}: exp(-1.3) in float64 is {got!r}, exact {exact!r}, relative error {apart:.1e}")
raise SystemExit(apart > 1e-15)
