"""torch: forward mode of var is 2 / N sum (x - m) x', not (x' - m'): along a constant direction it is noise, not 0."""

import torch

x = torch.tensor([1e6, 1e6 + 1, 1e6 + 3], dtype=torch.float32)
_, derivative = torch.func.jvp(lambda x: torch.var(x, 0, correction=0), (x,), (torch.full((3,), 1e3),))
print(f"torch {torch.__version__}: the derivative of var along a constant direction is {derivative:.3g}, exact, 0")
raise SystemExit(derivative.item() != 0)
