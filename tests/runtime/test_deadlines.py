"""`call_timeout`: a deadline for every call over a connection."""

from __future__ import annotations

import math
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

import mpipc
from tests.runtime.declarations import Root
from tests.runtime.program import RealRoot
from tests.runtime.support import PATIENCE, ROOT, Running, ServerProcess, eventually


class TestAClient:
    def test_waits_no_longer_for_any_call(self, shared: ServerProcess) -> None:
        with mpipc.connect(shared.address, Root, call_timeout=0.3) as root:
            gates, values = root.gates(), root.values()
            for _ in range(2):
                with pytest.raises(mpipc.Timeout):
                    Running(lambda: gates.wait("slow")).result()
            # Each call has the whole time, and the connection stays good.
            for _ in range(100):
                assert Running(lambda: values.small(1, 2)).result() == 3
            gates.open("slow")

    def test_waits_shorter_in_a_block(self, shared: ServerProcess) -> None:
        with mpipc.connect(shared.address, Root, call_timeout=PATIENCE) as root:
            gates = root.gates()
            with pytest.raises(mpipc.Timeout), mpipc.timeout(0.1):
                gates.wait("block")
            Running(lambda: gates.open("block")).result()

    def test_other_connections_are_as_they_were(self, shared: ServerProcess) -> None:
        with (
            mpipc.connect(shared.address, Root, call_timeout=0.2) as hasty,
            mpipc.connect(shared.address, Root) as patient,
        ):
            gates = patient.gates()
            waiting = Running(lambda: gates.wait("other"))
            with pytest.raises(mpipc.Timeout):
                hasty.gates().wait("other")
            assert waiting.is_alive()
            gates.open("other")
            assert waiting.result() == "other"

    def test_closes_an_object_of_a_server_that_hangs(self, server: ServerProcess) -> None:
        with mpipc.connect(server.address, Root, call_timeout=0.3) as root:
            thing = root.objects().make("a")
            server.send(signal.SIGSTOP)
            eventually(lambda: "T (stopped)" in Path(f"/proc/{server.pid}/status").read_text())
            try:
                with pytest.raises(mpipc.Timeout):
                    mpipc.close(thing)
            finally:
                server.send(signal.SIGCONT)

    def test_of_a_spawned_child(self) -> None:
        argv = [sys.executable, "-m", "tests.runtime.program"]
        with mpipc.spawn(argv, Root, cwd=ROOT, call_timeout=0.3) as root:
            with pytest.raises(mpipc.Timeout):
                root.gates().wait("child")
            values = Running(root.values).result()
            assert Running(lambda: values.small(1, 2)).result() == 3


class TestAProxy:
    def test_waits_no_longer_for_any_of_its_calls(self, root: Root) -> None:
        patient = root.gates()
        hasty = mpipc.with_timeout(patient, 0.2)
        assert isinstance(hasty, type(patient))
        for _ in range(2):
            with pytest.raises(mpipc.Timeout):
                Running(lambda: hasty.wait("proxy")).result()
        # The other proxy of the object waits for as long as it takes.
        waiting = Running(lambda: patient.wait("proxy"))
        eventually(lambda: patient.waiting("proxy") == 3)
        patient.open("proxy")
        assert waiting.result() == "proxy"

    def test_a_late_answer_is_dropped(self, root: Root) -> None:
        gates = root.gates()
        hasty = mpipc.with_timeout(gates, 0.2)
        with pytest.raises(mpipc.Timeout):
            hasty.wait("late")
        Running(lambda: gates.open("late")).result()
        eventually(lambda: Running(lambda: gates.passed("late")).result() == 1)
        # The answer came before this one, and is not taken for it.
        assert mpipc.with_timeout(root.values(), PATIENCE).small(1, 2) == 3

    def test_of_several_deadlines_the_earliest_counts(self, root: Root) -> None:
        gates = root.gates()
        patient = mpipc.with_timeout(gates, PATIENCE * 10)
        hasty = mpipc.with_timeout(patient, 0.1)
        with mpipc.timeout(PATIENCE), pytest.raises(mpipc.Timeout):
            hasty.wait("several")
        with pytest.raises(mpipc.Timeout), mpipc.timeout(0.1):
            patient.wait("several")
        Running(lambda: gates.open("several")).result()

    def test_is_the_same_object_for_its_server(self, root: Root) -> None:
        objects = root.objects()
        thing = objects.make("same")
        objects.keep(thing)
        assert objects.keeps(mpipc.with_timeout(thing, PATIENCE))
        objects.keep(None)

    def test_closes_the_object_in_time(self, server: ServerProcess) -> None:
        with server.connect() as root:
            objects = root.objects()
            thing = mpipc.with_timeout(objects.make_stubborn("stubborn", "end"), 0.2)
            with pytest.raises(mpipc.Timeout):
                mpipc.close(thing)
            mpipc.close(thing)
            Running(lambda: root.gates().open("end")).result()
            eventually(lambda: Running(objects.ended).result() == ["stubborn"])

    def test_in_a_pipeline_waits_for_nothing(self, root: Root) -> None:
        values = mpipc.with_timeout(root.values(), 0.0)
        with mpipc.pipeline() as p:
            promise = p.call(values.small, 1, 2)
        assert promise.result() == 3

    def test_of_this_process_is_the_object_itself(self) -> None:
        root = RealRoot()
        assert mpipc.with_timeout(root, 1) is root


