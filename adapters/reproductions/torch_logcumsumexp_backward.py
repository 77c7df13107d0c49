"""torch: the backward of logcumsumexp adds logarithms of the cotangent to the numbers: large ones absorb them."""

import torch

x = torch.tensor([1e17, 1.0], dtype=torch.float64, requires_grad=True)
y = torch.logcumsumexp(x, 0)
y.backward(torch.tensor([5.0, 0.0], dtype=torch.float64))
print(f"torch {torch.__version__}: 5 times the derivative of logcumsumexp(x)[0] = x[0] is {x.grad[0]:.3g}; exact, 5")
raise SystemExit(x.grad[0].item() != 5)
