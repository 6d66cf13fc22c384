"""The bytes of one connection, both directions, as records.

It follows the protocol as far as names need it: which object a call is on, which call an answer is
for, and of which interface objects are. It takes what it gets for what somebody else makes of it:
nothing depends on what it finds.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mpipc.capnp import rpc_messages as rpc
from mpipc.capnp.descriptions import secretive as has_secrets
from mpipc.capnp.frame import FrameReader
from mpipc.capnp.message import Limits, Message
from mpipc.capnp.rpc_messages import Call, Descriptor, PromisedAnswer, Return
from mpipc.capnp.threads import THREAD, THREAD_MAP
from mpipc.derive.main import imported_name
from mpipc.errors import IpcError
from mpipc.recording.catalogue import Catalogue, Entry
from mpipc.recording.records import Record, Side

OTHER: dict[Side, Side] = {"client": "server", "server": "client"}
_OURS = (rpc.SENDER_HOSTED, rpc.SENDER_PROMISE)


class Reference:
    """An object of one side. Its interface is known once something was read that says it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.interface = ""
        self.count = 0

    def __str__(self) -> str:
        return f"<{self.interface or 'object'} {self.number}>"


class _Asked:
    """A call that is not answered yet."""

    def __init__(self, name: str, at: float, entry: Entry | None, passed: list[int]) -> None:
        self.name = name
        self.at = at
        self.entry = entry
        self.passed = passed  # the numbers of the caller's objects in it


