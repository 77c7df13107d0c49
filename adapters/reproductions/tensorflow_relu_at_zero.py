"""tensorflow: maximum(x, 0) and maximum(0, x) have different derivatives at 0."""

import tensorflow as tf

spellings = {
    "relu(x)": tf.nn.relu,
    "maximum(x, 0)": lambda x: tf.maximum(x, 0.0),
    "maximum(0, x)": lambda x: tf.maximum(0.0, x),
}
slopes = {}
for name, relu in spellings.items():
    x = tf.Variable(0.0)
    with tf.GradientTape() as tape:
        y = relu(x)
    slopes[name] = float(tape.gradient(y, x))
print(f"tensorflow {tf.__version__}: derivatives at 0: {slopes}")
raise SystemExit(len(set(slopes.values())) > 1)
