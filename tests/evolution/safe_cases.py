"""Changes that break nobody."""

from __future__ import annotations

from tests.evolution.case import Case

BLOCK = """
    class Block(msgspec.Struct):
        hash: bytes
        height: Int32
    """

UNKNOWN = "received Shape of a kind that is not known here"
SHAPES = """
    class Circle(msgspec.Struct):
        radius: int
    class Square(msgspec.Struct):
        side: int
    Shape = Circle | Square
    """

GROUPED = """
    class Point(msgspec.Struct):
        x: Int32
    class Box(msgspec.Struct):
        origin: Annotated[Point, Field(group=True)]
        size: Int32
    """

AREA = """
    class Area(msgspec.Struct):
        width: Int32
    """
PACKED = """
    @mpipc.method(packed={"area": Area})
    def size(self, width: Int32) -> int: ...
    """

CASES = [
    Case(
        "constants",
        types="""
            MOST: Final[Annotated[Int32, mpipc.Const()]] = 7
            GONE: Final[Annotated[str, mpipc.Const()]] = "a"
            """,
        types_new="""
            MOST: Final[Annotated[Int32, mpipc.Const()]] = 8
            NEXT: Final[Annotated[bool, mpipc.Const()]] = True
            """,
        old="def get(self, value: int) -> int: ...",
        new="def get(self, value: int) -> int: ...",
        serve="""
            class RealChain(Chain):
                def get(self, value): return value + MOST
            """,
        call="chain.get(MOST)",
        old_client="15",
        new_client="15",
        rules=("safe constant-added", "safe constant-changed", "safe constant-removed"),
    ),
    Case(
        "packed_parameter_added",
        types=AREA,
        types_new=AREA + "    height: Int32\n",
        old=PACKED,
        new=PACKED.replace("width: Int32", "width: Int32, height: Int32"),
        serve="""
            class RealChain(Chain):
                def size(self, *sides): return sum(sides)
            """,
        call="chain.size(5)",
        call_new="chain.size(5, 7)",
        old_client="5",
        new_client="5",
        rules=("safe field-added",),
    ),
    Case(
        "field_added_to_a_group",
        types=GROUPED,
        types_new=GROUPED.replace("x: Int32", "y: Int32 | None\n        x: Int32"),
        old="def get(self, box: Box) -> Box: ...",
        new="def get(self, box: Box) -> Box: ...",
        serve="""
            class RealChain(Chain):
                def get(self, box): return box
            """,
        call="chain.get(Box(Point(x=1), 2))",
        call_new="chain.get(Box(Point(x=1, y=5), 2))",
        old_client="Box(origin=Point(x=1), size=2)",
        new_client="Box(origin=Point(y=None, x=1), size=2)",
        rules=("safe field-added",) * 3,
    ),
    Case(
        "alternative_added",
        types=SHAPES,
        types_new=SHAPES.replace("Circle | Square", "str | Circle | Square"),
        old="def get(self, shape: Shape) -> Shape: ...",
        new="def get(self, shape: Shape) -> Shape: ...",
        serve="""
            class RealChain(Chain):
                def get(self, shape): return shape
            """,
        call="chain.get(Square(1))",
        call_new="chain.get('text')",
        old_client="Square(side=1)",
        new_client=f"RemoteError: ConversionError: {UNKNOWN} (2)",
        rules=("safe field-added",),
    ),
    Case(
        "alternative_returned_that_is_new",
        types=SHAPES,
        types_new=SHAPES.replace("Circle | Square", "Circle | Square | bool"),
        old="def get(self, shape: Shape) -> Shape: ...",
        new="def get(self, shape: Shape) -> Shape: ...",
        serve="""
            class RealChain(Chain):
                def get(self, shape): return shape
            """,
        serve_new="""
            class RealChain(Chain):
                def get(self, shape): return True
            """,
        call="chain.get(Circle(1))",
        old_client=f"ConversionError: {UNKNOWN} (2)",
        new_client="Circle(radius=1)",
        rules=("safe field-added",),
    ),
    Case(
        "method_added",
        old="def get(self, height: Int32) -> str: ...",
        new="""
            def first(self) -> str: ...
            def get(self, height: Int32) -> str: ...
            """,
        serve="""
            class RealChain(Chain):
                def first(self): return "first"
                def get(self, height): return f"got {height}"
            """,
        call="chain.get(1)",
        call_new="chain.get(1) and chain.first()",
        old_client="'got 1'",
        new_client="Unimplemented: Chain.first: Chain has no such method (2)",
        rules=("safe method-added",),
    ),
    Case(
        "method_renamed",
        old="def get(self, height: Int32, name: str) -> str: ...",
        new="""
            @mpipc.method(1)
            def find(self, name: str, height: Int32) -> str: ...
            """,
        serve="""
            class RealChain(Chain):
                def get(self, height, name): return f"got {height} {name}"
            """,
        serve_new="""
            class RealChain(Chain):
                def find(self, name, height): return f"found {height} {name}"
            """,
        call="chain.get(1, 'a')",
        call_new="chain.find('a', 1)",
        old_client="'found 1 a'",
        new_client="'got 1 a'",
        rules=("safe method-renamed",),
    ),
    Case(
        "method_restored",
        old="""
            def a(self) -> str: ...
            def get(self) -> str: ...
            """,
        between="def get(self) -> str: ...",
        new="""
            def get(self) -> str: ...
            @mpipc.method(1)
            def a(self) -> str: ...
            """,
        serve="""
            class RealChain(Chain):
                def a(self): return "a"
                def get(self): return "got"
            """,
        call="chain.a()",
        old_client="'a'",
        new_client="'a'",
        rules=("safe method-restored",),
    ),
    Case(
        "methods_in_another_order",
        old="""
            def a(self) -> str: ...
            def b(self) -> str: ...
            """,
        new="""
            def b(self) -> str: ...
            def a(self) -> str: ...
            """,
        serve="""
            class RealChain(Chain):
                def a(self): return "a"
                def b(self): return "b"
            """,
        call="chain.a() + chain.b()",
        old_client="'ab'",
        new_client="'ab'",
        rules=(),
    ),
    Case(
        "method_deprecated",
        old="def get(self) -> str: ...",
        new="""
            @mpipc.method(deprecated="use another")
            def get(self) -> str: ...
            """,
        serve="""
            class RealChain(Chain):
                def get(self): return "got"
            """,
        call="chain.get()",
        old_client="'got'",
        new_client="'got'",
        rules=(),
    ),
    Case(
        "parameter_added",
        old="def get(self, height: Int32) -> str: ...",
        new="""
            def get(self, verbose: bool, names: list[str], depth: Int32 | None, height: Int32,
                    text: str, back: Callable[[], None]) -> str: ...
            """,
        serve="""
            class RealChain(Chain):
                def get(self, height): return f"got {height}"
            """,
        serve_new="""
            class RealChain(Chain):
                def get(self, *arguments): return f"got {arguments}"
            """,
        call="chain.get(1)",
        call_new="chain.get(True, ['a'], 2, 1, 'b', print)",
        old_client="\"got (False, [], None, 1, '', None)\"",
        new_client="'got 1'",
        rules=(*("safe parameter-added",) * 5, "safe interface-added"),
    ),
    Case(
        "parameter_renamed",
        old="def get(self, name: str, height: Int32 | None) -> str: ...",
        new="""
            def get(self, depth: Annotated[Int32 | None, Field(2)],
                    label: Annotated[str, Field(name="name")]) -> str: ...
            """,
        serve="""
            class RealChain(Chain):
                def get(self, name, height): return f"got {name} {height}"
            """,
        serve_new="""
            class RealChain(Chain):
                def get(self, depth, label): return f"got {label} {depth}"
            """,
        call="chain.get('a', 1)",
        call_new="chain.get(1, 'a')",
        old_client="'got a 1'",
        new_client="'got a 1'",
        rules=("safe parameter-renamed",),
    ),
    Case(
        "parameter_restored",
        old="def get(self, a: Int32, b: str) -> str: ...",
        between="def get(self, b: str) -> str: ...",
        new="def get(self, b: str, a: Annotated[Int32, Field(1)]) -> str: ...",
        serve="""
            class RealChain(Chain):
                def get(self, a, b): return f"got {a} {b}"
            """,
        serve_new="""
            class RealChain(Chain):
                def get(self, b, a): return f"got {a} {b}"
            """,
        call="chain.get(1, 'b')",
        call_new="chain.get('b', 1)",
        old_client="'got 1 b'",
        new_client="'got 1 b'",
        rules=("safe parameter-restored",),
    ),
    Case(
        "result_added",
        types="""
            class Found(mpipc.Results):
                height: Int32
            """,
        types_new="""
            class Found(mpipc.Results):
                name: str
                height: Int32
                times: list[int]
            """,
        old="def find(self) -> Found: ...",
        new="def find(self) -> Found: ...",
        serve="""
            class RealChain(Chain):
                def find(self): return Found(1)
            """,
        serve_new="""
            class RealChain(Chain):
                def find(self): return Found("a", 1, [2])
            """,
        call="chain.find()",
        old_client="Found(height=1)",
        new_client="Found(name='', height=1, times=[])",
        rules=("safe result-added",) * 2,
    ),
    Case(
        "first_result_added",
        old="def find(self) -> None: ...",
        new="def find(self) -> int: ...",
        serve="""
            class RealChain(Chain):
                def find(self): pass
            """,
        serve_new="""
            class RealChain(Chain):
                def find(self): return 1
            """,
        call="chain.find()",
        old_client="None",
        new_client="0",
        rules=("safe result-added",),
    ),
    Case(
        "field_added",
        types=BLOCK,
        types_new="""
            class Block(msgspec.Struct):
                parent: Block | None
                height: Int32
                time: int
                hash: bytes
            """,
        old="def swap(self, blocks: list[Block]) -> list[Block]: ...",
        new="def swap(self, blocks: list[Block]) -> list[Block]: ...",
        serve="""
            class RealChain(Chain):
                def swap(self, blocks): return blocks[::-1]
            """,
        call="chain.swap([Block(b'a', 1), Block(b'b', 2)])",
        call_new="chain.swap([Block(None, 1, 2, b'a'), Block(Block(None, 2, 3, b''), 2, 3, b'b')])",
        old_client="[Block(hash=b'b', height=2), Block(hash=b'a', height=1)]",
        new_client="[Block(parent=None, height=2, time=0, hash=b'b'),"
        " Block(parent=None, height=1, time=0, hash=b'a')]",
        rules=("safe field-added",) * 2,
    ),
    Case(
        "field_renamed",
        types=BLOCK,
        types_new="""
            class Block(msgspec.Struct):
                id: Annotated[bytes, Field(0)]
                height: Int32
            """,
        old="def get(self, block: Block) -> Block: ...",
        new="def get(self, block: Block) -> Block: ...",
        serve="""
            class RealChain(Chain):
                def get(self, block): return block
            """,
        call="chain.get(Block(b'a', 1))",
        old_client="Block(hash=b'a', height=1)",
        new_client="Block(id=b'a', height=1)",
        rules=("safe field-renamed",),
    ),
    Case(
        "struct_renamed",
        types=BLOCK,
        types_new=BLOCK.replace("class Block", "class Header"),
        old="def get(self, block: Block) -> list[Block]: ...",
        new="def get(self, block: Header) -> list[Header]: ...",
        serve="""
            class RealChain(Chain):
                def get(self, block): return [block]
            """,
        call="chain.get(Block(b'a', 1))",
        call_new="chain.get(Header(b'a', 1))",
        old_client="[Block(hash=b'a', height=1)]",
        new_client="[Header(hash=b'a', height=1)]",
        rules=("safe parameter-struct", "safe struct-added", "safe struct-removed"),
    ),
    Case(
        "pointer_made_optional",
        types=BLOCK,
        old="def get(self, name: str, block: Block) -> str: ...",
        new="def get(self, name: str | None, block: Block | None) -> str | None: ...",
        serve="""
            class RealChain(Chain):
                def get(self, name, block): return f"got {name!r} {block}"
            """,
        serve_new="""
            class RealChain(Chain):
                def get(self, name, block): return None
            """,
        call="chain.get('', Block(b'', 1))",
        call_new="chain.get(None, None)",
        old_client="''",
        new_client="\"got '' Block(hash=b'', height=0)\"",
        rules=(),
    ),
    Case(
        "base_added",
        types="""
            @mpipc.interface(destroy=False)
            class Named(ABC):
                def name(self) -> str: ...

            @mpipc.interface
            class Block(ABC):
                def height(self) -> int: ...
            """,
        types_new="""
            @mpipc.interface(destroy=False)
            class Named(ABC):
                def name(self) -> str: ...

            @mpipc.interface
            class Block(Named):
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
        call="chain.block().height()",
        call_new="(lambda block: [block.height(), block.name()])(chain.block())",
        old_client="1",
        new_client="Unimplemented: Named.name: Block has no such method (0)",
        rules=("safe base-added",),
    ),
    Case(
        "interface_added",
        old="def get(self) -> str: ...",
        new="""
            def get(self) -> str: ...
            def on_tip(self, callback: Callable[[str], None]) -> None: ...
            """,
        serve="""
            class RealChain(Chain):
                def get(self): return "got"
                def on_tip(self, callback): pass
            """,
        call="chain.get()",
        call_new="chain.on_tip(print)",
        old_client="'got'",
        new_client="Unimplemented: Chain.on_tip: Chain has no such method (2)",
        rules=("safe interface-added", "safe method-added"),
    ),
]
