"""A function that fails, made as small and plain as possible: fewer operations, smaller shapes, simpler numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from gradaudit.functions.drawing import Case
from gradaudit.functions.growth import INPUT, Step
from gradaudit.functions.judging import certificates, fails, steps_alone, verdict
from gradaudit.functions.program import Array, Program, without_unused
from gradaudit.functions.running import run
from gradaudit.functions.script import script

#: To how many significant bits numbers are rounded.
PLAIN = (1, 3, 8)
#: At most so many smaller functions are tried.
MOST = 400


class Small(NamedTuple):
    """A function and the numbers of its inputs."""

    program: Program
    arrays: Mapping[int, Array]


Fails = Callable[[Small], bool]


def shrunk_script(case: Case, framework: str, variant: str) -> str:
    """The script of a small function on which a framework fails as on a case; empty where it does not fail again."""
    program, arrays = case.program, case.arrays()
    if not fails(program, arrays, framework, variant):
        return ""
    kind = _kind(program, arrays, framework, variant)
    small = shrunk(Small(program, arrays), framework, variant, kind)
    result = run(small.program, list(small.arrays.values()), framework, variant)
    of = certificates(small.program, small.arrays, case.dtype, result.forward)
    judged = verdict(result, of, case.dtype)
    return script(case.id, small.program, small.arrays, framework, variant, judged, of[judged.number].exact)


def _kind(program: Program, arrays: Mapping[int, Array], framework: str, variant: str) -> str:
    result = run(program, list(arrays.values()), framework, variant)
    of = certificates(program, arrays, next(iter(arrays.values())).dtype.name, result.forward)
    return verdict(result, of, next(iter(arrays.values())).dtype.name).array.rstrip("0123456789")


def shrunk(start: Small, framework: str, variant: str, kind: str) -> Small:
    """A smaller function that fails in the same framework, in the same kind of array (x, y or dy)."""
    left = [MOST]

    def still(small: Small) -> bool:
        left[0] -= 1
        return left[0] >= 0 and fails(small.program, small.arrays, framework, variant, kind)

    program = replace(start.program, along=tuple(start.program.direction), weights=tuple(start.program.cotangents))
    start = Small(program, start.arrays)
    for _, alone, operands in steps_alone(program, start.arrays, framework, variant):
        single = Small(alone, operands)
        if still(single):
            return _smallest(single, (_smaller, _flat, _plainer), still)
    return _smallest(start, (lambda s: _shorter(s, framework), _smaller, _flat, _plainer), still)


def _smallest(small: Small, ways: tuple[Callable[[Small], Iterator[Small]], ...], still: Fails) -> Small:
    """Each way is followed as long as it leads to something that still fails."""
    for way in ways:
        while (smaller := next((s for s in way(small) if still(s)), None)) is not None:
            small = smaller
    return small


# --- fewer operations -------------------------------------------------------------------------------------------------


def _shorter(small: Small, framework: str) -> Iterator[Small]:
    """One output alone; an earlier step as the output; an operation given as an input."""
    program, arrays = small
    if len(program.outputs) > 1:
        for output in program.outputs:
            yield _of(program, program.steps, (output,), arrays)
    for i, step in enumerate(program.steps):
        if step.name != INPUT and i not in program.outputs:
            yield _of(program, program.steps, (i,), arrays)
    plain = {"numpy": "value", "torch": "autograd", "jax": "eager"}[framework]
    values = run(
        Program(program.steps, tuple(range(len(program.steps)))), list(arrays.values()), framework, plain
    ).values
    for i, step in enumerate(program.steps):
        if step.name != INPUT and i not in program.outputs and np.isfinite(values[i]).all():
            steps = list(program.steps)
            steps[i] = Step(INPUT, (), {"size": values[i].shape})
            yield _of(program, steps, program.outputs, {**arrays, i: values[i]})


def _of(program: Program, steps: Any, outputs: tuple[int, ...], arrays: Mapping[int, Array]) -> Small:
    """Other steps or outputs; what was an input or an output keeps what it is multiplied with."""
    smaller, number = without_unused(steps, outputs)
    arrays = {new: arrays[old] for old, new in sorted(number.items()) if new in smaller.inputs}
    along = {number[i]: v for i, v in zip(program.inputs, program.direction, strict=True) if i in number}
    weights = {number[i]: w for i, w in zip(program.outputs, program.cotangents, strict=True) if i in number}
    drawn = [along.get(i, v) for i, v in zip(smaller.inputs, smaller.direction, strict=True)]
    pulled = [weights.get(i, w) for i, w in zip(smaller.outputs, smaller.cotangents, strict=True)]
    return Small(replace(smaller, along=tuple(drawn), weights=tuple(pulled)), arrays)


# --- smaller shapes ---------------------------------------------------------------------------------------------------


def _smaller(small: Small) -> Iterator[Small]:
    """The axes of one size with one entry, or without one."""
    sizes = sorted({n for x in small.arrays.values() for n in x.shape if n > 1}, reverse=True)
    for size in sizes:
        for i in range(size):
            yield from _cut(small, size, np.array([i]))
        if size > 2:
            for i in range(size):
                yield from _cut(small, size, np.delete(np.arange(size), i))


def _cut(small: Small, size: int, keep: np.ndarray) -> Iterator[Small]:
    """Only some entries of every axis of a size."""

    def cut(x: Array) -> Array:
        for axis, n in enumerate(x.shape):
            x = np.take(x, keep, axis) if n == size else x
        return np.asarray(x)

    arrays = {number: cut(x) for number, x in small.arrays.items()}
    steps = []
    for number, step in enumerate(small.program.steps):
        parameters = dict(step.parameters)
        if step.name == INPUT:
            parameters = {"size": arrays[number].shape}
        if "to" in parameters:
            parameters["to"] = tuple(len(keep) if n == size else n for n in parameters["to"])
        if "index" in parameters and len(parameters["index"]) == size:
            parameters["index"] = parameters["index"][: len(keep)] % len(keep)
        if "labels" in parameters:
            labels = parameters["labels"]
            parameters["labels"] = labels[keep] if len(labels) == size else labels % len(keep)
        steps.append(step._replace(parameters=parameters))
    along, weights = (tuple(map(cut, w)) for w in (small.program.direction, small.program.cotangents))
    yield Small(Program(tuple(steps), small.program.outputs, along, weights), arrays)


def _flat(small: Small) -> Iterator[Small]:
    """Without axes, where each has one entry."""
    arrays = small.arrays
    if any(x.ndim for x in arrays.values()) and all(x.size == 1 for x in arrays.values()):
        steps = [s if s.name != INPUT else s._replace(parameters={"size": ()}) for s in small.program.steps]
        along, weights = (
            tuple(np.reshape(w, ()) if np.size(w) == 1 else w for w in of)
            for of in (small.program.direction, small.program.cotangents)
        )
        program = Program(tuple(steps), small.program.outputs, along, weights)
        yield Small(program, {number: x.reshape(()) for number, x in arrays.items()})


# --- simpler numbers --------------------------------------------------------------------------------------------------


def _plainer(small: Small) -> Iterator[Small]:
    """Zeros, ones, numbers of few bits, each array alone; what is as plain already is left out."""
    program = small.program
    ones = replace(
        program,
        along=tuple(np.ones(np.shape(v)) for v in program.direction),
        weights=tuple(np.ones(np.shape(w)) for w in program.cotangents),
    )
    if any((np.asarray(w) != 1).any() for w in (*program.direction, *program.cotangents)):
        yield Small(ones, small.arrays)
    for number, x in small.arrays.items():
        if not x.any() or (x == 1).all():
            continue
        for plain in (np.zeros_like(x), np.ones_like(x), *(_rounded(x, bits) for bits in PLAIN)):
            if not np.array_equal(plain, x) and np.isfinite(plain).all() and _bits(plain) < _bits(x):
                yield Small(small.program, {**small.arrays, number: plain})


def _rounded(x: Array, bits: int) -> Array:
    significand, exponent = np.frexp(x)
    return np.asarray(np.ldexp(np.round(significand * 2.0**bits), exponent - bits), dtype=x.dtype)


def _bits(x: Array) -> int:
    """How many significant bits there are in all."""
    significand = np.frexp(x.astype(np.float64).ravel())[0]
    whole = (np.abs(significand) * 2.0**53).astype(np.int64)
    return sum(53 - (int(n) & -int(n)).bit_length() + 1 for n in whole if n)
