"""What becomes of a message, as some bytes say."""

from __future__ import annotations

from struct import Struct, pack

from mpipc.capnp import rpc_messages as rpc

_WORD = Struct("<Q")
# Counts, ids and halves of pointers that matter to somebody.
_NUMBERS = (
    0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 13, 16, 40, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x10001, 0x20000,
    1 << 29, (1 << 29) - 1, 1 << 31, 0xFFFFFFFC, 0xFFFFFFFF,
)  # fmt: skip
_ONE_ONE = 1 << 32 | 1 << 48  # a struct of one data word and one pointer, right behind
# The word of a call and of an answer that is the pointer to what they carry.
_POINTER_AT = {rpc.CALL: 11, rpc.RETURN: 6}


class Choices:
    """The bytes, from the first to the last; `over` when there are no more, and then they are 0."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def over(self) -> bool:
        return self._at >= len(self._data)

    def byte(self) -> int:
        at = self._at
        self._at = at + 1
        return self._data[at] if at < len(self._data) else 0

    def below(self, count: int) -> int:
        """A number below `count`, which is at most 65,536; 0 if that is 0."""
        if count < 2:
            return 0
        number = self.byte()
        return (number if count <= 256 else number << 8 | self.byte()) % count


def mutated(message: bytes, other: bytes, choices: Choices) -> bytes:
    """A framed message of one segment, changed in one to three ways; `other` is another one. What
    comes out is framed, too, except for what is meant to break the framing."""
    kind = choices.byte()
    # Mostly what it carries: what is wrong with a message itself ends the conversation.
    changed = damaged(message, content(message) if kind & 7 else 0, other, choices)
    words, count = changed[8:], (len(changed) >> 3) - 1
    if kind < 240:
        return changed
    if kind < 250:
        # The same words in several segments: what was one pointer's way may end in between.
        first = choices.below(count + 1)
        return pack("<IIII", 1, first, count - first, 0) + words
    # Another size than is announced.
    return pack("<II", choices.below(2), choices.below(2 * count + 2)) + words


def damaged(message: bytes, first: int, other: bytes, choices: Choices) -> bytes:
    """As `mutated`, from word `first` on, and framed in any case."""
    words = bytearray(message[8:])
    for _ in range(1 + choices.below(3)):
        _mutate(words, first, other, choices)
    return pack("<II", 0, len(words) >> 3) + words


def content(message: bytes | bytearray) -> int:
    """The word at which what a message carries begins, if it is laid out as ours are; else some
    word."""
    at = _POINTER_AT.get(message[16], 0)
    if not at or len(message) < 16 + 8 * at:
        return 0
    offset = _WORD.unpack_from(message, 8 + 8 * at)[0] >> 2 & 0xFFFF
    return int(at + 1 + offset)


def control(question: int, index: int, choices: Choices) -> bytes:
    """A message that carries no values, with numbers that are in use, were, or never will be;
    `question` is the number of the last call, and `index` below 16 tells several of these apart.
    """
    kind = choices.byte()
    if kind < 120:
        number = question - choices.below(8)
        made = rpc.finish(number, release_result_caps=kind & 1 == 1)
    elif kind < 180:
        # A Resolve: to an object or a promise of the sender's, to one of ours, or broken.
        made = pack(
            "<IIQQQQQQQQ", 0, 8, _ONE_ONE, rpc.RESOLVE, _ONE_ONE,
            choices.below(4) | (kind % 7 == 0) << 32, _ONE_ONE, kind & 3 | choices.below(4) << 32,
            0, 0,
        )  # fmt: skip
    elif kind < 236:
        # The answers to these stay, until there are too many or one is finished.
        made = rpc.bootstrap(
            question - choices.below(4) if kind & 31 == 0 else question << 4 | index
        )
    elif kind < 240:
        made = rpc.release(choices.below(3), choices.below(2))
    elif kind < 244:
        made = rpc.disembargo_reply(choices.below(4), choices.below(4))
    elif kind < 246:
        made = rpc.return_other(choices.below(4), choices.below(8), choices.below(4))
    else:
        return damaged(rpc.finish(question, release_result_caps=True), 0, made_up(choices), choices)
    return made


def made_up(choices: Choices) -> bytes:
    """A framed message of any words."""
    words = [_pointer(choices) for _ in range(3)]
    return pack("<II3Q", 0, 3, *words)


def _mutate(words: bytearray, first: int, other: bytes, choices: Choices) -> None:
    kind = choices.byte() & 15
    count = len(words) >> 3
    first = first if first < count else 0
    at = (first + choices.below(count - first)) * 8
    if not count or kind == 0:  # grow
        words += other[8 + at : 8 + at + 8 * choices.below(16)]
    elif kind == 1:  # shrink
        del words[at:]
    elif kind == 2:  # a bit
        words[at + choices.below(8)] ^= 1 << choices.below(8)
    elif kind == 3:  # a byte
        words[at + choices.below(8)] = choices.byte()
    elif kind <= 6:  # a half
        half = at + 4 * choices.below(2)
        words[half : half + 4] = pack("<I", _NUMBERS[choices.below(len(_NUMBERS))])
    elif kind == 7:  # two bytes
        two = at + 2 * choices.below(4)
        words[two : two + 2] = pack("<H", _NUMBERS[choices.below(len(_NUMBERS))] & 0xFFFF)
    elif kind == 8:  # a word of another message
        words[at : at + 8] = other[8 + at : 16 + at].ljust(8, b"\0")
    elif kind == 9:  # another word of this one
        copied = choices.below(count) * 8
        words[at : at + 8] = words[copied : copied + 8]
    elif kind <= 13:
        words[at : at + 8] = _WORD.pack(_pointer(choices))
    elif kind == 14:  # a small difference
        difference = choices.below(9) - 4
        (word,) = _WORD.unpack_from(words, at)
        _WORD.pack_into(words, at, word + difference & (1 << 64) - 1)
    else:  # a word less, so that everything behind it moves
        del words[at : at + 8]


def _pointer(choices: Choices) -> int:
    """A pointer that leads to somewhere near, now and then to something large."""
    kind = choices.below(8)
    offset = (choices.below(24) - 8) & 0x3FFFFFFF
    size = choices.below(16)
    if kind < 3:
        return offset << 2 | size << 32 | choices.below(8) << 48
    if kind < 6:
        count = size if kind < 5 else _NUMBERS[choices.below(len(_NUMBERS))] & 0x1FFFFFFF
        return offset << 2 | 1 | choices.below(8) << 32 | count << 35
    if kind == 6:
        return 2 | choices.below(2) << 2 | (offset & 0xFF) << 3 | choices.below(3) << 32
    return 3 | size << 32
