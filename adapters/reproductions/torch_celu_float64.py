"""torch: the derivative of celu has 1 / alpha as a float32, in float64 too."""

import torch

x = torch.tensor(-1.0, dtype=torch.float64, requires_grad=True)
torch.nn.functional.celu(x, 0.7).backward()
exact = 0.2396510364417758  # exp(-1 / 0.7)
print(f"torch {torch.__version__}: the derivative of celu at -1 for alpha = 0.7 is {x.grad.item()}, exact {exact}")
raise SystemExit(abs(x.grad.item() - exact) > 1e-12)
