"""Whatever a candidate's process writes, it is one finding, and the audit goes on."""

from __future__ import annotations

import contextlib
import io
import json
import os
import struct
import threading
import zipfile
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradaudit.adapters.messages import Call, MessageError, Reply, receive, send
from gradaudit.candidate.isolation import Isolated, _read
from gradaudit.cases.catalogue import case_of
from gradaudit.reference.problem import TENSORS

PROBLEM = case_of("2x3x5x2-reg_0.1-random-float64-s0").problem()
ARRAYS = {"loss": np.float64(1.0), **{n: np.zeros_like(getattr(PROBLEM, n)) for n in TENSORS[1:]}}
LONGEST = 1 << 20


def framed(header: Any, body: bytes = b"") -> bytes:
    """A message with that header, whatever it is."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    content = struct.pack("<I", len(text)) + text + body
    return struct.pack("<Q", len(content)) + content


def described(**changes: Any) -> list[dict[str, Any]]:
    """The descriptions of right arrays, one of them changed."""
    right = [{"name": n, "dtype": "<f8", "shape": list(np.shape(a))} for n, a in ARRAYS.items()]
    return [{**right[0], **changes}, *right[1:]]


EXTRA = {"name": "W3", "dtype": "<f8", "shape": [1]}
BODY = b"".join(np.asarray(a).tobytes() for a in ARRAYS.values())


def archive(compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", compression) as opened:
        opened.writestr("header.npy", b"\0" * 100_000)
    return packed.getvalue()


FORGED: dict[str, bytes] = {
    "nothing at all": b"",
    "half a length": b"\1\0\0",
    "no bytes": struct.pack("<Q", 0),
    "three bytes": struct.pack("<Q", 3) + b"abc",
    "more bytes than there can be": struct.pack("<Q", 1 << 63) + b"x" * 100,
    "more bytes than are allowed": struct.pack("<Q", LONGEST + 1) + b"x" * 100,
    "a header longer than the message": struct.pack("<QI", 8, 1000) + b"abcd",
    "a header of four gigabytes": struct.pack("<QI", 8, 0xFFFFFFFF) + b"abcd",
    "no json": framed(b"{"),
    "no text": framed(b"\xff\xfe\x00"),
    "NULs": framed(b"\0" * 100),
    "a list": framed([]),
    "a number": framed(3),
    "null": framed(None),
    "deep nesting": framed(b"[" * 100_000),
    "deep nesting in a field": framed(b'{"message": ' + b"[" * 100_000),
    "another key": framed({"message": "", "answer": 42}),
    "a message that is a number": framed({"message": 3}),
    "a message of a megabyte": framed({"message": "x" * 900_000}),
    "changed that is a text": framed({"changed": "X"}),
    "changed that names what there is not": framed({"changed": ["everything"], "arrays": described()}, BODY),
    "a thousand changes": framed({"changed": ["X"] * 1000, "arrays": described()}, BODY),
    "a thousand warnings": framed({"warned": ["w"] * 1000, "arrays": described()}, BODY),
    "warnings that are numbers": framed({"warned": [1], "arrays": described()}, BODY),
    "no arrays": framed({}),
    "an array that is missing": framed({"arrays": described()[1:]}, BODY[8:]),
    "an array too many": framed({"arrays": [*described(), EXTRA]}, BODY + b"\0" * 8),
    "an array twice": framed({"arrays": described()[:1] * 2}, b"\0" * 16),
    "an array of another name": framed({"arrays": described(name="lose")}, BODY),
    "a name of a thousand letters": framed({"arrays": described(name="l" * 1000)}, BODY),
    "arrays without bytes": framed({"arrays": described()}),
    "bytes without arrays": framed({"arrays": []}, BODY),
    "a byte too many": framed({"arrays": described()}, BODY + b"\0"),
    "objects": framed({"arrays": described(dtype="|O")}, BODY),
    "texts": framed({"arrays": described(dtype="<U4")}, BODY),
    "complex numbers": framed({"arrays": described(dtype="<c16")}, BODY + b"\0" * 8),
    "integers": framed({"arrays": described(dtype="<i8")}, BODY),
    "big-endian numbers": framed({"arrays": described(dtype=">f8")}, BODY),
    "a dtype that is a list": framed({"arrays": described(dtype=[["f", "<f8"]])}, BODY),
    "a negative size": framed({"arrays": described(shape=[-1])}, BODY),
    "a size that is a fraction": framed({"arrays": described(shape=[0.5])}, BODY),
    "a size beyond all memory": framed({"arrays": described(shape=[1 << 31, 1 << 31])}, BODY),
    "a size of 30 digits": framed({"arrays": described(shape=[10**30])}, BODY),
    "nine axes": framed({"arrays": described(shape=[1] * 9)}, BODY),
    "an archive": archive(),
    "an archive as a message": framed(archive()),
    "a pickle": framed(b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x07builtin\x94."),
}


def received(content: bytes) -> Any:
    """What the audit makes of these bytes from a candidate's process, which then goes."""
    reads, writes = os.pipe()

    def write() -> None:
        with contextlib.suppress(BrokenPipeError), open(writes, "wb") as pipe:
            pipe.write(content)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        return _read(*receive(reads, Reply, LONGEST, 60.0))
    finally:
        os.close(reads)
        writer.join()


