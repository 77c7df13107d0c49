"""scikit-learn: the loss that MLPClassifier reports cannot exceed 36.05 in float64, though its gradient goes on."""

import numpy as np
import sklearn
from sklearn.neural_network._base import log_loss

y = np.array([[1.0, 0.0]])
losses = [float(log_loss(y, np.array([[np.exp(-gap), 1.0]]))) for gap in (30.0, 100.0, 300.0)]
print(f"scikit-learn {sklearn.__version__}: losses at gaps 30, 100, 300: {', '.join(f'{x:.2f}' for x in losses)}")
raise SystemExit(losses[2] < 299)
