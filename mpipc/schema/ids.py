"""Type ids as the Cap'n Proto compiler makes them, so that a schema can state them.

The compiler hashes the id of the enclosing scope and the name (`generateChildId` in its
`compiler/node-translator`); stated or not, the id is the same.
"""

from __future__ import annotations

import hashlib


def child_id(parent: int, name: str) -> int:
    """The id of a type called `name` directly inside the file or type whose id is `parent`."""
    digest = hashlib.md5(parent.to_bytes(8, "little") + name.encode(), usedforsecurity=False)
    return int.from_bytes(digest.digest()[:8], "big") | 1 << 63
