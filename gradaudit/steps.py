"""The certificate step by step: what a program computed on the way, each array held against its own definition.

A program's intermediate values and cotangents are floats, and so known exactly. Each step is judged at exactly those
floats: what an operation returned, what was contributed to a cotangent, and the sum of the contributions. So nothing
grows with depth. ROUNDING.md, section 10, says what all steps together prove, and what not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradaudit.certify import Certificate, Kink, Plan, certify
from gradaudit.derivative import pulled_back
from gradaudit.graph import Node
from gradaudit.judge import Finding, judge
from gradaudit.operations.entrywise import add
from gradaudit.operations.shapes import concatenate, constant, gather, input_, reshape
from gradaudit.parts import Part, form, planned
from gradaudit.patterns import recognised
from gradaudit.rounding.arithmetic import Arithmetic

Floats = NDArray[Any]
#: The floats that a program had for a node.
Known = Callable[[Node], Floats]


def cut(
    roots: Sequence[Node], known: Callable[[Node], bool], itself: Sequence[bool] | None = None
) -> tuple[list[Node], dict[int, Node], dict[int, Node]]:
    """A part of a graph as a graph of its own, which begins where the floats of a program are known.

    Parameters
    ----------
    roots : sequence of Node
        The outputs of the part.
    known : callable
        Whether the floats of a node below them are known: the part begins there.
    itself : sequence of bool, optional
        Whether the part begins at a root itself, and does nothing but to hand it on.

    Returns
    -------
    tuple of list of Node, dict of int to Node and dict of int to Node
        The outputs again; the inputs of the part by the ids of the nodes that they stand for; these nodes by their ids.
    """
    inputs: dict[int, Node] = {}
    origins: dict[int, Node] = {}
    again: dict[int, Node] = {}

    def begins(node: Node) -> bool:
        return node.operation is input_ or known(node)

    def beginning(node: Node) -> Node:
        origins[id(node)] = node
        return inputs.setdefault(id(node), input_(size=node.shape))

    def rebuilt(node: Node) -> Node:
        return node.on(tuple(again[id(n)] for n in node.inputs))

    stack = [(n, False) for root in roots for n in root.inputs]
    while stack:
        node, expanded = stack.pop()
        if id(node) in again:
            continue
        if begins(node):
            again[id(node)] = beginning(node)
        elif expanded or not node.inputs:
            again[id(node)] = rebuilt(node)
        else:
            stack += [(node, True), *((n, False) for n in node.inputs)]
    given = itself or [False] * len(roots)
    outputs = [beginning(n) if n.operation is input_ or i else rebuilt(n) for n, i in zip(roots, given, strict=True)]
    return outputs, inputs, origins


def live(order: Iterable[Node], sources: Sequence[Node]) -> set[int]:
    """The ids of the nodes of an order that depend on one of the sources, by the entries that they take.

    What is taken from memory that was written to elsewhere does not depend on what was written.
    """
    entries: dict[int, Any] = {id(node): np.True_ for node in sources}
    for node in order:
        if id(node) not in entries:
            entries[id(node)] = _live_entries(node, [entries[id(n)] for n in node.inputs])
    return {n for n, alive in entries.items() if alive.any()}


def _live_entries(node: Node, operands: Sequence[Any]) -> Any:
    """Which entries depend on a source; one truth for all where it is the same, or nobody knows."""
    if node.operation is concatenate:
        if all(x.ndim == 0 and x == operands[0] for x in operands):
            return operands[0]
        parts = [np.broadcast_to(x, n.shape) for x, n in zip(operands, node.inputs, strict=True)]
        return np.concatenate(parts, axis=node.parameters["axis"])
    alive = operands[0] if len(operands) == 1 else np.bool_(any(x.any() for x in operands))
    if alive.ndim and node.operation is reshape:
        return alive.reshape(node.shape)
    if alive.ndim and node.operation is gather:
        return np.append(alive.reshape(-1), False)[node.parameters["index"]]
    return np.bool_(alive.any())


def step_finding(name: str, got: Floats, certificate: Certificate, fp: Arithmetic) -> Finding:
    """The finding on an array of a step; zeros, which have no size to be measured by, pass but for underflow."""
    finding = judge(name, got, certificate, fp)
    is_zero = certificate.size == 0 and certificate.rounding <= fp.eta / fp.u
    return replace(finding, verdict="pass", message="") if finding.verdict == "undecided" and is_zero else finding


def computed(
    roots: Sequence[Node], known: Callable[[Node], bool], floats: Known, fp: Arithmetic
) -> tuple[Certificate, ...]:
    """The certificates of what was computed from floats that are known; a root may be known itself."""
    outputs, inputs, origins = cut(roots, known, [known(n) for n in roots])
    of = form(outputs)
    part = planned(of, "values", lambda: Part(Plan.of(outputs), of.leaves, (), tuple(outputs)))
    origin = {id(node): origins[n] for n, node in inputs.items()}
    given = {leaf: floats(origin[id(node)]) for leaf, node in zip(part.leaves, of.leaves, strict=True)}
    return certify(part.plan, given, fp).outputs


def contributed(
    roots: Sequence[Node],
    itself: Sequence[bool],
    cotangents: Sequence[Floats],
    known: Callable[[Node], bool],
    targets: Sequence[Node],
    live: Callable[[Node], bool],
    floats: Known,
    fp: Arithmetic,
) -> tuple[dict[int, Certificate], tuple[Kink, ...]]:
    """The certificates of what a part of a program contributes to the cotangents of what it is computed from.

    Parameters
    ----------
    roots : sequence of Node
        Its outputs.
    itself : sequence of bool
        Which of them it only hands on.
    cotangents : sequence of ndarray
        Theirs, as the program had them.
    known : callable
        Where the part begins.
    targets : sequence of Node
        What it contributes to, as the program has it.
    live : callable
        Whether a node depends on what is differentiated by.
    floats, fp
        The program's floats, and what it computes in.

    Returns
    -------
    tuple of dict of int to Certificate and tuple of Kink
        By the ids of the targets, and of what else that is live the part is computed from: the program contributes
        nothing there.
        And where a branch stands that is left open.
    """
    ids = {id(t) for t in targets}
    outputs, inputs, origins = cut(roots, lambda n: id(n) in ids or known(n), itself)
    sources = {id(t): inputs.get(id(t)) or input_(size=t.shape) for t in targets}
    sources |= {n: new for n, new in inputs.items() if live(origins[n])}
    of = form(outputs)
    places = {id(node): n for n, node in enumerate(of.leaves)}
    by = tuple(places.get(id(source), source.shape) for source in sources.values())

    def made() -> Part:
        weights = [input_(size=c.shape) for c in cotangents]
        derivatives = pulled_back(recognised(outputs), list(sources.values()), weights)
        return Part(Plan.of(derivatives), of.leaves, tuple(weights), tuple(outputs))

    part = planned(of, by, made)
    origin, needed = {id(node): origins[n] for n, node in inputs.items()}, {id(node) for node in part.plan.order}
    leaves = [(leaf, origin[id(node)]) for leaf, node in zip(part.leaves, of.leaves, strict=True)]
    given = {leaf: floats(node) for leaf, node in leaves if id(leaf) in needed}
    given |= {w: c for w, c in zip(part.weights, cotangents, strict=True) if id(w) in needed}
    certificates = certify(part.plan, given, fp)
    return dict(zip(sources, certificates.outputs, strict=True)), certificates.kinks


def added_up(name: str, parts: Sequence[Floats], got: Floats, fp: Arithmetic) -> Finding:
    """The finding on a sum of contributions, in whatever order they were added; of none it is zero."""
    nodes = [input_(size=part.shape) for part in parts]
    total = reduce(add, nodes) if nodes else constant(np.zeros(got.shape))
    return step_finding(name, got, certify([total], dict(zip(nodes, parts, strict=True)), fp).outputs[0], fp)
