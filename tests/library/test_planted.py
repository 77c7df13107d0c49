"""Every derivative rule of every operation, wrong in one place: each fault is convicted, or shown to change nothing.

What may be wrong is read from the rule itself (`faults.py`); how many problems may convict it is set by
``--planted-problems``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from gradaudit.certify import Certificates, certify
from gradaudit.functions.numbers import whole
from gradaudit.graph import Node, Shape, topological_order
from gradaudit.judge import judge
from gradaudit.operations import OPERATIONS
from gradaudit.operations.shapes import input_
from gradaudit.patterns import recognised
from tests.library.faults import FAMILIES
from tests.library.floats import computed
from tests.library.planting import NEARLY_ONE, Fault, Function, are_equal, offered
from tests.library.specimens import NAMES, plain, posed

DTYPES = ("float64", "float32")
#: What may be wrong in any rule that gives an operand something.
EVERYWHERE = {"factor", "sign", "lost", "transposed", "sum"}
#: Each fault is tried on so many problems of each kind, before it is compared with the right rule in balls.
TRIES = 4
#: A fault whose place is seldom is looked for in so many times the problems.
AT_MOST = 20


def with_ties(rng: np.random.Generator, size: Shape, positive: bool) -> NDArray[Any]:
    """Small whole numbers: ties, kinks."""
    x = np.asarray(whole(rng, size))
    return np.abs(x) + 1 if positive else x


def with_zeros(rng: np.random.Generator, size: Shape, positive: bool) -> NDArray[Any]:
    """The same, half of them 0."""
    return np.where(rng.random(size) < 0.5, 0.0, with_ties(rng, size, positive))


#: What no derivative is asked of.
NEVER_ASKED = ["onehot", *(name for name in NAMES if OPERATIONS[name].mask)]
KINDS = (plain, with_ties, with_zeros)


def cotangent(rng: np.random.Generator, size: Shape) -> NDArray[np.float64]:
    """Of few bits: of either sign, from 1 to 2."""
    return np.asarray((1 + rng.integers(0, 64, size) / 64) * rng.choice([-1.0, 1.0], size))


class Problem:
    """An operation on random operands, and what NumPy's gradients are held against."""

    def __init__(self, name: str, seed: int, dtype: str) -> None:
        rng = np.random.default_rng([seed, *name.encode()])
        self.kind, self.dtype, self.factor = seed % len(KINDS), dtype, NEARLY_ONE[dtype]
        pose = posed(name, rng, lambda *of: KINDS[self.kind](*of).astype(dtype))
        (output,) = recognised([pose.output])
        self.of = Function(output, pose.inputs, input_(size=output.shape))
        self.inputs = {
            **dict(zip(pose.inputs, pose.arrays, strict=True)),
            self.of.cotangent: cotangent(rng, output.shape),
        }
        self.nodes = [n for n in topological_order([output]) if n.operation.name == name]

    @cached_property
    def faults(self) -> list[Fault]:
        return list(dict.fromkeys(fault for node in self.nodes for fault in offered(node, self.factor)))

    @cached_property
    def certificates(self) -> dict[bool, Certificates]:
        """Where either side of a tie is right, and where the operation's own side is prescribed."""
        free = certify(self.of.gradient(), self.inputs, self.dtype)
        return {False: free, True: free.allowing(strict=True)}

    def wrong(self, fault: Fault) -> list[Node]:
        return self.of.planted([id(n) for n in self.nodes], fault, self.factor)

    def verdicts(self, gradient: list[Node], strict: bool = False) -> set[str]:
        """On what NumPy gives for a gradient."""
        got, certificates = computed(self.dtype, gradient, self.inputs), self.certificates[strict].outputs
        return {judge(k, x, c).verdict for k, (x, c) in enumerate(zip(got, certificates, strict=True))}

    def convicts(self, fault: Fault) -> str:
        """The family of a fault that is wrong: "side" where it is so only if the side of a kink is prescribed."""
        wrong = self.wrong(fault)
        if "wrong" in self.verdicts(wrong):
            return fault.family
        return "side" if "wrong" in self.verdicts(wrong, strict=True) else ""

    @cached_property
    def right(self) -> set[str]:
        """The verdicts on the right gradient; on either side of a kink it is the operation's own."""
        assert "wrong" not in self.verdicts(self.of.gradient(), strict=True)
        return self.verdicts(self.of.gradient())

    def shows_no_change(self, fault: Fault) -> bool:
        return are_equal(self.of.gradient(), self.wrong(fault), self.inputs)


