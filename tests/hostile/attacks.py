"""What a hostile client says. Each attack is one connection, from its beginning to its end."""

from __future__ import annotations

import random
import select
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from struct import pack

from mpipc.capnp import threads
from mpipc.generate.load import generated_for
from tests import rpc_peer
from tests.rpc_peer import call, disembargo, finish, release, resolve, results
from tests.runtime.declarations import Callbacks, Gates, Objects, Root, Values

Attack = Callable[[random.Random], Iterator[bytes]]
"""Yields messages, to be sent one after the other as long as the server takes them."""

ATTACKS: dict[str, Attack] = {}
LENGTH = 1000  # messages of an attack that could go on for ever


def attack(function: Attack) -> Attack:
    ATTACKS[function.__name__.replace("_", " ")] = function
    return function


def method(interface: type, name: str) -> tuple[int, int]:
    """(interface id, ordinal)"""
    table = generated_for(interface).server.methods
    return next(ids for ids, each in table.items() if each.name.endswith(f".{name}"))


def on(target: int | rpc_peer.Answer, question: int, ids: tuple[int, int], content: bytes) -> bytes:
    return call(question, target, interface=ids[0], method=ids[1], content=content)


EMPTY = pack("<Q", 0)
CONSTRUCT = method(Root, "construct")
GATES, OBJECTS, VALUES = (method(Root, name) for name in ("gates", "objects", "values"))
WAIT, MAKE_MANY, SMALL = (
    method(Gates, "wait"),
    method(Objects, "make_many"),
    method(Values, "small"),
)
BOUNCE = method(Callbacks, "bounce")
MAKE_THREAD = threads.MAKE_THREAD
BOOTSTRAP = rpc_peer.built(lambda message: message.init("bootstrap"))


def root_and(question: int, ids: tuple[int, int]) -> bytes:
    """Ask for the root object, which is export 0, and for what one of its methods returns."""
    return BOOTSTRAP + on(0, question, ids, EMPTY)


@attack
def wrong_ids(chance: random.Random) -> Iterator[bytes]:
    yield BOOTSTRAP
    for _ in range(20):
        number = chance.randrange(1, 1 << 32)
        yield chance.choice(
            [
                results(number),
                release(number),
                finish(number),
                resolve(number, "senderHosted", 3),
                disembargo(number, 1),
                disembargo(number, 1, "receiverLoopback"),
                call(number, number),
                call(1, (number, [0])),
            ]
        )


@attack
def releases_twice(chance: random.Random) -> Iterator[bytes]:
    yield BOOTSTRAP + release(0) + release(0)
    yield release(0, 1 << 31)


@attack
def calls_what_it_released(chance: random.Random) -> Iterator[bytes]:
    yield BOOTSTRAP + finish(0) + release(0)
    for number in range(1, LENGTH):
        yield on(0, number, OBJECTS, EMPTY) + finish(number)


@attack
def the_same_question_twice(chance: random.Random) -> Iterator[bytes]:
    yield root_and(1, GATES)
    for _ in range(5):
        yield on((1, [0]), 2, WAIT, EMPTY)


@attack
def endless_promises(chance: random.Random) -> Iterator[bytes]:
    yield root_and(1, GATES) + on((1, [0]), 2, WAIT, EMPTY)
    for number in range(3, LENGTH):
        yield call(number, (number - 1, [chance.randrange(4)]))


@attack
def promises_as_parameters(chance: random.Random) -> Iterator[bytes]:
    yield root_and(1, GATES) + on((1, [0]), 2, WAIT, EMPTY)
    for number in range(3, LENGTH):
        yield call(number, 0, [(chance.randrange(1, number), [0]), ("senderPromise", number)])


@attack
def promises_that_become_themselves(chance: random.Random) -> Iterator[bytes]:
    yield BOOTSTRAP
    for number in range(1, 50):
        yield call(number, 0, [("senderPromise", number)])
        yield resolve(number, "senderPromise", number)


@attack
def deep_nesting(chance: random.Random) -> Iterator[bytes]:
    """Each pointer leads to the word after it, to the next one."""
    yield root_and(1, VALUES)
    deep = pack("<Q", 1 << 48) * 5000
    for number in range(2, 50):
        message = on((1, [0]), number, SMALL, pack("<Q", 1 << 48))
        size = len(message) // 8 - 1 + 5000
        yield pack("<II", 0, size) + message[8:] + deep


@attack
def lists_that_amplify(chance: random.Random) -> Iterator[bytes]:
    """Half a billion elements of no size."""
    yield root_and(1, VALUES)
    for number in range(2, 200):
        yield on((1, [0]), number, SMALL, pack("<Q", 1 | ((1 << 29) - 1) << 35))


@attack
def thousands_of_threads(chance: random.Random) -> Iterator[bytes]:
    yield root_and(1, CONSTRUCT)
    for number in range(2, LENGTH):
        yield on((1, [0]), number, MAKE_THREAD, EMPTY)


@attack
def calls_that_never_end(chance: random.Random) -> Iterator[bytes]:
    yield root_and(1, GATES)
    for number in range(2, LENGTH):
        yield on((1, [0]), number, WAIT, EMPTY)


@attack
def asks_and_gives_up(chance: random.Random) -> Iterator[bytes]:
    yield root_and(1, OBJECTS)
    for number in range(2, LENGTH):
        yield on((1, [0]), number, MAKE_MANY, EMPTY) + finish(number, release_result_caps=True)


@attack
def root_objects_without_end(chance: random.Random) -> Iterator[bytes]:
    for number in range(LENGTH):

        def fill(message: object, number: int = number) -> None:
            message.init("bootstrap").questionId = number  # type: ignore[attr-defined]

        yield rpc_peer.built(fill)


@attack
def passes_objects_without_end(chance: random.Random) -> Iterator[bytes]:
    yield BOOTSTRAP
    for number in range(1, LENGTH):
        hosted = [("senderHosted", number * 10 + index) for index in range(10)]
        yield call(number, 0, hosted) + finish(number)


@attack
def announces_and_does_not_send(chance: random.Random) -> Iterator[bytes]:
    yield BOOTSTRAP + pack("<II", 0, 8_000_000)
    for _ in range(20):
        yield chance.randbytes(8)


@attack
def garbage(chance: random.Random) -> Iterator[bytes]:
    yield chance.randbytes(chance.randrange(1, 3000))


@attack
def damaged_messages(chance: random.Random) -> Iterator[bytes]:
    yield root_and(1, OBJECTS)
    good = [
        on((1, [0]), 2, MAKE_MANY, EMPTY),
        call(3, 0, [("senderHosted", 1), (1, [0]), None]),
        finish(2),
        release(0),
        resolve(1, "senderHosted", 3),
        disembargo((1, [0]), 1),
        results(3, [("senderHosted", 1)]),
    ]
    for _ in range(300):
        message = bytearray(chance.choice(good))
        for _ in range(chance.randrange(1, 4)):
            message[chance.randrange(8, len(message))] = chance.randrange(256)
        yield bytes(message)


SILENT = {"calls that never end", "root objects without end"}
"""Attacks that never read an answer."""


def run(name: str, sock: socket.socket, chance: random.Random) -> int:
    """Attack over a connected socket; returns the number of messages that were sent."""
    sent = 0
    with suppress(OSError):
        for message in ATTACKS[name](chance):
            sock.sendall(message)
            sent += 1
            if name not in SILENT:
                while select.select([sock], [], [], 0)[0] and sock.recv(1 << 16):
                    pass
    return sent
