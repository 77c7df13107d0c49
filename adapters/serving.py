"""A candidate's process: it imports the candidate, then answers calls until the audit goes.

It runs from a copy of the few modules that it needs (`PRIVATE`), beside which nothing of the project is to be found:
neither the canonical gradients nor the certified values.
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

#: What a candidate's process is given of the project, as paths in the package.
PRIVATE = (
    *(f"adapters/{n}.py" for n in ("calling", "calls", "candidate", "messages", "networks", "protocol", "python2")),
    *(f"adapters/{n}.py" for n in ("serving", "stand_ins")),
    "reference/problem.py",
)
MIB = 1 << 20
#: A call is no longer than this, in bytes.
LONGEST = 1 << 34


def serve(target: str, hears: int, answers: int, memory: int, path: list[str]) -> None:
    """Import a candidate, then answer calls until the other side goes.

    Parameters
    ----------
    target : str
        ``FILE.py:NAME``.
    hears, answers : int
        The pipes, as file descriptors.
    memory : int
        How much memory calls may take beyond what is taken when the candidate is imported, in MiB.
    path : list of str
        Folders in which its imports are looked for, beside its own.
    """
    try:
        candidate = load(target, path)
    except CandidateError as error:
        send(answers, Reply(message=_text(" ".join(str(error).split()), 4000)), {})
        return
    caller = Caller(lambda inputs: call(candidate, inputs))
    _limit_memory(memory)
    send(answers, Reply(), {})
    while True:
        try:
            request, arrays = receive(hears, Call, LONGEST)
        except EOFError:
            return
        answer = _answer(caller, request, Problem(**arrays, reg=0.0))
        reply = Reply(_message(answer), list(answer.changed), list(answer.warnings))
        gradients = answer.gradients
        send(answers, reply, {} if gradients is None else {name: getattr(gradients, name) for name in TENSORS})


def _answer(caller: Caller, request: Call, problem: Problem) -> Answer:
    """Call the candidate once; what came of it, and what it warned of."""
    with warnings.catch_warnings(record=True) as records:
        warnings.simplefilter("always")
        try:
            answer = caller(problem, request.layout, request.labels, request.reg)
        except KeyboardInterrupt as error:  # the candidate's own: Ctrl-C is the audit's
            answer = Answer("raised", message=in_words(error), error=error)
    texts = {" ".join(f"{w.category.__name__}: {w.message}".split()) for w in records}
    ours = sorted(text for text in texts if text.startswith("Adaptation: "))
    rest = sorted(texts - set(ours))
    return replace(answer, warnings=(*(_text(t, 4000) for t in ours[:20]), *(_text(t, 200) for t in rest[:5])))


def _message(answer: Answer) -> str:
    """Why there are no gradients; empty where there are."""
    if isinstance(answer.error, MemoryError):
        return "MemoryError: it took more memory than it may"
    return _text(answer.message, 1000)


def _text(text: str, longest: int) -> str:
    """A text as it can be sent: no longer than so much, and no half characters."""
    return "".join("\ufffd" if "\ud800" <= character <= "\udfff" else character for character in text[:longest])


def _limit_memory(mib: int) -> None:
    """Let the process take so much more memory than it has now, where the system can limit it."""
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (ImportError, OSError):
        return
    limit = pages * resource.getpagesize() + mib * MIB
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    hears, answers, memory = map(int, sys.argv[2:5])
    serve(sys.argv[1], hears, answers, memory, sys.argv[5:])
