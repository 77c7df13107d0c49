"""torch: the derivative of hardsigmoid is 1/6 as a float32, in float64 too."""

import torch

x = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)
torch.nn.functional.hardsigmoid(x).backward()
print(f"torch {torch.__version__}: the derivative of hardsigmoid at 0 is {x.grad.item()}, exact {1 / 6}")
raise SystemExit(abs(x.grad.item() - 1 / 6) > 1e-12)
