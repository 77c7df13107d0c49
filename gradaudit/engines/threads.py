"""One thread for each process. With more threads, parallel processes wait for each other, and sums change order."""

import os

THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "PJRT_NPROC",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)


def pin() -> None:
    """Ask each numerical library for one thread. Call this before a numerical library is imported.

    A value of the user stays. The platform of JAX is the CPU if the user does not set another one.
    """
    for variable in THREADS:
        os.environ.setdefault(variable, "1")
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
