"""Breaking long lines of generated code the way `ruff format` does.

The generator writes every statement on one line, as long as it may be. Here those that are too long
are broken, so that what it writes needs no formatter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

WIDTH = 100
_INDENT = "    "
_OPENING, _CLOSING = "([{", ")]}"
_STRING_OR_LAMBDA = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|lambda [^:]*:')


def broken(lines: Iterable[str]) -> Iterator[str]:
    """The lines, long ones broken. Comments and docstrings stay as they are."""
    for line in lines:
        text = line.lstrip()
        if len(line) <= WIDTH or text.startswith(("#", '"""')):
            yield line
        else:
            yield from _statement(text, line[: len(line) - len(text)])


def _statement(text: str, indent: str) -> Iterator[str]:
    left, assigns, right = text.rpartition(" = ")
    if text.startswith(("def ", "class ")):
        yield from _bracketed(text, indent, which=0)
    elif text.endswith(" = ("):
        # The beginning of an assignment to several names.
        yield f"{indent}("
        yield from (f"{indent}{_INDENT}{name}," for name in left.split(", "))
        yield f"{indent}) = ("
    elif text.startswith("return ") and len(items := _split(text[7:], ", ")) > 1:
        yield f"{indent}return ("
        for item in items:
            yield from _expression(item, indent + _INDENT, ",")
        yield f"{indent})"
    elif text.startswith("return ") and len(_operands(text)) > 1:
        yield from _parenthesized("return ", text.removeprefix("return "), indent)
    elif assigns and "(" not in left and (len(_operands(right)) > 1 or _is_wide(text, indent)):
        yield from _parenthesized(left + assigns, right, indent)
    else:
        yield from _bracketed(text, indent)


def _is_wide(text: str, indent: str) -> bool:
    """Whether what is before the last bracket is too long for a line, but not behind the `=`."""
    before = indent + text[: _groups(text)[-1][0] + 1]
    return len(before) > WIDTH


def _parenthesized(before: str, text: str, indent: str) -> Iterator[str]:
    yield f"{indent}{before}("
    yield from _expression(text, indent + _INDENT)
    yield f"{indent})"


def _expression(text: str, indent: str, end: str = "") -> Iterator[str]:
    """An expression that begins a line; `end` follows it."""
    operands = _operands(text)
    if len(indent + text + end) <= WIDTH:
        yield indent + text + end
    elif len(operands) > 1:
        *others, last = operands
        for operand in others:
            yield from _expression(operand, indent)
        yield from _expression(last, indent, end)
    else:
        yield from _bracketed(text + end, indent)


def _bracketed(text: str, indent: str, which: int = -1) -> Iterator[str]:
    """Break the content of the last of the outermost brackets, or of another one."""
    groups = [(start, end) for start, end in _groups(text) if end > start + 1]
    if not groups:
        yield indent + text
        return
    start, end = groups[which]
    before, content, after = text[: start + 1], text[start + 1 : end], text[end:]
    if text.startswith("def ") and len(_split(content, ", ")) == 1:
        content += ","
    is_call = before[:-1].endswith((")", "]", "_")) or before[-2:-1].isalnum()
    yield indent + before
    yield from _content(content, indent + _INDENT, is_call=is_call)
    yield indent + after


def _content(text: str, indent: str, *, is_call: bool) -> Iterator[str]:
    """What is inside a bracket: as one line, or each item on its own."""
    value, *loops = _split(text, " for ")
    items = [text] if loops else _split(text.removesuffix(","), ", ")
    if len(indent + text) <= WIDTH and (is_call or len(items) == 1):
        yield indent + text
    elif loops:
        yield from _expression(value, indent)
        for loop in loops:
            yield from _expression(f"for {loop}", indent)
    elif len(items) == 1:
        yield from _expression(text, indent)
    else:
        for item in items:
            yield from _expression(item, indent, ",")


def _operands(text: str) -> list[str]:
    """`a`, `if b`, `else c` of a conditional expression; or `a`, `| b`."""
    value, *condition = _split(text, " if ")
    if condition and not _split(text, " for ")[1:]:
        test, *other = _split(" if ".join(condition), " else ")
        return [value, f"if {test}", f"else {' else '.join(other)}"]
    first, *others = _split(text, " | ")
    return [first, *(f"| {other}" for other in others)]


def _groups(text: str) -> list[tuple[int, int]]:
    """Where the outermost brackets open and close."""
    found, depth, opened = [], 0, 0
    for position, character in enumerate(_plain(text)):
        if character in _OPENING:
            if not depth:
                opened = position
            depth += 1
        elif character in _CLOSING:
            depth -= 1
            if not depth:
                found.append((opened, position))
    return found


def _split(text: str, separator: str) -> list[str]:
    """Split where the separator stands outside of brackets, strings and parameters of lambdas."""
    plain = list(_plain(text))
    for start, end in _groups(text):
        plain[start:end] = "x" * (end - start)
    places = [found.start() for found in re.finditer(re.escape(separator), "".join(plain))]
    starts = [0, *(place + len(separator) for place in places)]
    return [text[start:end] for start, end in zip(starts, [*places, len(text)], strict=True)]


def _plain(text: str) -> str:
    """The text with nothing of interest in strings and parameters of lambdas."""
    return _STRING_OR_LAMBDA.sub(lambda found: "x" * len(found[0]), text)