class TestAServer:
    def test_gives_up_on_a_client_that_does_not_answer(self, tmp_path: Path) -> None:
        with (
            mpipc.serve(f"unix:{tmp_path}/s", RealRoot(), call_timeout=0.3) as server,
            mpipc.connect(server.address, Root) as root,
        ):
            callbacks = root.callbacks()
            assert callbacks.call(lambda value: value + 1, 1) == 2

            def slow(value: int) -> int:
                time.sleep(1)  # longer than the server waits, however slow the machine is
                return value

            with pytest.raises(mpipc.RemoteError) as caught:
                callbacks.call(slow, 1)
            assert caught.value.type == "Timeout"
            assert callbacks.call(lambda value: value + 1, 1) == 2


class TestWhatIsNoTime:
    """It is refused where it is given, with the name of the parameter, and nothing is done."""

    USES: ClassVar[dict[str, Callable[[Any], object]]] = {
        "seconds": mpipc.timeout,
        "timeout": lambda value: mpipc.connect("unix:/nobody", Root, timeout=value),
        "call_timeout": lambda value: mpipc.connect("unix:/nobody", Root, call_timeout=value),
        "construct_timeout": lambda value: mpipc.serve(
            "unix:/nobody", RealRoot(), construct_timeout=value
        ),
        "idle_timeout": lambda value: mpipc.serve("unix:/nobody", RealRoot(), idle_timeout=value),
        "wait": lambda value: mpipc.reconnecting("unix:/nobody", Root, wait=value),
    }

    @pytest.mark.parametrize("name", USES)
    @pytest.mark.parametrize("value", ["5", b"5", [5], 1j])
    def test_another_type(self, name: str, value: object) -> None:
        with pytest.raises(TypeError, match=f"^{name}=.*expected a number of seconds"):
            self.USES[name](value)

    @pytest.mark.parametrize("name", USES)
    @pytest.mark.parametrize("value", [-1, -0.001, math.nan, math.inf, -math.inf, 10**400])
    def test_a_number_that_is_none(self, name: str, value: float) -> None:
        with pytest.raises(ValueError, match=f"^{name}="):
            self.USES[name](value)

    def test_none_where_there_has_to_be_one(self) -> None:
        with pytest.raises(TypeError, match=r"^timeout=None"):
            mpipc.connect("unix:/nobody", Root, timeout=None)  # type: ignore[call-overload]

    def test_of_a_proxy_and_a_child(self, root: Root) -> None:
        with pytest.raises(ValueError, match=r"^seconds=-1"):
            mpipc.with_timeout(root, -1)
        with pytest.raises(TypeError, match=r"^seconds='5'"):
            mpipc.with_timeout(root, "5")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"^timeout='5'"):
            mpipc.spawn(["/nobody"], Root, timeout="5")  # type: ignore[arg-type]

    def test_of_asyncio(self) -> None:
        with pytest.raises(ValueError, match=r"^timeout=nan"):
            mpipc.aio.connect("unix:/nobody", Root, timeout=math.nan)

    def test_the_longest_one_can_be_waited_for(self, shared: ServerProcess) -> None:
        with mpipc.connect(shared.address, Root, timeout=2_000_000) as root, mpipc.timeout(2e6):
            assert root.values().small(1, 2) == 3
