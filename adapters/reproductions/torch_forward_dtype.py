"""torch: the forward-mode derivative of a float32 number times a Python float is float64."""

import torch

x = torch.ones(3)
value, tangent = torch.func.jvp(lambda x: 0.1 * x.sum(), (x,), (x,))
print(f"torch {torch.__version__}: the value is {value.dtype}, its derivative {tangent.dtype}")
raise SystemExit(value.dtype != tangent.dtype)
