"""All checks of interfaces as one pytest test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from types import ModuleType

from mpipc.model import Interface, Method
from mpipc.testing.differential import Differential
from mpipc.testing.objects import used_by
from mpipc.testing.referee import Referee
from mpipc.testing.roundtrip import check_roundtrip
from mpipc.testing.stateful import check_stateful
from mpipc.testing.subject import Subject, subjects_of


def suite(*tested: type | ModuleType | str, max_examples: int | None = None) -> Callable[..., None]:
    """A pytest test that checks interfaces in every way that there is: `roundtrip` and
    `differential` for each method, and `stateful` for interfaces whose methods take or give
    objects. One line in a test module is all it takes:

        test_chain = mpipc.testing.suite(Chain)
        test_interfaces = mpipc.testing.suite("interfaces")

    `tested`: interfaces, with which go the Callables of their methods; or modules and packages (or
    their names), for all interfaces in them.

    `max_examples`: how many for each check; by default as hypothesis's profile says.
    `pytest --mpipc-examples=N` overrides both.

    pytest shows each check as a test of its own, as `test_chain[roundtrip-Chain.get_block]`.
    Raises SchemaError.
    """
    import pytest

    checks = [check for each in tested for check in _checks_of(each)]

    @pytest.mark.parametrize("check", checks, ids=str)
    def test(
        check: _Check,
        pytestconfig: pytest.Config,
        record_property: Callable[[str, object], None],
    ) -> None:
        wanted: int | None = pytestconfig.getoption("--mpipc-examples", None)
        record_property("mpipc", [check.subject, check.run(wanted or max_examples)])

    return test


@dataclass(frozen=True)
class _Check:
    """One way to check a method or an interface (`subject`). `run` takes the number of examples and
    returns how many there were."""

    way: str
    subject: str
    run: Callable[[int | None], int]

    def __str__(self) -> str:
        return f"{self.way}-{self.subject}"


def _checks_of(tested: type | ModuleType | str) -> Iterator[_Check]:
    subjects = subjects_of(tested.__name__ if isinstance(tested, ModuleType) else tested)
    referee = cache(lambda: Referee(subjects[0].model))
    for subject in subjects:
        interface = subject.interface.name
        for declaring, method in subject.methods():
            name = f"{interface}.{method.name}"
            yield _Check("roundtrip", name, partial(check_roundtrip, subject, declaring, method))
            compare = partial(_check_differential, subject, referee, declaring, method)
            yield _Check("differential", name, compare)
        if used_by(subject.model, subject.interface):
            yield _Check("stateful", interface, partial(check_stateful, subject))


def _check_differential(
    subject: Subject,
    referee: Callable[[], Referee],
    interface: Interface,
    method: Method,
    max_examples: int | None,
) -> int:
    return Differential(subject, referee()).check(interface, method, max_examples)
