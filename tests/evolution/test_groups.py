"""Fields of groups are locked as others are."""

from __future__ import annotations

from tests.evolution.support import Package

DECLARED = """
class Point(msgspec.Struct):
    x: Int32
    {more}

class Box(msgspec.Struct):
    origin: Annotated[Point, Field(group=True)]
    size: Int32

@mpipc.interface
class Chain(ABC):
    @abstractmethod
    def f(self, box: Box) -> None: ...
"""


def fields(package: Package) -> list[str]:
    """Of the struct Box."""
    body = package.schema().partition("struct Box")[2].partition("\n}")[0]
    return [" ".join(line.split()) for line in body.splitlines()[1:]]


def test_their_fields_keep_their_ordinals(package: Package) -> None:
    package.write(DECLARED.format(more="y: Int32"))
    package.build()
    package.write(DECLARED.format(more="z: str"))
    package.build()
    assert fields(package) == [
        "origin :group {", "x @0 :Int32;", "z @3 :Text;", "}",
        "reserved1OriginY @1 :Int32 $Proxy.skip;", "size @2 :Int32;",
    ]  # fmt: skip
