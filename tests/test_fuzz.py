"""A short run of the fuzzing that `python -m tests.fuzz` does for hours."""

from __future__ import annotations

import random
from collections.abc import Iterator
from struct import pack, pack_into

import pytest

from mpipc.capnp.rpc_messages import RETURN
from tests.fuzz.harness import Harness
from tests.fuzz.inline import InlineDriver
from tests.fuzz.mutations import Choices, content, mutated
from tests.fuzz.oracle import disagreement, read_here
from tests.fuzz.transcripts import GENERATED, frames, start_server
from tests.rpc_schema import read
from tests.test_malformed_rpc import VALID, struct


@pytest.fixture(scope="module")
def harness() -> Iterator[Harness]:
    harness = Harness()
    yield harness
    harness.close()


@pytest.mark.parametrize("seed", range(4))
def test_mutated_conversations(harness: Harness, seed: int) -> None:
    numbers = random.Random(seed)
    enough = harness.messages + 1000
    while harness.messages < enough:
        data = numbers.randbytes(numbers.randrange(16, 600))
        try:
            harness.run(data)
        except BaseException as e:
            raise AssertionError(f"Harness().run(bytes.fromhex('{data.hex()}'))") from e
    assert harness.ended < harness.executions, "some conversations survive"


def test_conversations_as_they_were_recorded(harness: Harness) -> None:
    """What is not mutated breaks nothing: else nothing would be tested."""
    ended = harness.ended
    for number in range(20):
        harness.run(bytes([3 * number, 11, *[0] * 40]))
    assert harness.ended - ended <= 20


@pytest.mark.parametrize("message", VALID, ids=range(len(VALID)))
def test_the_oracle_reads_what_is_valid(message: bytes) -> None:
    assert disagreement(message) == ""


@pytest.mark.parametrize(
    "words",
    [
        # A pointer of another kind, to a table that is empty.
        [struct(1, 1), RETURN, struct(2, 1), 2 << 32, 0, struct(0, 2), 0, 2],
        # A table of two elements of no size: descriptors of nothing.
        [struct(1, 1), RETURN, struct(2, 1), 2 << 32, 0, struct(0, 2), 0, 1 | 7 << 32, 2 << 2],
    ],
)  # fmt: skip
def test_what_pycapnp_has_read_otherwise(words: list[int]) -> None:
    assert disagreement(pack(f"<II{len(words)}Q", 0, len(words), *words)) == ""


def test_the_oracle_notices_another_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    call = VALID[0]
    assert read_here(call)[0] == "call"
    monkeypatch.setattr("tests.fuzz.oracle._cap", lambda each: (each.kind, each.id + 1))
    assert "by pycapnp" in disagreement(call)


def test_mutations_are_a_function_of_the_bytes() -> None:
    made = {mutated(VALID[0], VALID[1], Choices(bytes([n]) * 20)) for n in range(256)}
    assert made == {mutated(VALID[0], VALID[1], Choices(bytes([n]) * 20)) for n in range(256)}
    assert len(made) > 100


def test_a_callback_thread_is_no_object(harness: Harness) -> None:
    """Found by fuzzing: the callback thread of a call, passed as an object as well, was kept as
    one, and became another call's."""
    numbers = {method.name: number for (_, number), method in GENERATED.server.methods.items()}
    message = bytearray(next(m for m in harness.calls if m[36] == numbers["Root.keep"]))
    at = 8 * (content(message) + 2)  # behind the context, which is the first pointer
    assert message[at : at + 8] == bytes(8), "nothing is to be kept"
    message[at : at + 8] = pack("<Q", 3 | 1 << 32)
    pack_into("<I", message, 32, 1000)
    driver = InlineDriver()
    start_server(driver)
    for received in (*harness.setup, message):
        driver.sent()
        driver.feed(bytes(received))
        while driver.run_next():
            pass
    (answer,) = frames(driver.sent())
    said = read(answer)["return"]
    assert said["answerId"] == 1000
    assert "object of another kind" in said["exception"]["reason"]
