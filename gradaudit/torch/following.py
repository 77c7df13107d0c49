"""A run that is followed: every operation of PyTorch below autograd becomes a node of a graph.

So the forward pass of a custom autograd.Function is seen, and what its backward pass does is not taken on trust.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from gradaudit.errors import UnsupportedError
from gradaudit.graph import Node
from gradaudit.operations.shapes import constant, input_, reshape
from gradaudit.torch.calls import Call, agree, cleared, leaves, mapped
from gradaudit.torch.lines import line, refused
from gradaudit.torch.memory import Memory, key, numbers
from gradaudit.torch.modules import Modules
from gradaudit.torch.results import Result, Results
from gradaudit.torch.tables import CONSTANTS, DECIDING, EMPTY, PASSIVE, RANDOM, RULES, Rule, known, with_line


class Lost(NamedTuple):
    """A storage that an operation wrote to, beside its results: running statistics. Nobody knows what it has.

    Attributes
    ----------
    storage
        It, which is kept alive: its address is its name.
    name : str
        The operation's.
    """

    storage: Any
    name: str


class Following(TorchDispatchMode):  # type: ignore[misc]
    """The mode in which a function is followed.

    Attributes
    ----------
    inputs : dict of Node to ndarray
        The nodes that the graph begins with, and their floats.
    reads : list of str
        Where numbers were read that decide, or may decide, what is computed.
    busy : bool
        Whether what happens is this mode's doing, not the user's.
    results : Results
        What each operation returned that depends on an input.
    modules : Modules
        Those whose forward pass is under way.
    look : callable, optional
        Who is told what operations are given.
    """

    def __init__(self) -> None:
        super().__init__()
        self.inputs: dict[Node, Any] = {}
        self.reads: list[str] = []
        self.busy = False
        self.results = Results()
        self.modules = Modules()
        self._memories: dict[int, Memory] = {}
        self._sources: set[int] = set()
        self._parts: list[str] = []
        self._lost: dict[int, Lost] = {}
        self._dtype: torch.dtype | None = torch.float64
        self._calls = 0
        self.look: Callable[[torch.Tensor, Node], None] | None = None

    def begin(self, tensor: torch.Tensor, live: bool) -> Node:
        """Record an input, whose memory is its own."""
        node = input_(size=tuple(tensor.shape))
        self.inputs[node] = numbers(tensor)
        self._memories[key(tensor)] = Memory(tensor, node, live)
        if live:
            self._sources.add(id(tensor))
            self._dtype = tensor.dtype
        return node

    def is_recorded(self, tensor: Any) -> bool:
        """Whether there is a node for a tensor."""
        return isinstance(tensor, torch.Tensor) and self._memory(tensor) is not None

    def is_live(self, tensor: Any) -> bool:
        """Whether a tensor depends on an input that is differentiated by."""
        memory = self._memory(tensor) if isinstance(tensor, torch.Tensor) else None
        return memory is not None and memory.live

    def node(self, tensor: torch.Tensor) -> Node:
        """The node of a tensor, which may be a constant.

        Raises
        ------
        UnsupportedError
            If the tensor was made by what is no operation of PyTorch.
        """
        memory = self._memory(tensor)
        if memory is not None:
            try:
                return memory.node(tensor)
            except ValueError as error:
                raise refused(str(error)) from error
        if key(tensor) in self._lost:
            raise refused(f"what {self._lost[key(tensor)].name} wrote beside its results")
        self._refuse_unseen(tensor)
        return known(numbers(tensor))

    def _refuse_unseen(self, tensor: torch.Tensor) -> None:
        """Refuse what autograd says depends on an input, while no operation says so; and what is not followed."""
        if tensor.is_complex() and tensor.requires_grad:
            raise refused("complex numbers")
        if tensor.grad_fn is not None and self._sources & leaves(tensor.grad_fn):
            name = type(tensor.grad_fn).__name__.removesuffix("Backward")
            raise refused(f"a result of {name} that no operation of PyTorch made")

    def _memory(self, tensor: torch.Tensor) -> Memory | None:
        """That of a tensor, where it is recorded."""
        return self._memories.get(key(tensor)) if tensor.layout == torch.strided else None

    # --- what PyTorch calls -----------------------------------------------------------------------------------------

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        outer, self.busy = self.busy, True
        try:
            return self._followed(func, args, kwargs or {})
        finally:
            self.busy = outer

    def _followed(self, func: Any, args: Any, kwargs: Any) -> Any:
        call = Call.of(func, args, kwargs)
        self._calls += 1
        if call.base in PASSIVE:
            if call.base == "_local_scalar_dense" and self.is_live(args[0]):
                self.reads.append(line())
            return call.run()
        memories = [self._memory(t) for t in call.tensors]
        for tensor, memory in zip(call.tensors, memories, strict=True):
            if memory is None:
                self._refuse_unseen(tensor)
        if call.base in EMPTY:
            return cleared(call.run())
        live = any(memory is not None and memory.live for memory in memories)
        if not any(memories) and not any(t.is_floating_point() for t in call.tensors):
            return call.run()
        if call.base in CONSTANTS or call.base in RANDOM:
            return self._constant(call, call.run())
        if call.base not in RULES:
            return self._without_rule(call, live)
        if live:
            return self._by_rule(call, live)
        if call.base in DECIDING:
            return self._constant(call, call.run())
        try:
            return self._by_rule(call, live)
        except UnsupportedError:  # what depends on no input is a constant
            return self._constant(call, call.result if call.is_done else call.run())

    def _by_rule(self, call: Call, live: bool) -> Any:
        of = RULES[call.base]
        operand = self._plain if of.plain else self._operand
        args, kwargs = mapped(operand, call.args, call.options)
        result = call.run()
        nodes = self._called(call, of, args, kwargs)
        self._record(call, result, nodes, live, given=tree_leaves((args, kwargs)))
        returned = [id(t) for t in tree_leaves(result)] if live and call.written else []
        for tensor in call.written:
            if live and id(tensor) not in returned:
                self._lost[key(tensor)] = Lost(tensor.untyped_storage(), call.name)
        return result

    def _operand(self, x: Any) -> Any:
        """An operand as the tables take it: a node for floats and masks, an array for whole numbers."""
        if not isinstance(x, torch.Tensor):
            return x
        if x.is_complex():
            raise refused("complex numbers")
        if x.layout != torch.strided:
            raise refused(f"a tensor of the layout {x.layout}")
        if self._lost and key(x) in self._lost:
            return self._lost[key(x)]
        if not (x.is_floating_point() or self.is_recorded(x)):
            return numbers(x)
        node = self.node(x)
        self.results.match(x, node)
        if self.look is not None:
            self.look(x, node)
        return node

    def _plain(self, x: Any) -> Any:
        """The same, a mask as an array, too."""
        return numbers(x) if isinstance(x, torch.Tensor) and x.dtype == torch.bool else self._operand(x)

    def _called(self, call: Call, of: Rule, args: Any, kwargs: Any) -> list[Any]:
        try:
            nodes = of.function(*((call.result, *args) if of.of_result else args), **kwargs)
        except UnsupportedError as error:
            raise refused(f"{call.name}: {error}") from error
        except (TypeError, ValueError, LookupError, AttributeError, RuntimeError) as error:
            raise refused(f"{call.name} with arguments that are not known ({type(error).__name__}: {error})") from error
        where = line()
        known_nodes = {id(x): x for x in tree_leaves((args, kwargs)) if isinstance(x, Node)}
        return [with_line(n, where, known_nodes) for n in (nodes if isinstance(nodes, (tuple, list)) else [nodes])]

    def _record(self, call: Call, result: Any, nodes: Sequence[Any], live: bool, given: Sequence[Any] = ()) -> None:
        results = list(result) if isinstance(result, (tuple, list)) else [result]
        for tensor, node in zip(results, nodes, strict=True):
            if not isinstance(tensor, torch.Tensor) or node is None or not _is_followed(tensor, node):
                continue
            if live and tensor.is_floating_point() and _is_narrower(tensor.dtype, self._dtype):
                raise refused(f"a conversion to {str(tensor.dtype).removeprefix('torch.')}", "judge the parts alone")
            if tuple(tensor.shape) != node.shape:
                raise refused(f"{call.name}: a result of shape {tuple(tensor.shape)}, taken for one of {node.shape}")
            memory, is_written = self._memory(tensor), call.writes(tensor)
            if is_written:
                self._write(tensor, node, live)
            elif memory is not None:
                memory.know(tensor, node)
            elif key(tensor) not in call.keys:
                if any(node is n for n in given) and any(
                    m is not None and m.is_mixed for m in map(self._memory, call.tensors)
                ):
                    node = reshape(node, to=node.shape)  # a copy, which is no view of what was written to
                self._memories[key(tensor)] = Memory(tensor, node, live)
            memory = self._memory(tensor)
            if not self._parts and memory is not None and not node.operation.mask:
                is_view = not is_written and (key(tensor) in call.keys or any(node is n for n in given))
                is_part = is_written and (tensor._is_view() or not memory.is_whole(tensor))
                place = self._calls, call.base, self.modules.path
                self.results.all.append(Result(tensor, self.node(tensor), *place, is_view, is_part))

    def _write(self, tensor: torch.Tensor, node: Node, live: bool) -> None:
        memory = self._memory(tensor)
        if memory is None:
            if not live:  # it is read when it is used
                return
            memory = self._memories[key(tensor)] = Memory.of_constant(tensor)
        try:
            memory.write(tensor, node, live)
        except ValueError as error:
            raise refused(str(error)) from error

    def _constant(self, call: Call, result: Any) -> Any:
        """What is the same whatever the inputs are: a mask of dropout, zeros of a shape, a whole number."""
        for tensor in [*tree_leaves(result), *call.written]:
            if not isinstance(tensor, torch.Tensor):
                continue
            memory = self._memory(tensor)
            if memory is not None and any(tensor is w for w in call.written):
                memory.write(tensor, constant(numbers(tensor)), False)
            elif tensor.is_floating_point() and memory is None and key(tensor) not in call.keys:
                self._memories[key(tensor)] = Memory(tensor, constant(numbers(tensor)), False)
        return result

    # --- what has no rule of its own --------------------------------------------------------------------------------

    def _without_rule(self, call: Call, live: bool) -> Any:
        """Made of what has a rule, by PyTorch's own definitions."""
        if not live:
            return self._constant(call, call.run())
        if call.name in self._parts:
            raise refused(f"the operation {self._parts[0]}, which is not known,")
        self._parts.append(call.name)
        try:
            again = self._again(call)
        except UnsupportedError as error:
            if len(self._parts) == 1 and call.name not in str(error):
                raise refused(
                    f"the operation {call.name}, which is not known: {str(error).partition(' at /')[0]},"
                ) from None
            raise
        finally:
            self._parts.pop()
        result = call.run()
        for tensor, (node, other) in zip(tree_leaves(result), again, strict=True):
            if node is not None:
                if not agree(tensor, other):
                    raise refused(f"the operation {call.name}, of which PyTorch has two meanings,")
                self._record(call, tensor, [node], live)
        return result

    def _again(self, call: Call) -> list[tuple[Node | None, Any]]:
        """The nodes of an operation, and what they stand for, which is computed by its parts."""
        results = None
        outer, self.busy = self.busy, False
        try:
            with self:
                for rule in call.definitions():
                    results = rule(*call.args, **call.options_of_functions)
                    if results is not NotImplemented:
                        break
                    results = None
        except UnsupportedError:
            raise
        except (TypeError, RuntimeError, AttributeError) as error:
            raise refused(f"the operation {call.name}, which is not known ({type(error).__name__}),") from error
        finally:
            self.busy = outer
        if results is None:
            raise refused(f"the operation {call.name}, which is not known,")
        return [
            (self.node(t) if isinstance(t, torch.Tensor) and t.is_floating_point() else None, t)
            for t in tree_leaves(results)
        ]


