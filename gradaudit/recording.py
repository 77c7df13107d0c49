"""A function that was followed by a front end, and the report on gradients that somebody computed for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradaudit.certify import Certificates, certify
from gradaudit.derivative import pulled_back
from gradaudit.graph import Node
from gradaudit.judge import Report, judge
from gradaudit.operations.shapes import constant
from gradaudit.patterns import recognised
from gradaudit.rounding.arithmetic import remarks


@dataclass(frozen=True, eq=False)
class Recording:
    """A function as a graph, at the numbers where it was called.

    Attributes
    ----------
    outputs : sequence of Node
        What it returns.
    sources : mapping of str or int to Node
        The inputs that it is differentiated by, by name or number.
    inputs : mapping of Node to ndarray
        What the input nodes are: floats.
    dtype : dtype, str or Arithmetic
        What the program that is judged computes in.
    """

    outputs: Sequence[Node]
    sources: Mapping[Any, Node]
    inputs: Mapping[Node, NDArray[Any]]
    dtype: Any

    def certificates(self, cotangents: Sequence[NDArray[Any]], *, all_digits: bool = False) -> Certificates:
        """The certificates of the outputs, and then of the derivatives by the sources.

        Parameters
        ----------
        cotangents : sequence of ndarray
            What each output is pulled back with.
        all_digits : bool
            As in `certify`.
        """
        outputs = recognised(self.outputs)
        weights = [constant(np.asarray(c, dtype=np.float64)) for c in cotangents]
        derivatives = pulled_back(outputs, list(self.sources.values()), weights)
        values = {node: np.asarray(array, dtype=np.float64) for node, array in self.inputs.items()}
        return certify([*outputs, *derivatives], values, self.dtype, all_digits=all_digits)

    def report(
        self,
        gradients: Mapping[Any, NDArray[Any]],
        cotangents: Sequence[NDArray[Any]],
        values: Mapping[str, NDArray[Any]] | None = None,
    ) -> Report:
        """The report on gradients, and on the values of the outputs.

        Parameters
        ----------
        gradients : mapping of str or int to ndarray
            By the names of the sources, in their shapes.
        cotangents : sequence of ndarray
            What each output was pulled back with.
        values : mapping of str to ndarray, optional
            What was computed for the outputs, by their names, in their order; not judged if they are not given.
        """
        certificates = self.certificates(cotangents)
        count, fp = len(self.outputs), certificates.fp
        judged: list[tuple[Any, NDArray[Any]]] = list(values.items()) if values is not None else []
        findings = [
            judge(key, got, certificate, fp)
            for (key, got), certificate in zip(judged, certificates.outputs[: len(judged)], strict=True)
        ]
        for key, certificate in zip(self.sources, certificates.outputs[count:], strict=True):
            findings.append(judge(key, gradients[key], certificate, fp))
        return Report(tuple(findings), certificates.kinks, remarks=remarks(fp))
