"""paddle: a cross-entropy cannot exceed 64, and a probability cannot be below exp(-64)."""

import paddle

s, y = paddle.to_tensor([[0.0, 100.0]], dtype="float64"), paddle.to_tensor([0])
loss = float(paddle.nn.functional.cross_entropy(s, y))
print(f"paddle {paddle.__version__}: the loss of logits [0, 100] and label 0 is {loss:.2f}, exact 100.00")
raise SystemExit(loss < 99)