class Aside:
    """A look at something else while a run is followed: narrower dtypes are numbers like others there."""

    def __init__(self, following: Following) -> None:
        self._following = following
        self._own = following.results, following._dtype
        self.read: list[tuple[Node, Any]] = []
        self._before = set(following._memories)

    def _look(self, tensor: torch.Tensor, node: Node) -> None:
        """Put down what is read of the run's own memory."""
        if key(tensor) in self._before:
            self.read.append((node, numbers(tensor)))

    def __enter__(self) -> None:
        self._following.results, self._following._dtype = Results(), None
        self._following.look = self._look
        self._following.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._following.__exit__(*error)

    def close(self) -> None:
        """Forget it. Where it ended in an error, autograd has put back the modes that there were."""
        self._following.results, self._following._dtype = self._own
        self._following.look = None


def _is_narrower(dtype: torch.dtype, judged: torch.dtype | None) -> bool:
    """Whether a dtype has fewer digits, or smaller numbers, than the one that is judged."""
    if judged is None:
        return False
    own, other = torch.finfo(dtype), torch.finfo(judged)
    return bool(own.eps > other.eps or own.max < other.max / 2)


def _is_followed(tensor: torch.Tensor, node: Node) -> bool:
    """Whether a result is one of floats, or a mask of which the node says how it depends on them."""
    return tensor.is_floating_point() or (tensor.dtype == torch.bool and node.operation.mask)
