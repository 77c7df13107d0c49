"""torch: softplus is x from 20 on, also in float64, where 2e-9 is left out."""

import math

import torch

x = torch.tensor(20.5, dtype=torch.float64, requires_grad=True)
value = torch.nn.functional.softplus(x)
value.backward()
exact = 20.5 + math.log1p(math.exp(-20.5))
print(f"torch {torch.__version__}: softplus(20.5) is {value.item()}, exact {exact}; its derivative {x.grad.item()}")
raise SystemExit(abs(value.item() - exact) > 1e-12)
