"""mlx: maximum(x, 0) and maximum(0, x) have different derivatives at 0."""

from importlib.metadata import version

import mlx.core as mx

mx.set_default_device(mx.cpu)
slopes = {
    "maximum(x, 0)": mx.grad(lambda x: mx.maximum(x, 0))(mx.array(0.0)).item(),
    "maximum(0, x)": mx.grad(lambda x: mx.maximum(0, x))(mx.array(0.0)).item(),
}
print(f"mlx {version('mlx')}: derivatives at 0: {slopes}")
raise SystemExit(len(set(slopes.values())) > 1)
