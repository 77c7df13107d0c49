"""torch: the backward of prod divides the product by each factor: where the product vanishes, so do its derivatives."""

import torch

x = torch.tensor([3e-21, 3e-26], requires_grad=True)
torch.prod(x).backward()
y = torch.tensor([3e22, 7e22], requires_grad=True)
torch.cumprod(y, 0)[1].backward()
print(f"torch {torch.__version__}: the derivatives of the product of 3e-21 and 3e-26 are {x.grad.tolist()},")
print(f"those of the cumulative product of 3e22 and 7e22 {y.grad.tolist()}; exact, each is the other factor")
raise SystemExit(x.grad[1].item() == 0 or not y.grad.isfinite().all().item())
