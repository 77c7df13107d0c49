"""paddle: relu(x), maximum(x, 0) and clip(x, min=0) are one function, with three derivatives at 0."""

import paddle

spellings = {
    "relu(x)": paddle.nn.functional.relu,
    "maximum(x, 0)": lambda x: paddle.maximum(x, paddle.zeros_like(x)),
    "clip(x, min=0)": lambda x: paddle.clip(x, min=0),
}
slopes = {}
for name, relu in spellings.items():
    x = paddle.to_tensor(0.0, stop_gradient=False)
    slopes[name] = float(paddle.grad(relu(x), x)[0])
print(f"paddle {paddle.__version__}: derivatives at 0: {slopes}")
raise SystemExit(len(set(slopes.values())) > 1)
