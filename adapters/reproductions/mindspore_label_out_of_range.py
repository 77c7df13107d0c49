"""mindspore: a label that is no class is not refused; the process may end of it."""

import subprocess
import sys

import mindspore as ms

program = """
import mindspore as ms
import numpy as np
from mindspore import Tensor, ops

ms.set_device("CPU")
s, y = Tensor(np.zeros((2, 3))), Tensor(np.array([0, 3], np.int32))
ms.value_and_grad(lambda s: ops.cross_entropy(s, y))(s)
"""
done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
refused = "Error" in done.stderr.splitlines()[-1] if done.returncode == 1 and done.stderr else False
print(f"mindspore {ms.__version__}: label 3 of 3 classes ends the process with status {done.returncode}")
raise SystemExit(not refused)
