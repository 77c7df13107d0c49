"""The verdict on a run: at its end, or step by step."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from gradaudit.certify import Kink
from gradaudit.graph import Node
from gradaudit.judge import Report, Step, worst_first
from gradaudit.recording import Recording
from gradaudit.rounding.arithmetic import Arithmetic, remarks
from gradaudit.torch.arguments import Arguments
from gradaudit.torch.backward import Backward, pulled
from gradaudit.torch.following import Following
from gradaudit.torch.memory import array
from gradaudit.torch.progress import shown
from gradaudit.torch.steps import Program

BY_STEPS = "judged step by step: a bound from end to end says nothing of this function"
NOT_THE_SAME = "the backward pass was run twice, and not with the same result: the steps are those of the second"


@dataclass(frozen=True, eq=False)
class Run:
    """A function that was run, and followed.

    Attributes
    ----------
    arguments : Arguments
        What it was called with.
    outputs : sequence of Tensor
        What it returned.
    graph : sequence of Node
        What that is.
    recording : Recording
        The function, or its reference.
    following : Following
        The run that was followed.
    """

    arguments: Arguments
    outputs: Sequence[torch.Tensor]
    graph: Sequence[Node]
    recording: Recording
    following: Following

    def judged(self, weights: Sequence[Any], stepwise: bool | None, modules: Sequence[str]) -> Report:
        """The report on one backward pass.

        Parameters
        ----------
        weights : sequence of ndarray
            What the outputs are pulled back with.
        stepwise : bool, optional
            Whether the steps are judged: at once, never, or (None) where the end tells less than half of the digits.
        modules : sequence of str
            Those whose steps are judged; all if there are none.
        """
        if stepwise and not modules and any(t.requires_grad for t in self.outputs):
            return self._by_steps(self._backward(weights), ())
        gradients = self._gradients(weights)
        report = self.recording.report(gradients, weights, self._values())
        if stepwise is False or (stepwise is None and report.ok and self._tells(report)):
            return report
        backward = self._backward(weights)
        steps = self._by_steps(backward, modules)
        same = all(np.array_equal(gradients[n], _array(g, t)) for n, g, t in self._named(backward))
        own = () if same else (NOT_THE_SAME,)
        if not modules and same and any(f.verdict == "undecided" for f in report.findings):
            pairs = zip(report.findings, steps.findings, strict=True)
            findings = tuple(own if f.verdict == "undecided" else f for f, own in pairs)
            return Report(findings, report.kinks, steps.steps, (*report.remarks, BY_STEPS))
        return Report(report.findings, report.kinks, steps.steps, (*steps.remarks, *own))

    def _tells(self, report: Report) -> bool:
        """Whether the end of the run tells at least half of the digits of every array."""
        half = math.sqrt(Arithmetic.of(self.recording.dtype).u)
        return all(f.resolution <= half for f in report.findings)

    def _by_steps(self, backward: Backward, modules: Sequence[str]) -> Report:
        for tensor, node in zip(self.outputs, self.graph, strict=True):
            self.following.results.match(tensor, node)
        fp = Arithmetic.of(self.recording.dtype)
        program = Program(self.following, self.recording.sources, fp)
        kinks: dict[str, int] = {}

        def of_backward() -> Iterator[Step]:
            for step, open_ in program.backward(backward, wanted):
                for kink in open_:
                    kinks[kink.place] = kinks.get(kink.place, 0) + kink.entries
                yield step

        def wanted(module: str) -> bool:
            return not modules or any(f"{module}.".startswith(f"{name}.") for name in modules)

        steps = [*shown("forward", program.forward(wanted)), *shown("backward", of_backward())]
        steps += [step for step in program.sums(backward) if wanted(step.module)]
        totals = list(program.totals(backward))
        results = [
            program.output(name, t, node)
            for (name, _), t, node in zip(self._values().items(), self.outputs, self.graph, strict=True)
        ]
        findings = (*results, *(step.worst for step in totals))
        own = (f"only the steps of {', '.join(modules)} were judged",) if modules else ()
        found = worst_first([*steps, *totals])
        return Report(findings, tuple(Kink(*kink) for kink in kinks.items()), found, (*remarks(fp), *own))

    def _tensors(self) -> dict[str, torch.Tensor]:
        return {name: self.arguments.tensors[name] for name in self.arguments.sources}

    def _named(self, backward: Backward) -> Iterable[tuple[str, Any, torch.Tensor]]:
        return zip(self._tensors(), backward.gradients, self._tensors().values(), strict=True)

    def _backward(self, weights: Sequence[Any]) -> Backward:
        return Backward(self.outputs, self._cotangents(weights), self._tensors())

    def _cotangents(self, weights: Sequence[Any]) -> list[torch.Tensor]:
        """The weights as tensors of their own: a function may write into them."""
        return [torch.tensor(w, dtype=t.dtype, device=t.device) for t, w in zip(self.outputs, weights, strict=True)]

    def _values(self) -> dict[str, Any]:
        several = len(self.outputs) > 1
        return {f"output {n}" if several else "output": array(t) for n, t in enumerate(self.outputs)}

    def _gradients(self, weights: Sequence[Any]) -> dict[str, Any]:
        """What autograd returns; zeros where it says that an output does not depend on an input."""
        tensors = self._tensors()
        returned = pulled(self.outputs, self._cotangents(weights), list(tensors.values()))
        return {name: _array(g, t) for (name, t), g in zip(tensors.items(), returned, strict=True)}


def _array(gradient: Any, tensor: torch.Tensor) -> Any:
    return array(torch.zeros_like(tensor) if gradient is None else gradient)