class Decoder:
    """Decodes one connection; `write` is called with each record. `clock` gives the time since
    recording began. `limits`: of what each side sends."""

    def __init__(
        self,
        catalogue: Catalogue,
        connection: int,
        clock: Callable[[], float],
        write: Callable[[Record], None],
        *,
        limits: Mapping[Side, Limits],
    ) -> None:
        self._catalogue = catalogue
        self._connection = connection
        self._clock = clock
        self._write = write
        # One thread may come again, with what the garbage collector frees in between.
        self._lock = threading.RLock()
        self._frames: dict[Side, FrameReader | None] = {
            side: FrameReader(limits[side]) for side in limits
        }
        self._objects: dict[Side, dict[int, Reference]] = {"client": {}, "server": {}}
        self._asked: dict[Side, dict[int, _Asked]] = {"client": {}, "server": {}}
        self._numbers = 0

    def begin(self, ours: Side, address: str, peer: str) -> None:
        """Something begins to record a connection, on one side."""
        self._record(ours, "begin", target=_encodable(address), note=_encodable(peer))

    def feed(self, sender: Side, data: bytes) -> None:
        """Something that one side has sent."""
        with self._lock:
            frames = self._frames[sender]
            if frames is None:
                return
            try:
                for message in frames.feed(data):
                    message.owner = self
                    self._message(sender, message)
            except Exception as e:  # whoever it is for will say what is wrong with it
                self._frames[sender] = None
                note = f"cannot be decoded from here on ({type(e).__name__})"
                self._record(sender, "other", size=len(data), note=note)

    def end(self, sender: Side, reason: str = "") -> None:
        """A side sends no more."""
        with self._lock:
            self._record(sender, "end", note=_encodable(reason))

    def proxy(self, reference: Any, client: type) -> Any:
        """What generated code reads an object as: it says of which interface it is."""
        interface = self._catalogue.interfaces.get(client)
        if isinstance(reference, Reference) and interface is not None:
            reference.interface = interface.name
        return reference

    def _record(self, sender: Side, kind: Any, **fields: Any) -> None:
        self._write(Record(round(self._clock(), 6), self._connection, sender, kind, **fields))

    def _message(self, sender: Side, message: Message) -> None:
        size = message.end - message.start
        kind, at, lo, hi = rpc.message_kind(message)
        if kind == rpc.CALL:
            self._call(sender, rpc.parse_call(message, at, lo, hi), message, size)
        elif kind == rpc.RETURN:
            self._return(sender, rpc.parse_return(message, at, lo, hi), message, size)
        elif kind == rpc.BOOTSTRAP:
            id = rpc.parse_word(message, at, lo, hi) & 0xFFFFFFFF
            self._asked[sender][id] = _Asked("bootstrap", self._clock(), None, [])
            self._record(sender, "bootstrap", size=size, id=id)
        elif kind == rpc.FINISH:
            id = rpc.parse_word(message, at, lo, hi) & 0xFFFFFFFF
            self._record(sender, "finish", size=size, id=id)
        elif kind == rpc.RELEASE:
            word = rpc.parse_word(message, at, lo, hi)
            reference = self._objects[OTHER[sender]].get(word & 0xFFFFFFFF)
            self._record(sender, "release", size=size, target=str(reference or ""))
            self._drop(OTHER[sender], word & 0xFFFFFFFF, word >> 32)
        elif kind == rpc.ABORT:
            _, reason, _ = rpc.parse_exception(message, at, lo, hi)
            self._record(sender, "other", size=size, note=f"gives up: {reason}")
        else:
            self._record(sender, "other", size=size, note=f"a message of kind {kind}")

    # ------------------------------------------------------------------------------- calls

    def _call(self, sender: Side, call: Call, message: Message, size: int) -> None:
        message.caps = self._capabilities(sender, call.descriptors)
        entry = self._catalogue.find(call.interface, call.method)
        name = entry.name if entry else _unknown(call)
        passed = [each.id for each in call.descriptors if each.kind in _OURS]
        self._asked[sender][call.question] = _Asked(name, self._clock(), entry, passed)
        arguments, module, note = None, "", ""
        if entry is not None:
            try:
                arguments = entry.arguments(message, call.payload.struct())
            except Exception as e:  # its text may show a value
                note = f"arguments that cannot be read ({type(e).__name__})"
        elif call.interface not in (THREAD, THREAD_MAP):
            note = "a method that is not declared"
        if entry is not None and entry.method.kind == "construct" and isinstance(call.target, int):
            self._target(sender, call.target).interface = entry.interface.name
            module = imported_name(entry.interface.key.module) or ""
        target = (
            f"<answer {call.target.question}>"
            if isinstance(call.target, PromisedAnswer)
            else str(self._target(sender, call.target))
        )
        self._record(
            sender, "call", size=size, id=call.question, target=target, module=module,
            method=name, arguments=arguments, note=note,
        )  # fmt: skip

    def _target(self, sender: Side, id: int) -> Reference:
        return self._reference(OTHER[sender], id)

    def _return(self, sender: Side, answer: Return, message: Message, size: int) -> None:
        message.caps = self._capabilities(sender, answer.descriptors)
        asked = self._asked[OTHER[sender]].pop(answer.answer, None)
        name = asked.name if asked else ""
        result, raised, note = None, None, ""
        if answer.kind == rpc.EXCEPTION and answer.exception is not None:
            _, reason, trace = answer.exception
            raised = trace.partition("\n")[0] or "RemoteError", reason
        elif answer.kind == rpc.RESULTS and answer.payload is not None and asked and asked.entry:
            try:
                result = asked.entry.result(message, answer.payload.struct())
            except Exception as e:
                if isinstance(e, IpcError):
                    note = f"results that cannot be read ({type(e).__name__})"
                else:  # one that the method declares
                    text = "" if has_secrets(type(e)) else str(e)
                    raised = type(e).__name__, text
        elif answer.kind != rpc.RESULTS:
            note = "results that another call has, or none, since it was canceled"
        now = self._clock()
        self._record(
            sender, "answer", size=size, id=answer.answer, method=name, result=result,
            raised=raised, seconds=round(now - asked.at, 6) if asked else None, note=note,
        )  # fmt: skip
        if asked and answer.release_param_caps:
            for id in asked.passed:
                self._drop(OTHER[sender], id, 1)

    # ----------------------------------------------------------------------------- objects

    def _capabilities(self, sender: Side, descriptors: Sequence[Descriptor]) -> list[Any]:
        found: list[Any] = []
        for each in descriptors:
            if each.kind in _OURS:
                reference = self._reference(sender, each.id)
                reference.count += 1
                found.append(reference)
            elif each.kind == rpc.RECEIVER_HOSTED:
                found.append(self._reference(OTHER[sender], each.id))
            else:
                found.append(None)
        return found

    def _reference(self, owner: Side, id: int) -> Reference:
        reference = self._objects[owner].get(id)
        if reference is None:
            self._numbers += 1
            reference = self._objects[owner][id] = Reference(self._numbers)
        return reference

    def _drop(self, owner: Side, id: int, count: int) -> None:
        reference = self._objects[owner].get(id)
        if reference is not None:
            reference.count -= count
            if reference.count <= 0:
                del self._objects[owner][id]


def _encodable(text: str) -> str:
    """A text that names a file, as nearly as UTF-8 can say it."""
    return text.encode(errors="replace").decode()


def _unknown(call: Call) -> str:
    if call.interface == THREAD_MAP:
        return "ThreadMap.makeThread" if call.method == 0 else f"ThreadMap.@{call.method}"
    if call.interface == THREAD:
        return "Thread.getName"
    return f"{call.interface:#x}.@{call.method}"
