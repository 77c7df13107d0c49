"""The judge of the library: arrays held against their certificates, entry by entry."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gradaudit.certify import Certificate, Kink
from gradaudit.changes import change
from gradaudit.errors import GradientError, UndecidedError
from gradaudit.exact.entries import highest, lowest, some
from gradaudit.readings import USEFUL
from gradaudit.rounding.arithmetic import Arithmetic, is_float

__all__ = ["USEFUL", "Finding", "Report", "Step", "Verdict", "judge", "worst", "worst_first"]

Verdict = Literal["pass", "wrong", "undecided"]
#: Verdicts, the worst with the largest number.
RANK = {"pass": 0, "undecided": 1, "wrong": 2}
#: That no entry depends on a kink.
NOWHERE = np.zeros((), dtype=bool)
#: So many steps are shown at most.
SHOWN = 5


@dataclass(frozen=True)
class Finding:
    """What there is to say of one array.

    Attributes
    ----------
    array : str or int
        Its name or number.
    verdict : {"pass", "wrong", "undecided"}
        The verdict.
    index : tuple of int
        The worst entry: the largest error / bound.
    got, exact, error, bound, ratio : float
        What was computed there, what is exact (rounded once), how far apart, how far is allowed on that side, one over
        the other.
    resolution : float
        How small an error is certain to be seen, relative to the array's natural size.
    message : str
        What there is to say in words.
    open : int
        How many entries depend on a kink that is left open.
    other : int
        How many of them have not the derivative of the operation's own side, but another one that is allowed.
    blind : bool
        Whether no entry exceeds its bound: its terms cancelled, and zeros would pass as well.
    """

    array: str | int
    verdict: Verdict
    index: tuple[int, ...]
    got: float
    exact: float
    error: float
    bound: float
    ratio: float
    resolution: float
    message: str = ""
    open: int = 0
    other: int = 0
    blind: bool = False


def worst(findings: Iterable[Finding]) -> Finding:
    """The worst of some findings: by the verdict, then by error / bound."""
    return max(findings, key=lambda f: (RANK[f.verdict], f.ratio))


@dataclass(frozen=True)
class Step:
    """One step of a program, held against its own definition at the floats that the program had there.

    Attributes
    ----------
    kind : {"forward", "backward", "sum", "formula", "kernel"}
        An operation's result; what a function of the backward pass contributes to the cotangents of its operands; or
        the sum of the contributions to one of them. Where a program is known as a list of primitives: a derivative as
        it is written, read without rounding; or a primitive that was run.
    name : str
        The operation's, or the function's.
    module : str
        The path of the module where it was computed; empty if in none.
    line : str
        Where in the user's code it stands, as FILE:LINE; empty if nowhere.
    findings : tuple of Finding
        One an array.
    opinion : str
        Of a wrong backward step: whether its formula or its rounding is at fault, where that is known.
    """

    kind: Literal["forward", "backward", "sum", "formula", "kernel"]
    name: str
    module: str
    line: str
    findings: tuple[Finding, ...]
    opinion: str = ""

    @property
    def worst(self) -> Finding:
        """The worst of the findings."""
        return worst(self.findings)

    @property
    def verdict(self) -> Verdict:
        """The worst of the findings'."""
        return self.worst.verdict

    @property
    def place(self) -> str:
        """Its name, the module and the line, in words."""
        module = f" in {self.module}" if self.module else ""
        return f"{self.name}{module}{f' at {self.line}' if self.line else ''}"

    @property
    def message(self) -> str:
        """What there is to say of it in words; empty if it passes."""
        words = {
            "forward": "the value of",
            "backward": "the backward pass of",
            "sum": "what was made of",
            "formula": f"the formula is {self.verdict}:",
            "kernel": "the kernel of",
        }[self.kind]
        opinion = f"; {self.opinion}" if self.opinion else ""
        return f"{words} {self.place}: {self.worst.message}{opinion}" if self.verdict != "pass" else ""


