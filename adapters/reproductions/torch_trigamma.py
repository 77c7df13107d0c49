"""torch: the derivative of digamma in float64 has the digits of a short series."""

import math

import torch

x = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
torch.digamma(x).backward()
exact = math.pi**2 / 6
print(f"torch {torch.__version__}: the derivative of digamma at 1 is {x.grad.item()}, exact {exact}")
raise SystemExit(abs(x.grad.item() - exact) > 1e-12)
