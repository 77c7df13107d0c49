"""torch: forward mode of maximum is y' + (x' - y'): the derivative of what is not chosen absorbs the other."""

import torch

x, y = torch.tensor(2.0, dtype=torch.float64), torch.tensor(1.0, dtype=torch.float64)
v, w = torch.tensor(1.0, dtype=torch.float64), torch.tensor(1e17, dtype=torch.float64)
_, absorbed = torch.func.jvp(torch.maximum, (x, y), (v, w))
_, poisoned = torch.func.jvp(torch.maximum, (x, y), (v, w * float("nan")))
print(f"torch {torch.__version__}: d max(2, 1) along (1, 1e17) is {absorbed:g}, along (1, nan) {poisoned:g}; exact, 1")
raise SystemExit(absorbed.item() != 1)
