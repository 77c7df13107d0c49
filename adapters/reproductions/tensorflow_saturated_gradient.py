"""tensorflow: the gradient of the cross-entropy of a sample that is all but settled does not sum to 0."""

import tensorflow as tf

s = tf.Variable([[37.5, 0.0]], dtype=tf.float64)  # p - 1 is -5.2e-17, p rounds to 1
with tf.GradientTape() as tape:
    loss = tf.nn.sparse_softmax_cross_entropy_with_logits([0], s)
right, other = tape.gradient(loss, s).numpy()[0].tolist()
print(f"tensorflow {tf.__version__}: the derivatives by two logits are {right} and {other:.3g}; exact, they sum to 0")
raise SystemExit(right == 0 and other > 0)
