"""The process of a candidate: it imports the candidate, then answers calls until the audit ends.

It runs from a copy of the few modules that it needs (`PRIVATE`). The copy contains nothing else of the project, neither
the canonical gradients nor the certified values.
"""

from __future__ import annotations

import sys
import warnings
from dataclasses import replace
from pathlib import Path

from gradaudit.adapters.calls import Answer, Caller, in_words
from gradaudit.adapters.candidate import CandidateError, call, load
from gradaudit.adapters.messages import Call, Reply, receive, send
from gradaudit.reference.problem import TENSORS, Problem

#: The modules of the project that a candidate's process needs, as paths in the package.
PRIVATE = (
    *(f"adapters/{n}.py" for n in ("calling", "calls", "candidate", "messages", "networks", "protocol", "python2")),
    *(f"adapters/{n}.py" for n in ("serving", "stand_ins")),
    "reference/problem.py",
)
MIB = 1 << 20
#: The largest length of a call, in bytes.
LONGEST = 1 << 34


def serve(target: str, reader: int, writer: int, memory: int, path: list[str]) -> None:
    """Import a candidate, then answer calls until the other side closes its pipe.

    Parameters
    ----------
    target : str
        ``FILE.py:NAME``.
    reader, writer : int
        The file descriptors of the pipes for calls and for replies.
    memory : int
        The limit of the memory of calls, in addition to the memory after the import of the candidate, in MiB.
    path : list of str
        More folders for its imports, in addition to its own folder.
    """
    try:
        candidate = load(target, path)
    except CandidateError as error:
        send(writer, Reply(message=_text(" ".join(str(error).split()), 4000)), {})
        return
    caller = Caller(lambda inputs: call(candidate, inputs))
    _limit_memory(memory)
    send(writer, Reply(), {})
    while True:
        try:
            request, arrays = receive(reader, Call, LONGEST)
        except EOFError:
            return
        answer = _answer(caller, request, Problem(**arrays, reg=0.0))
        reply = Reply(_message(answer), list(answer.changed), list(answer.warnings))
        gradients = answer.gradients
        send(writer, reply, {} if gradients is None else {name: getattr(gradients, name) for name in TENSORS})


def _answer(caller: Caller, request: Call, problem: Problem) -> Answer:
    """The answer of one call of the candidate, with its warnings."""
    with warnings.catch_warnings(record=True) as records:
        warnings.simplefilter("always")
        try:
            answer = caller(problem, request.layout, request.labels, request.reg)
        except KeyboardInterrupt as error:  # the candidate raised it: Ctrl-C goes to the audit
            answer = Answer("raised", message=in_words(error), error=error)
    texts = {" ".join(f"{w.category.__name__}: {w.message}".split()) for w in records}
    adaptations = sorted(text for text in texts if text.startswith("Adaptation: "))
    texts_of_others = sorted(texts - set(adaptations))
    return replace(
        answer, warnings=(*(_text(t, 4000) for t in adaptations[:20]), *(_text(t, 200) for t in texts_of_others[:5]))
    )


def _message(answer: Answer) -> str:
    """Why there are no gradients; empty if there are gradients."""
    if isinstance(answer.error, MemoryError):
        return "MemoryError: it took more memory than its limit"
    return _text(answer.message, 1000)


def _text(text: str, longest: int) -> str:
    """The text in a form that can be sent: at most this long, and without surrogates."""
    return "".join("\ufffd" if "\ud800" <= character <= "\udfff" else character for character in text[:longest])


def _limit_memory(mib: int) -> None:
    """Limit the memory of the process to its present size and this much more, if the system can do it."""
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (ImportError, OSError):
        return
    limit = pages * resource.getpagesize() + mib * MIB
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    reader, writer, memory = map(int, sys.argv[2:5])
    serve(sys.argv[1], reader, writer, memory, sys.argv[5:])