def worst_first(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Steps, the worst first."""
    return tuple(sorted(steps, key=lambda step: (-RANK[step.verdict], -step.worst.ratio)))


@dataclass(frozen=True)
class Report:
    """The findings on a value and its gradients; true if all of them pass.

    Attributes
    ----------
    verdict : {"pass", "wrong", "undecided"}
        The worst of the findings' and of the steps'.
    findings : tuple of Finding
        One a judged array.
    steps : tuple of Step
        The steps of the program, the worst first, where they were judged one by one.
    kinks : tuple of Kink
        Where a branch stands that rounding, or a tie, leaves open, and in how many entries: either side was accepted.
    remarks : tuple of str
        What else there is to know of the run that was judged.
    """

    findings: tuple[Finding, ...]
    kinks: tuple[Kink, ...] = ()
    steps: tuple[Step, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        verdicts: list[Verdict] = [f.verdict for f in self.findings] + [step.verdict for step in self.steps]
        return max(verdicts, key=RANK.__getitem__, default="pass")

    @property
    def ok(self) -> bool:
        """Whether everything passes."""
        return self.verdict == "pass"

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        rows = [("array", "verdict", "worst entry", "got", "exact", "error/bound", "resolution")]
        for f in self.findings:
            index = f"[{', '.join(map(str, f.index))}]"
            rows.append(
                (
                    str(f.array),
                    f.verdict,
                    index,
                    f"{f.got:.9g}",
                    f"{f.exact:.9g}",
                    f"{f.ratio:.3g}",
                    f"{f.resolution:.2g}",
                )
            )
        widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        for place, entries in self.kinks:
            lines.append(f"a kink left open at {place}, {_counted(entries)}: what lies between its sides is accepted")
        for f in self.findings:
            if f.open:
                lines.append(f"{f.array} depends on kinks in {_counted(f.open)}: {_side(f)}")
            if f.blind and f.verdict == "pass":
                lines.append(f"{f.array} is no larger than its bound: its terms cancel, and zeros would pass as well")
        return "\n".join([*lines, *self.remarks, *self._steps()])

    def _steps(self) -> list[str]:
        if not self.steps:
            return []
        shown = [step for step in self.steps if step.verdict != "pass"][: 2 * SHOWN] or self.steps[:SHOWN]
        return [f"{len(self.steps)} steps, the worst first:"] + [
            f"  {step.kind}  {step.verdict}  error/bound {step.worst.ratio:.3g}  {step.place}" for step in shown
        ]

    def raise_unless_ok(self) -> None:
        """Raise what the verdict asks for.

        Raises
        ------
        GradientError
            If it is "wrong".
        UndecidedError
            If it is "undecided".
        """
        if not self.ok:
            error = GradientError if self.verdict == "wrong" else UndecidedError
            faults = [step.message for step in self.steps if step.verdict == self.verdict][:SHOWN]
            messages = [*faults, *(f.message for f in self.findings if f.verdict == self.verdict)]
            raise error("\n".join([*messages, str(self)]))


def _counted(entries: int) -> str:
    return "1 entry" if entries == 1 else f"{entries} entries"


def _side(f: Finding) -> str:
    """Which side was taken."""
    if not f.other:
        return "the operation's own side was taken"
    return f"another side was taken{'' if f.other == f.open else f' in {f.other} of them'}"


def judge(array: str | int, got: NDArray[Any], certificate: Certificate, fp: Arithmetic | None = None) -> Finding:
    """The finding on one array of the certificate's shape, which was computed in an arithmetic."""
    exact = certificate.exact
    with np.errstate(all="ignore"):
        values = np.asarray(got, dtype=np.float64)
        below, above, apart = certificate.below, certificate.above, certificate.apart
        signed = values - exact.hi
        signed = signed - exact.lo if some(np.abs(exact.lo)) else signed
        E = below if below is above else np.where(signed < 0, below, above)
        error = np.abs(signed)
        open_ = NOWHERE if below is above is apart else (below > apart) | (above > apart)
        if lowest(E) > 0 and highest(E) < np.inf and highest(error) < np.inf:
            ratio, wrong = error / E, error > E
        else:
            ratio = np.where(E > 0, error / np.where(E > 0, E, 1), np.where(error == 0, 0, np.inf))
            ratio = np.where(np.isfinite(E), np.where(np.isfinite(values), ratio, np.inf), 0)
            wrong = (~(error <= E) | ~np.isfinite(values)) & np.isfinite(E)
    index = tuple(int(i) for i in np.unravel_index(int(ratio.argmax()), ratio.shape)) if ratio.size else ()
    resolution = certificate.resolution
    verdict: Verdict = "pass"
    if wrong.any():
        verdict = "wrong"
    elif not highest(E) < np.inf or resolution > USEFUL:
        verdict = "undecided"
    other = int(np.count_nonzero(open_ & (error > apart))) if some(open_) else 0
    at = [float(a[index]) if ratio.size else 0.0 for a in (values, exact.hi, error, E, ratio)]
    finding = Finding(array, verdict, index, at[0], at[1], at[2], at[3], at[4], resolution)
    size = np.abs(exact.hi).max(initial=0)
    blind = bool(0 < size <= certificate.rounding and (np.abs(exact.hi) <= certificate.apart).all())
    finding = replace(finding, open=int(np.count_nonzero(open_)), other=other, blind=blind)
    words = _in_words(np.asarray(got), exact.hi, E, wrong, fp) if verdict == "wrong" else ""
    return replace(finding, message=_message(finding, words))


def _in_words(got: Any, exact: Any, bound: Any, wrong: Any, fp: Arithmetic | None) -> str:
    """How many entries are wrong, and what change of the exact ones explains all of them."""
    if got.size < 2:
        return ""
    bits = Arithmetic.of(got.dtype).precision if is_float(got.dtype) else 53
    if fp is not None:  # it may have been put into a wider dtype to be judged
        bits = min(bits, fp.precision)
    name = change(got.astype(np.float64), exact, bound, bits)
    return f"; {int(wrong.sum())} of {got.size} entries are wrong" + (f": {name}" if name else "")


def _message(f: Finding, words: str) -> str:
    if f.verdict == "pass":
        return ""
    where = f"{f.array}[{', '.join(map(str, f.index))}]" if f.index else str(f.array)
    numbers = f"got {f.got!r}, exact {f.exact!r}, error {f.error:.3g}, bound {f.bound:.3g}, ratio {f.ratio:.3g}"
    if f.verdict == "wrong":
        return f"{where} is wrong: {numbers}{words}"
    return (
        f"{where} is undecided: a correct program may be off by {f.resolution:.2g} of the array's natural size in this "
        f"dtype; use float64, smaller inputs, or judge parts of the function ({numbers})"
    )
