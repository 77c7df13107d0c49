"""A network whose threads add to one sum without a lock: right with one thread, wrong with more."""
# mypy: ignore-errors

import os
import threading

import numpy as np
from correct import textbook


def network(X, y, W1, b1, W2, b2, reg):
    loss, grads = textbook(X, y, W1, b1, W2, b2, reg)
    h = np.maximum(X @ W1 + b1, 0)
    s = h @ W2 + b2
    e = np.exp(s - s.max(axis=1, keepdims=True))
    ds = (e / e.sum(axis=1, keepdims=True) - (np.arange(len(b2)) == y[:, None])) / len(y)
    threads = int(os.environ["OMP_NUM_THREADS"])
    db2, all_have_read = [np.zeros_like(b2)], threading.Barrier(threads)

    def add(rows):
        seen = db2[0]
        all_have_read.wait()
        db2[0] = seen + rows.sum(axis=0)

    workers = [threading.Thread(target=add, args=(rows,)) for rows in np.array_split(ds, threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return loss, grads | {"b2": db2[0]}
