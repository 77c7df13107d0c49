"""One thread a process: with more, processes that run side by side wait for one another (and sums change order)."""

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
    """Ask the numerical libraries for one thread each; to be called before any of them is imported.

    A value that the user set stays. So does a user's choice of JAX's platform; without one it is the CPU.
    """
    for variable in THREADS:
        os.environ.setdefault(variable, "1")
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
