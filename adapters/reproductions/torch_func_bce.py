"""torch: torch.func has (1 - y) - sigmoid(-x) for the gradient of bce_with_logits: 0 where the sample is settled."""

import torch

x, y = torch.tensor([-40.0], dtype=torch.float64, requires_grad=True), torch.zeros(1, dtype=torch.float64)
loss = torch.nn.functional.binary_cross_entropy_with_logits
eager = torch.autograd.grad(loss(x, y), x)[0].item()
func = torch.func.grad(lambda x: loss(x, y))(x.detach()).item()
print(f"torch {torch.__version__}: the gradient at -40, label 0, is {func:.3g} by torch.func, {eager:.3g} by autograd")
raise SystemExit(func == 0 and eager > 0)
