"""Types that several of Bitcoin Core's interfaces use."""

from __future__ import annotations

from typing import Annotated, Any, Generic

import msgspec
from typing_extensions import TypeVar

import mpipc
from interfaces.enums import FeeReason, SighashType
from interfaces.values import BlockHash, Json
from mpipc import Field, Float64, Int32, Int64, UInt32, UInt64

__schema__ = mpipc.SchemaFile(
    id=0xCD2C6232CB484A28,
    cxx_namespace="ipc::capnp::messages",
    include=["interfaces/types.h"],
    include_types=["ipc/capnp/common-types.h"],
)

Key = TypeVar("Key")
Value = TypeVar("Value", default=Any)
Error = TypeVar("Error", default=Any)


@mpipc.struct(wrap="interfaces::BlockRef")
class BlockRef(msgspec.Struct, frozen=True):
    """A block, named by its hash, and its height in the chain."""

    hash: BlockHash
    height: Int32


@mpipc.struct(wrap="bilingual_str")
class BilingualStr(msgspec.Struct, frozen=True):
    """A message in English, and in the language of the user."""

    original: str
    translated: str


# ------------------------------------------------------------------------- containers and results


@mpipc.struct(generic=True)
class Pair(msgspec.Struct, Generic[Key, Value], frozen=True):
    """An entry of a dict."""

    key: Key
    value: Value


@mpipc.struct(generic=True)
class PairInt64(msgspec.Struct, Generic[Key], frozen=True):
    """An entry of a dict whose values are integers."""

    key: Key
    value: Int64


@mpipc.struct(generic=True)
class PairUInt64(msgspec.Struct, Generic[Key], frozen=True):
    """An entry of a dict whose values are integers, none of them negative."""

    key: Key
    value: UInt64


@mpipc.struct(generic=True)
class Result(msgspec.Struct, Generic[Value], frozen=True):
    """A value, or, where there is none, what went wrong."""

    value: Value | None = None
    error: BilingualStr | None = None


Expected = Annotated[Value | Error, mpipc.struct(generic=True)]
"""A value, or what went wrong."""


@mpipc.struct(generic=True)
class ResultVoid(msgspec.Struct, Generic[Value], frozen=True):
    """What went wrong, if anything did."""

    error: BilingualStr | None = None


# ---------------------------------------------------------------------------------------- settings


@mpipc.struct(wrap="common::Settings")
class Settings(msgspec.Struct, frozen=True):
    """Settings by name, from each place where they can be set."""

    forced_settings: Annotated[dict[str, Json], Pair]
    """What the program has set itself, against all others."""

    command_line_options: Annotated[dict[str, list[Json]], Pair]

    rw_settings: Annotated[dict[str, Json], Pair]
    """settings.json."""

    ro_config: Annotated[dict[str, Annotated[dict[str, list[Json]], Pair]], Pair]
    """bitcoin.conf, by section."""


@mpipc.struct(count=0)
class GlobalArgs(msgspec.Struct, frozen=True):
    """The settings of a process, for another one that is to have the same."""

    settings: Settings
    config_path: str


# ------------------------------------------------------------------------- fees and transactions


@mpipc.struct(wrap="common::PSBTFillOptions")
class PSBTFillOptions(msgspec.Struct, frozen=True):
    """What a wallet does with a partially signed transaction."""

    sign: Annotated[bool, Field(wire_default=True)] = True
    """Whether it signs, where it can."""

    sighash_type: SighashType | None = None
    """What its signatures cover; None: what the transaction asks for."""

    finalize: Annotated[bool, Field(wire_default=True)] = True
    """Whether inputs that have all signatures are finished."""

    bip32_derivs: bool = False
    """Whether it adds the derivation paths of keys."""


@mpipc.struct(wrap="EstimatorBucket")
class EstimatorBucket(msgspec.Struct, frozen=True):
    """Transactions within a range of fee rates, and how they fared."""

    start: Float64
    end: Float64
    within_target: Annotated[Float64, Field(cxx_name="")]
    total_confirmed: Annotated[Float64, Field(cxx_name="")]
    in_mempool: Annotated[Float64, Field(cxx_name="")]
    left_mempool: Annotated[Float64, Field(cxx_name="")]


@mpipc.struct(wrap="EstimationResult")
class EstimationResult(msgspec.Struct, frozen=True):
    """The last range of fee rates that was good enough, and the first that was not."""

    passed: Annotated[EstimatorBucket, Field(name="pass", cxx_name="")]
    failed: Annotated[EstimatorBucket, Field(name="fail", cxx_name="")]
    decay: Float64
    scale: UInt32


@mpipc.struct(wrap="FeeCalculation")
class FeeCalculation(msgspec.Struct, frozen=True):
    """How a fee rate was arrived at."""

    est: EstimationResult
    reason: FeeReason
    desired_target: Annotated[Int32, Field(cxx_name="")]
    returned_target: Annotated[Int32, Field(cxx_name="")]
    best_height: UInt32
