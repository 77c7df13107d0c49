"""mlx: a label that is no class is not refused; the loss is read from outside the logits."""

from importlib.metadata import version

import mlx.core as mx
import mlx.nn as nn

mx.set_default_device(mx.cpu)
s = mx.array([[0.0, 1.0, 2.0]])
try:
    text = f"is {nn.losses.cross_entropy(s, mx.array([-100]), reduction='mean').item():.6g}"
except (ValueError, IndexError) as error:
    text = f"is refused: {error}"
print(f"mlx {version('mlx')}: the loss of label -100 of 3 classes {text}")
raise SystemExit("refused" not in text)
