"""torch: forward mode of logcumsumexp divides by its sum plus 1e-13, and loses what is far below the largest entry."""

import torch

x, v = torch.tensor([-40.0, 0.0], dtype=torch.float64), torch.tensor([1.0, 0.0], dtype=torch.float64)
_, forward = torch.func.jvp(lambda x: torch.logcumsumexp(x, 0), (x,), (v,))
_, pull = torch.func.vjp(lambda x: torch.logcumsumexp(x, 0), x)
reverse = pull(v)[0]
print(
    f"torch {torch.__version__}: the derivative of x[0] is {forward[0]:.3g} forward, {reverse[0]:.3g} reverse; exact, 1"
)
raise SystemExit(abs(forward[0].item() - 1) > 1e-12)
