"""Methods of Bitcoin Core's interfaces that the example does not offer."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

Method = TypeVar("Method", bound=Callable[..., Any])


def unsupported(method: Method, who: str = "the example") -> Method:
    """A method of the same signature that raises NotImplementedError, which says which it is and
    who does not offer it.

        class NodeOfTheExample(Node):
            map_port = unsupported(Node.map_port)

    A caller in another process gets it as `RemoteError`.
    """

    @functools.wraps(method)
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{who} does not offer {method.__qualname__}")

    # `wraps` copies the mark of abstract methods, too.
    refuse.__isabstractmethod__ = False  # type: ignore[attr-defined]
    return cast(Method, refuse)