@pytest.mark.parametrize("content", FORGED.values(), ids=FORGED)
def test_a_forged_answer_is_refused(content: bytes) -> None:
    """The exceptions that `Isolated.call` turns into a finding, and no others."""
    with pytest.raises((MessageError, EOFError, TypeError)):
        received(content)


def test_a_right_answer_is_read() -> None:
    answer = received(framed({"arrays": described()}, BODY))
    assert answer.outcome == "gradients"
    assert answer.gradients.W1.shape == PROBLEM.W1.shape


@given(st.binary(max_size=300))
@settings(deadline=None, max_examples=300)
def test_any_bytes_are_refused(content: bytes) -> None:
    with pytest.raises((MessageError, EOFError, TypeError)):
        received(content)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(["message", "changed", "warned", "arrays", "name", "dtype", "shape"])
ARRAY = st.fixed_dictionaries(
    {
        "name": st.sampled_from(TENSORS) | JSON,
        "dtype": st.sampled_from(["<f4", "<f8", "<i8"]) | JSON,
        "shape": st.lists(st.integers(-1, 9), max_size=3) | JSON,
    }
)


@given(st.dictionaries(NAMES, st.lists(ARRAY, max_size=6) | JSON, max_size=4), st.binary(max_size=64))
@settings(deadline=None, max_examples=200)
def test_any_header_is_refused_or_a_message(header: dict[str, Any], body: bytes) -> None:
    """Nothing but the four kinds of outcomes: an answer takes five arrays, whose bytes are not there."""
    try:
        answer = received(framed(header, body))
    except (MessageError, EOFError, TypeError):
        return
    assert answer.outcome == "raised"
    assert answer.message


FORGER = """
import os, sys
import numpy as np

def {name}(X, y, W1, b1, W2, b2, reg):
    answers = int(sys.argv[3])
    os.write(answers, {content!r})
    os._exit(0)
"""


SENT = ["no json", "deep nesting", "integers", "more bytes than there can be", "an array twice"]


@pytest.mark.parametrize("name", SENT)
def test_a_candidate_that_forges_its_answer_crashes_and_the_next_call_is_made(name: str, tmp_path: Any) -> None:
    file = tmp_path / "forger.py"
    file.write_text(FORGER.format(name="network", content=FORGED[name]))
    with Isolated(f"{file}:network", timeout=60.0) as process:
        answers = [process.call(PROBLEM, 0.1) for _ in range(2)]
    assert [answer.outcome for answer in answers] == ["crash", "crash"]
    assert all(answer.message for answer in answers)


def test_a_candidate_that_does_not_read_is_a_timeout(tmp_path: Any) -> None:
    """Its pipe is full, and nobody empties it."""
    file = tmp_path / "deaf.py"
    file.write_text("import os, time\nos.read = lambda *a: time.sleep(1000)\ndef network(*a):\n    return 0\n")
    large = case_of("9600x7x8x9-reg_0.1-random-float64-s0").problem()
    with Isolated(f"{file}:network", timeout=0.5) as process:
        assert process.call(large, 0.1).outcome == "timeout"


def test_a_message_arrives_as_it_was_sent() -> None:
    reads, writes = os.pipe()
    arrays: dict[str, Any] = {"X": np.arange(6.0).reshape(2, 3), "y": np.arange(3, dtype=np.int8)}
    arrays |= {"b": np.array(0.5, dtype=np.float32), "e": np.zeros((0, 4))}
    send(writes, Call(0.1, "C", "int8"), arrays)
    header, got = receive(reads, Call, LONGEST)
    assert (header.reg, header.layout, header.labels) == (0.1, "C", "int8")
    for name, array in arrays.items():
        assert np.array_equal(got[name], array)
        assert got[name].shape == np.shape(array)
