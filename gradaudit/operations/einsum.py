"""Products summed over letters: two operands at a time, each pair one batched matrix product."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_letters

import numpy as np

from gradaudit.graph import Node
from gradaudit.operations.arrangements import rearranged
from gradaudit.operations.products import matmul
from gradaudit.operations.shapes import reshape, total, transpose


def einsum(subscripts: str, *nodes: Node) -> Node:
    """As `numpy.einsum`, axes under an ellipsis included.

    Raises
    ------
    ValueError
        If the letters do not fit the operands.
    """
    letters, output = _letters(subscripts, [n.ndim for n in nodes])
    _fit(subscripts, letters, output, nodes)
    name, node = _diagonal(letters[0], nodes[0])
    rest = [_diagonal(n, x) for n, x in zip(letters[1:], nodes[1:], strict=True)]
    for i, (other, y) in enumerate(rest):
        needed = set(output).union(*(n for n, _ in rest[i + 1 :]))
        name, node = _contracted(name, node, other, y, needed)
    node = total(node, [name.index(c) for c in name if c not in output])
    name = "".join(c for c in name if c in output)
    return transpose(node, axes=tuple(name.index(c) for c in output))


def _letters(subscripts: str, axes: Sequence[int]) -> tuple[list[str], str]:
    """The letters of each operand and of the result; an ellipsis becomes letters that nobody uses."""
    parts, arrow, output = subscripts.replace(" ", "").partition("->")
    letters = parts.split(",")
    if len(letters) != len(axes):
        raise ValueError(f"einsum({subscripts!r}) of {len(axes)} arrays; expected {len(letters)}")
    free = [c for c in ascii_letters if c not in parts]
    hidden = max((n - len(p) + 3 for p, n in zip(letters, axes, strict=True) if "..." in p), default=0)
    leading = "".join(free[:hidden])
    full = [
        p.replace("...", leading[hidden - (n - len(p) + 3) :]) if "..." in p else p
        for p, n in zip(letters, axes, strict=True)
    ]
    if not arrow:
        single = sorted(c for c in set(parts) - {",", "."} if parts.count(c) == 1)
        return full, leading + "".join(single)
    if hidden and "..." not in output:
        raise ValueError(f"einsum({subscripts!r}): expected an ellipsis in the result as well")
    return full, output.replace("...", leading)


def _fit(subscripts: str, letters: Sequence[str], output: str, nodes: Sequence[Node]) -> None:
    sizes: dict[str, int] = {}
    for name, node in zip(letters, nodes, strict=True):
        if len(name) != node.ndim:
            raise ValueError(f"einsum({subscripts!r}): {len(name)} letters for an array of the shape {node.shape}")
        for c, n in zip(name, node.shape, strict=True):
            if sizes.setdefault(c, n) != n:
                raise ValueError(f"einsum({subscripts!r}): the axis {c!r} has {sizes[c]} entries and {n}; expected one")
    if len(set(output)) < len(output) or not set(output) <= set(sizes):
        raise ValueError(f"einsum({subscripts!r}): expected each letter of the result once, and in an operand")


def _diagonal(name: str, node: Node) -> tuple[str, Node]:
    """An operand whose letters differ: where one stands twice, its diagonal."""
    while len(set(name)) < len(name):
        c = next(c for c in name if name.count(c) > 1)
        first, second = name.index(c), name.index(c, name.index(c) + 1)
        node = rearranged(node, lambda x, i=first, j=second: np.diagonal(x, axis1=i, axis2=j))  # type: ignore[misc]
        name = name[:first] + name[first + 1 : second] + name[second + 1 :] + c
    return name, node


def _contracted(item: str, x: Node, other: str, y: Node, needed: set[str]) -> tuple[str, Node]:
    """The product of two operands, summed over the letters that nobody needs any more."""
    sizes = dict(zip(item + other, x.shape + y.shape, strict=True))
    batch = [c for c in item if c in other and c in needed]
    inner = [c for c in item if c in other and c not in needed]
    left, right = [c for c in item if c not in other], [c for c in other if c not in item]

    def grouped(name: str, node: Node, *groups: list[str]) -> Node:
        node = transpose(node, axes=tuple(name.index(c) for group in groups for c in group))
        lengths = (int(np.prod([sizes[c] for c in group])) for group in groups)
        return reshape(node, to=tuple(lengths))

    product = matmul(grouped(item, x, batch, left, inner), grouped(other, y, batch, inner, right))
    name = "".join(batch + left + right)
    return name, reshape(product, to=tuple(sizes[c] for c in name))
