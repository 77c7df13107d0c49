"""torch: maximum(x, 0), clamp(x, min=0) and relu(x) are one function, with three derivatives at 0."""

import torch

spellings = {
    "relu(x)": torch.relu,
    "maximum(x, 0)": lambda x: torch.maximum(x, torch.zeros_like(x)),
    "clamp(x, min=0)": lambda x: torch.clamp(x, min=0),
}
slopes = {}
for name, relu in spellings.items():
    x = torch.tensor(0.0, requires_grad=True)
    relu(x).backward()
    slopes[name] = x.grad.item()
print(f"torch {torch.__version__}: derivatives at 0: {slopes}")
raise SystemExit(len(set(slopes.values())) > 1)