@dataclass
class Outcome:
    """What became of the faults of an operation in a dtype.

    Attributes
    ----------
    convicted : dict of Fault to str
        Those that a verdict convicts, and of which family they are: "side" if any side of a kink has to be accepted.
    equal, survivors : list of Fault
        Those that change no digit of any gradient; and that are neither.
    right : Counter
        The verdicts on the right gradients.
    """

    convicted: dict[Fault, str] = field(default_factory=dict)
    equal: list[Fault] = field(default_factory=list)
    survivors: list[Fault] = field(default_factory=list)
    right: Counter[str] = field(default_factory=Counter)


def outcome(name: str, dtype: str, problems: int) -> Outcome:
    """Every fault is tried on some problems whose rules have its place, until one of them convicts it."""
    result, tried = Outcome(), dict[Fault, list[Problem]]()
    for seed in range(problems * AT_MOST):
        if seed >= problems and all(len(t) == TRIES * len(KINDS) for t in tried.values()):
            break
        problem = Problem(name, seed, dtype)
        places = [fault for fault in problem.faults if fault not in result.convicted]
        wanted = [fault for fault in places if _tries(tried.get(fault, []), problem.kind) < TRIES]
        if wanted:
            result.right.update(problem.right)
        for fault in wanted:
            if family := problem.convicts(fault):
                result.convicted[fault] = family
                tried.pop(fault, None)
            else:
                tried.setdefault(fault, []).append(problem)
    for fault, seen in tried.items():
        passing = [problem for problem in seen if problem.right == {"pass"}]
        equal = passing and all(problem.shows_no_change(fault) for problem in passing)
        (result.equal if equal else result.survivors).append(fault)
    return result


def _tries(problems: Sequence[Problem], kind: int) -> int:
    return sum(problem.kind == kind for problem in problems)


def in_words(outcome: Outcome) -> str:
    """How many faults of each family are convicted, and which change nothing."""
    counts = Counter(outcome.convicted.values())
    families = ", ".join(f"{family} {counts[family]}" for family in FAMILIES if counts[family])
    equal = f"; no change: {', '.join(map(str, outcome.equal))}" if outcome.equal else ""
    return f"{families}{equal}"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [name for name in NAMES if name not in NEVER_ASKED])
def test_every_fault_of_a_rule_is_convicted(
    name: str, dtype: str, pytestconfig: pytest.Config, figure: Callable[[str], None]
) -> None:
    """Or shown to change no digit of the gradient; the right gradients of the same problems are not wrong."""
    of = outcome(name, dtype, pytestconfig.getoption("--planted-problems"))
    assert not of.survivors, [str(fault) for fault in of.survivors]
    assert of.convicted
    assert not _contributes(of) or set(of.convicted.values()) >= EVERYWHERE
    assert of.right["pass"] > 0
    assert all(family == "side" for fault, family in of.convicted.items() if fault.family == "side")
    figure(f"{len(of.convicted)} faults planted in {name}, {dtype}, all convicted: {in_words(of)}")


def _contributes(outcome: Outcome) -> bool:
    """Whether the rule gives some operand something."""
    return any(fault.name == "nothing" for fault in outcome.convicted)


@pytest.mark.parametrize("name", NEVER_ASKED)
def test_nothing_asks_for_the_rule_of_a_mask(name: str) -> None:
    """Nor of what is computed of whole numbers alone: a fault in it changes nothing."""
    for seed in range(20):
        problem = Problem(name, seed, "float64")
        assert problem.nodes
        assert not {id(node) for node in problem.of.asked()} & {id(node) for node in problem.nodes}


# --- the test is tested -----------------------------------------------------------------------------------------------


def test_a_judge_that_sees_nothing_lets_faults_survive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Problem, "verdicts", lambda *_, strict=False: {"pass"})  # noqa: ARG005
    of = outcome("tanh", "float64", 20)
    assert not of.convicted
    assert {fault.family for fault in of.survivors} >= {"factor", "sign", "lost", "transposed", "sum"}


def test_a_fault_that_changes_nothing_is_shown_to() -> None:
    """Of the derivative of |x| the 0 at 0 may have any sign."""
    of = outcome("absolute", "float64", 60)
    assert any((fault.place, fault.family) == ("constant 1", "sign") for fault in of.equal)


def test_a_fault_that_no_rule_has_is_an_error() -> None:
    problem = Problem("tanh", 0, "float64")
    with pytest.raises(LookupError, match="no rule has the place"):
        problem.wrong(Fault("matmul 1", "transposed", "not transposed"))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_faults(family: str) -> None:
    rng = np.random.default_rng(0)
    problems = (Problem(name, int(seed), "float64") for name in NAMES for seed in rng.integers(100, size=4))
    assert any(fault.family == family for problem in problems for fault in problem.faults)
