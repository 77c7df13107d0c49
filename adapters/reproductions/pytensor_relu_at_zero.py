"""pytensor: maximum(x, 0) and maximum(0, x) have different derivatives at 0."""

import pytensor
import pytensor.tensor as pt

x = pt.scalar("x", dtype="float64")
spellings = {"maximum(x, 0)": pt.maximum(x, 0), "maximum(0, x)": pt.maximum(0, x), "(x + |x|) / 2": (x + pt.abs(x)) / 2}
slopes = {name: float(pytensor.grad(relu, x).eval({x: 0.0})) for name, relu in spellings.items()}
print(f"pytensor {pytensor.__version__}: derivatives at 0: {slopes}")
raise SystemExit(len(set(slopes.values())) > 1)
