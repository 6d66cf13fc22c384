"""Changes that break somebody: here they are, being broken."""

from __future__ import annotations

from tests.evolution.case import Case
from tests.evolution.safe_cases import AREA, GROUPED, PACKED, UNKNOWN

ECHO = """
    class RealChain(Chain):
        def get(self, value): return value
    """
BOTH = """
    class RealChain(Chain):
        def get(self, a, b): return f"got {a} {b}"
    """

SHAPES = """
    class Circle(msgspec.Struct):
        radius: int
    class Square(msgspec.Struct):
        side: int
    Shape = str | Circle | Square
    """

CASES = [
    Case(
        "parameters_packed",
        types=AREA,
        old="def size(self, width: Int32) -> int: ...",
        new=PACKED,
        serve="""
            class RealChain(Chain):
                def size(self, width): return width
            """,
        call="chain.size(5)",
        old_client="0",
        new_client="0",
        rules=(
            "parameter-removed: old servers",
            "safe parameter-added",
            "safe struct-added",
        ),
    ),
    Case(
        "group_became_a_struct",
        types=GROUPED,
        types_new=GROUPED.replace("Annotated[Point, Field(group=True)]", "Point"),
        old="def get(self, box: Box) -> Box: ...",
        new="def get(self, box: Box) -> Box: ...",
        serve="""
            class RealChain(Chain):
                def get(self, box): return box
            """,
        call="chain.get(Box(Point(1), 2))",
        old_client="Box(origin=Point(x=0), size=2)",
        new_client="Box(origin=Point(x=0), size=2)",
        rules=(
            "field-removed: old clients, old servers",
            "safe field-added",
        ),
    ),
    Case(
        "items_of_an_iterator_changed",
        old="def get(self) -> Iterator[int]: ...",
        new="def get(self) -> Iterator[str]: ...",
        serve="""
            class RealChain(Chain):
                def get(self): return iter([1, 2])
            """,
        serve_new="""
            class RealChain(Chain):
                def get(self): return iter(["a", "b"])
            """,
        call="list(chain.get())",
        old_client="Unimplemented: Int64Stream.next: TextStream has no such method (1)",
        new_client="Unimplemented: TextStream.next: Int64Stream has no such method (1)",
        rules=(
            "interface-removed: old clients",
            "result-type: old clients, old servers",
            "safe interface-added",
        ),
    ),
    Case(
        "method_removed",
        old="""
            def a(self) -> str: ...
            def get(self) -> str: ...
            """,
        new="def get(self) -> str: ...",
        serve="""
            class RealChain(Chain):
                def a(self): return "a"
                def get(self): return "got"
            """,
        call="chain.a()",
        call_new="chain.get()",
        old_client="Unimplemented: Chain.a: Chain has no such method (1)",
        new_client="'got'",
        rules=("method-removed: old clients",),
    ),
    Case(
        "method_moved",
        old="""
            def a(self) -> str: ...
            def b(self) -> str: ...
            """,
        new="""
            @mpipc.method(2)
            def a(self) -> str: ...
            @mpipc.method(1)
            def b(self) -> str: ...
            """,
        serve="""
            class RealChain(Chain):
                def a(self): return "a"
                def b(self): return "b"
            """,
        call="chain.a()",
        old_client="'b'",
        new_client="'b'",
        rules=("method-ordinal: old clients, old servers",) * 2,
    ),
    Case(
        "method_in_the_place_of_another",
        old="""
            def a(self) -> str: ...
            def get(self) -> str: ...
            """,
        between="def get(self) -> str: ...",
        new="""
            @mpipc.method(1)
            def b(self) -> str: ...
            def get(self) -> str: ...
            """,
        serve="""
            class RealChain(Chain):
                def a(self): return "a"
                def b(self): return "b"
                def get(self): return "got"
            """,
        call="chain.a()",
        call_new="chain.get()",
        old_client="'b'",
        new_client="'got'",
        rules=("method-reused: old clients",),
    ),
    Case(
        "parameter_in_the_place_of_another",
        old="def get(self, a: Int32, b: str) -> str: ...",
        between="def get(self, b: str) -> str: ...",
        new="def get(self, b: str, c: Annotated[bool, Field(1)]) -> str: ...",
        serve=BOTH,
        serve_new="""
            class RealChain(Chain):
                def get(self, b, c): return f"got {b} {c}"
            """,
        call="chain.get(1, 'b')",
        call_new="chain.get('b', True)",
        old_client="'got b True'",
        new_client="'got 1 b'",
        rules=("parameter-reused: old clients, old servers",),
    ),
    Case(
        "parameter_widened",
        old="def get(self, a: Int32, b: Int32) -> str: ...",
        new="def get(self, a: int, b: Int32) -> str: ...",
        serve=BOTH,
        call="chain.get(1, 2)",
        old_client="'got 8589934593 0'",
        new_client="'got 1 0'",
        rules=("parameter-type: old clients, old servers",),
    ),
    Case(
        "parameter_narrowed",
        old="def get(self, a: Int32, b: Int32) -> str: ...",
        new="def get(self, a: Int16, b: Int32) -> str: ...",
        serve=BOTH,
        call="chain.get(100000, 2)",
        call_new="chain.get(1, 2)",
        old_client="'got -31072 2'",
        new_client="'got 1 2'",
        rules=("parameter-type: old clients, old servers",),
    ),
    Case(
        "parameter_without_a_sign",
        old="def get(self, value: Int32) -> Int32: ...",
        new="def get(self, value: UInt32) -> Int32: ...",
        serve=ECHO.replace("return value", "return min(value, 7)"),
        call="chain.get(-1)",
        call_new="chain.get(4_000_000_000)",
        old_client="7",
        new_client="-294967296",
        rules=("parameter-type: old clients, old servers",),
    ),
    Case(
        "parameter_no_longer_a_number",
        old="def get(self, value: Int32) -> str: ...",
        new="def get(self, value: str) -> str: ...",
        serve=ECHO.replace("return value", "return repr(value)"),
        call="chain.get(7)",
        call_new="chain.get('seven')",
        old_client="\"''\"",
        new_client="'0'",
        rules=("parameter-type: old clients, old servers",),
    ),
    Case(
        "result_of_another_type",
        old="def get(self, value: bytes) -> bytes: ...",
        new="def get(self, value: bytes) -> str: ...",
        serve=ECHO,
        serve_new=ECHO.replace("return value", "return value.decode()"),
        call="chain.get(b'abc')",
        old_client=r"b'abc\x00'",
        new_client="ProtocolError: malformed message: a text without its closing NUL byte",
        rules=("result-type: old clients, old servers",),
    ),
    Case(
        "list_of_another_type",
        old="def get(self, value: list[Int16]) -> int: ...",
        new="def get(self, value: list[Int32]) -> int: ...",
        serve=ECHO.replace("return value", "return sum(value)"),
        call="chain.get([1, 2])",
        old_client="RemoteError: ProtocolError: malformed message: "
        "a list has another element size than its schema says",
        new_client="RemoteError: ProtocolError: malformed message: "
        "a list has another element size than its schema says",
        rules=("parameter-type: old clients, old servers",),
    ),
    Case(
        "list_of_structs_instead_of_numbers",
        types="",
        types_new="""
            class Point(msgspec.Struct):
                x: int
            """,
        old="def get(self, value: list[int]) -> str: ...",
        new="def get(self, value: list[Point]) -> str: ...",
        serve=ECHO.replace("return value", "return repr(value)"),
        call="chain.get([1])",
        call_new="chain.get([Point(1)])",
        old_client="RemoteError: ProtocolError: malformed message: a list of structs was expected",
        new_client="RemoteError: ProtocolError: malformed message: "
        "a list has another element size than its schema says",
        rules=("parameter-type: old clients, old servers", "safe struct-added"),
    ),
    Case(
        "parameters_moved",
        old="def get(self, a: Int32, b: Int32) -> str: ...",
        new="""
            def get(self, a: Annotated[Int32, Field(2)], b: Annotated[Int32, Field(1)]) -> str: ...
            """,
        serve=BOTH,
        call="chain.get(1, 2)",
        old_client="'got 2 1'",
        new_client="'got 2 1'",
        rules=("parameter-ordinal: old clients, old servers",) * 2,
    ),
    Case(
        "wire_default_changed",
        old="def get(self, value: Annotated[Int32, Field(wire_default=1)]) -> Int32: ...",
        new="def get(self, value: Annotated[Int32, Field(wire_default=2)]) -> Int32: ...",
        serve=ECHO,
        call="chain.get(5)",
        old_client="6",
        new_client="6",
        rules=("parameter-default: old clients, old servers",),
    ),
    Case(
        "parameter_removed",
        old="def get(self, a: Int32, b: str) -> str: ...",
        new="def get(self, b: str) -> str: ...",
        serve=BOTH,
        serve_new="""
            class RealChain(Chain):
                def get(self, b): return f"got {b}"
            """,
        call="chain.get(1, 'b')",
        call_new="chain.get('b')",
        old_client="'got b'",
        new_client="'got 0 b'",
        rules=("parameter-removed: old servers",),
    ),
    Case(
        "parameter_that_cannot_be_zero",
        types="""
            class Color(enum.Enum):
                RED = 1

            class Pen(msgspec.Struct):
                width: int
                color: Color
            """,
        old="def draw(self) -> None: ...",
        new="def draw(self, color: Color, pen: Pen, some: Color | None) -> None: ...",
        serve="""
            class RealChain(Chain):
                def draw(self, *arguments): pass
            """,
        call="chain.draw()",
        call_new="chain.draw(Color.RED, Pen(1, Color.RED), None)",
        old_client="RemoteError: ConversionError: Chain.draw: color: received 0, which is no Color",
        new_client="None",
        rules=(
            *("parameter-needed: old clients",) * 2,
            "safe parameter-added",
            "safe struct-added",
        ),
    ),
    Case(
        "parameter_that_cannot_be_empty",
        types="""
            from typing import Annotated, Literal
            from uuid import UUID
            """,
        old="def draw(self) -> None: ...",
        new="""
            def draw(
                self,
                id: UUID,
                mode: Literal["on", "off"],
                port: Annotated[int, msgspec.Meta(ge=1)],
                size: Annotated[int, msgspec.Meta(ge=0)],
            ) -> None: ...
            """,
        serve="""
            class RealChain(Chain):
                def draw(self, *arguments): pass
            """,
        call="chain.draw()",
        call_new="chain.draw(UUID(int=1), 'on', 1, 0)",
        old_client=(
            "RemoteError: ConversionError: Chain.draw: id: received b'': 0 bytes instead of 16"
        ),
        new_client="None",
        rules=(*("parameter-needed: old clients",) * 3, "safe parameter-added"),
    ),
    Case(
        "field_that_cannot_be_zero",
        types="""
            class Color(enum.Enum):
                RED = 1

            class Pen(msgspec.Struct):
                width: int
            """,
        types_new="""
            class Color(enum.Enum):
                RED = 1

            class Pen(msgspec.Struct):
                width: int
                color: Color
            """,
        old="def get(self, value: Pen) -> Pen: ...",
        new="def get(self, value: Pen) -> Pen: ...",
        serve=ECHO,
        call="chain.get(Pen(1))",
        call_new="chain.get(Pen(1, Color.RED))",
        old_client=(
            "RemoteError: ConversionError: Chain.get: Pen.color: received 0, which is no Color"
        ),
        new_client="ConversionError: Chain.get: Pen.color: received 0, which is no Color",
        rules=("field-needed: old clients, old servers",),
    ),
    Case(
        "result_that_cannot_be_zero",
        types="""
            class Color(enum.Enum):
                RED = 1
            """,
        old="def get(self, value: int) -> None: ...",
        new="def get(self, value: int) -> Color: ...",
        serve=ECHO,
        serve_new=ECHO.replace("return value", "return Color(value)"),
        call="chain.get(1)",
        old_client="None",
        new_client="ConversionError: Chain.get: result: received 0, which is no Color",
        rules=("result-needed: old servers",),
    ),
    Case(
        "result_removed",
        types="""
            class Found(mpipc.Results):
                name: str
                height: Int32
            """,
        types_new="""
            class Found(mpipc.Results):
                height: Int32
            """,
        old="def find(self) -> Found: ...",
        new="def find(self) -> Found: ...",
        serve="""
            class RealChain(Chain):
                def find(self): return Found("a", 1)
            """,
        serve_new="""
            class RealChain(Chain):
                def find(self): return Found(1)
            """,
        call="chain.find()",
        old_client="Found(name='', height=1)",
        new_client="Found(height=1)",
        rules=("result-removed: old clients",),
    ),
    Case(
        "field_removed",
        types="""
            class Block(msgspec.Struct):
                hash: bytes
                height: Int32
                time: Int32
            """,
        types_new="""
            class Block(msgspec.Struct):
                time: Int32
            """,
        old="def get(self, value: Block) -> Block: ...",
        new="def get(self, value: Block) -> Block: ...",
        serve=ECHO,
        call="chain.get(Block(b'a', 1, 2))",
        call_new="chain.get(Block(2))",
        old_client="Block(hash=b'', height=0, time=2)",
        new_client="Block(time=2)",
        rules=("field-removed: old clients, old servers",) * 2,
    ),
    Case(
        "alternative_removed",
        types=SHAPES,
        types_new=SHAPES.replace("str | Circle | Square", "Square | Circle"),
        old="def get(self, shape: Shape) -> Shape: ...",
        new="def get(self, shape: Shape) -> Shape: ...",
        serve="""
            class RealChain(Chain):
                def get(self, shape): return shape
            """,
        call="chain.get('text')",
        call_new="chain.get(Square(1))",
        old_client=f"RemoteError: ConversionError: {UNKNOWN} (0)",
        new_client="Square(side=1)",
        rules=("field-removed: old clients, old servers",),
    ),
    Case(
        "struct_that_becomes_a_union",
        types=SHAPES,
        old="def get(self, shape: Circle) -> int: ...",
        new="def get(self, shape: Circle | Square) -> int: ...",
        serve="""
            class RealChain(Chain):
                def get(self, shape): return getattr(shape, "radius", -1)
            """,
        call="chain.get(Circle(1))",
        old_client="-1",
        new_client="0",
        rules=("parameter-type: old clients, old servers", *("safe struct-added",) * 2),
    ),
    Case(
        "fields_moved",
        types="""
            class Block(msgspec.Struct):
                a: Int32
                b: Int32
            """,
        types_new="""
            class Block(msgspec.Struct):
                a: Annotated[Int32, Field(1)]
                b: Annotated[Int32, Field(0)]
            """,
        old="def get(self, value: Block) -> str: ...",
        new="def get(self, value: Block) -> str: ...",
        serve=ECHO.replace("return value", "return repr(value)"),
        call="chain.get(Block(1, 2))",
        old_client="'Block(a=2, b=1)'",
        new_client="'Block(a=2, b=1)'",
        rules=("field-ordinal: old clients, old servers",) * 2,
    ),
    Case(
        "field_of_another_type",
        types="""
            class Block(msgspec.Struct):
                hash: str
                height: Int32
            """,
        types_new="""
            class Block(msgspec.Struct):
                hash: list[str]
                height: Int32
            """,
        old="def get(self, value: Block) -> Int32: ...",
        new="def get(self, value: Block) -> Int32: ...",
        serve=ECHO.replace("return value", "return value.height"),
        call="chain.get(Block('abc', 1))",
        call_new="chain.get(Block(['abc'], 1))",
        old_client="RemoteError: ProtocolError: malformed message: "
        "a list has another element size than its schema says",
        new_client="RemoteError: ProtocolError: malformed message: "
        "a text or data pointer was expected",
        rules=("field-type: old clients, old servers",),
    ),
    Case(
        "flag_added",
        old="def get(self, value: Int32) -> str: ...",
        new="def get(self, value: Int32 | None) -> str: ...",
        serve=ECHO.replace("return value", "return repr(value)"),
        call="chain.get(7)",
        call_new="chain.get(None)",
        old_client="'None'",
        new_client="'0'",
        rules=("flag-added: old clients, old servers",),
    ),
    Case(
        "flag_removed",
        old="def get(self, value: Int32) -> Int32 | None: ...",
        new="def get(self, value: Int32) -> Int32: ...",
        serve=ECHO.replace("return value", "return value or None"),
        serve_new=ECHO,
        call="chain.get(7)",
        call_new="chain.get(0)",
        old_client="None",
        new_client="0",
        rules=("flag-removed: old clients, old servers",),
    ),
    Case(
        "exception_added",
        old="def get(self) -> Int32: ...",
        new="""
            @mpipc.method(raises=ValueError)
            def get(self) -> Int32: ...
            """,
        serve="""
            class RealChain(Chain):
                def get(self): raise ValueError("no block")
            """,
        call="chain.get()",
        old_client="0",
        new_client="RemoteError: ValueError: no block",
        rules=("exception-added: old clients",),
    ),
    Case(
        "exception_removed",
        old="""
            @mpipc.method(raises=ValueError)
            def get(self) -> Int32: ...
            """,
        new="def get(self) -> Int32: ...",
        serve="""
            class RealChain(Chain):
                def get(self): raise ValueError("no block")
            """,
        call="chain.get()",
        old_client="RemoteError: ValueError: no block",
        new_client="0",
        rules=("exception-removed: old servers",),
    ),
    Case(
        "context_added",
        old="""
            @mpipc.method(context=False)
            def get(self, a: str, b: str) -> str: ...
            """,
        new="def get(self, a: str, b: str) -> str: ...",
        serve=BOTH,
        call="chain.get('1', '2')",
        old_client="RemoteError: ProtocolError: malformed message: a struct pointer was expected",
        new_client="RemoteError: ProtocolError: malformed message: "
        "a text or data pointer was expected",
        rules=("context-added: old clients, old servers",),
    ),
    Case(
        "context_removed",
        old="""
            def set(self, value: Int32) -> None: ...
            def get(self, value: Int32) -> str: ...
            """,
        new="""
            def set(self, value: Int32) -> None: ...
            @mpipc.method(context=False)
            def get(self, value: Int32) -> str: ...
            """,
        serve="""
            import threading
            class RealChain(Chain):
                local = threading.local()
                def set(self, value): self.local.value = value
                def get(self, value): return f"{getattr(self.local, 'value', 'nothing')} is there"
            """,
        call="chain.set(1) or chain.get(2)",
        old_client="'nothing is there'",
        new_client="'nothing is there'",
        rules=("context-removed: old servers",),
    ),
    Case(
        "destroy_removed",
        types="""
            @mpipc.interface
            class Block(ABC):
                def height(self) -> int: ...
            """,
        types_new="""
            @mpipc.interface(destroy=False)
            class Block(ABC):
                def height(self) -> int: ...
            """,
        old="def block(self) -> Block: ...",
        new="def block(self) -> Block: ...",
        serve="""
            class RealBlock(Block):
                def height(self): return 1
            class RealChain(Chain):
                def block(self): return RealBlock()
            """,
        call="mpipc.close(chain.block())",
        old_client="Unimplemented: Block has no such method (0)",
        new_client="None",
        rules=("destroy-removed: old clients",),
    ),
    Case(
        "destroy_added",
        types="""
            @mpipc.interface(destroy=False)
            class Block(ABC):
                def height(self) -> int: ...
            """,
        types_new="""
            @mpipc.interface
            class Block(ABC):
                def height(self) -> int: ...
            """,
        old="def block(self) -> Block: ...",
        new="def block(self) -> Block: ...",
        serve="""
            class RealBlock(Block):
                def height(self): return 1
            class RealChain(Chain):
                def block(self): return RealBlock()
            """,
        call="mpipc.close(chain.block())",
        old_client="None",
        new_client="Unimplemented: Block has no such method (1)",
        rules=("destroy-added: old servers",),
    ),
    Case(
        "interface_removed",
        types="""
            @mpipc.interface
            class Block(ABC):
                def height(self) -> int: ...
            """,
        types_new="""
            @mpipc.interface
            class Header(ABC):
                def height(self) -> int: ...
            """,
        old="def block(self) -> Block: ...",
        new="def block(self) -> Header: ...",
        serve="""
            class RealBlock(Block):
                def height(self): return 1
            class RealChain(Chain):
                def block(self): return RealBlock()
            """,
        serve_new="""
            class RealBlock(Header):
                def height(self): return 1
            class RealChain(Chain):
                def block(self): return RealBlock()
            """,
        call="chain.block().height()",
        old_client="Unimplemented: Block.height: Header has no such method (1)",
        new_client="Unimplemented: Header.height: Block has no such method (1)",
        rules=(
            "interface-removed: old clients",
            "result-type: old clients, old servers",
            "safe interface-added",
        ),
    ),
    Case(
        "file_id_changed",
        types="__schema__ = mpipc.SchemaFile(id=0x8000000000000001)",
        types_new="__schema__ = mpipc.SchemaFile(id=0x8000000000000002)",
        old="def get(self, value: Int32) -> Int32: ...",
        new="def get(self, value: Int32) -> Int32: ...",
        serve=ECHO,
        call="chain.get(7)",
        old_client="Unimplemented: Chain.get: Chain has no such method (1)",
        new_client="Unimplemented: Chain.get: Chain has no such method (1)",
        rules=("file-id: old clients, old servers",),
    ),
    Case(
        "base_removed",
        types="""
            @mpipc.interface(destroy=False)
            class Named(ABC):
                def name(self) -> str: ...

            @mpipc.interface
            class Block(Named):
                def height(self) -> int: ...
            """,
        types_new="""
            @mpipc.interface(destroy=False)
            class Named(ABC):
                def name(self) -> str: ...

            @mpipc.interface
            class Block(ABC):
                def height(self) -> int: ...
            """,
        old="def block(self) -> Block: ...",
        new="def block(self) -> Block: ...",
        serve="""
            class RealBlock(Block):
                def height(self): return 1
                def name(self): return "a"
            class RealChain(Chain):
                def block(self): return RealBlock()
            """,
        call="chain.block().name()",
        call_new="chain.block().height()",
        old_client="Unimplemented: Named.name: Block has no such method (0)",
        new_client="1",
        rules=("base-removed: old clients",),
    ),
]
