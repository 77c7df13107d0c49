"""torch: the gradient of logsumexp is a softmax, but does not sum to 1 where its argument has a large offset."""

import torch

x = torch.full((3,), 2.0**20, requires_grad=True)  # exact in float32
torch.logsumexp(x, dim=0).backward()
total = x.grad.double().sum().item()
print(f"torch {torch.__version__}: the gradient of logsumexp of three equal numbers sums to {total:.6f}, softmax to 1")
raise SystemExit(abs(total - 1) > 1e-5)
