"""Names and signatures that do not fit into a line."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated

import msgspec

import mpipc
from mpipc import Field, Int32, Raises, UInt64
from tests.codecs.declarations.values import Color, Point, Row


class TransactionConfirmationStatus(msgspec.Struct):
    confirmed_in_active_chain: bool
    replaced_by_transaction_hash: bytes | None
    number_of_confirmations: Int32 | None
    block_time_of_confirmation: timedelta | None
    conflicting_transaction_hashes: dict[bytes, list[list[Point]]]
    colour_of_the_confirmation: Annotated[Color | None, Field(has_flag=True)]
    watch_only: bool
    from_the_memory_pool: bool
    rbf_opt_in: bool
    locked: bool | None


class VeryDescriptiveResultsOfTheMethod(mpipc.Results):
    explanation_of_the_result: str
    transaction_confirmation_status: list[TransactionConfirmationStatus]
    result: Annotated[Color | None, Field(wire_default=2)]


@mpipc.interface
class LongInterfaceNameBase(ABC):
    @abstractmethod
    def method_with_a_very_long_name_indeed_that_takes_nothing(self) -> None:
        """Its documentation has a first line that is nearly as wide as the file: 95 columns.

        And a second paragraph with "quotes", a \\ and a tab\tin it.
            An indented line.
        """

    @mpipc.method(deprecated='call "it\'s" instead')
    @abstractmethod
    def replaced(self) -> UInt64: ...


@mpipc.interface
class LongInterfaceName(LongInterfaceNameBase):
    @mpipc.method(raises=[LookupError, Raises(OSError, "systemError", "std::system_error")])
    @abstractmethod
    def method_with_many_long_parameters(
        self,
        transaction_confirmation_status: TransactionConfirmationStatus | None,
        colours_of_the_transactions: dict[str, Color],
        durations_of_all_the_calls: frozenset[timedelta],
        callback_for_the_confirmation: Annotated[
            Callable[[Int32, Row], Color | None], mpipc.interface(name="ConfirmationCallback")
        ],
        more_callbacks: list[Annotated[Callable[[], None], mpipc.interface(name="Done")]],
        nested_lists_of_lists_of_points: list[tuple[list[Point], ...]],
    ) -> VeryDescriptiveResultsOfTheMethod: ...

    @abstractmethod
    def get_confirmations(
        self, hashes: list[bytes], include_watch_only: bool = True, text: str = "a 'b' \"c\" \\"
    ) -> dict[bytes, TransactionConfirmationStatus]: ...
