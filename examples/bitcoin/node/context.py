"""What the interfaces of a node share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from examples.bitcoin.common.process import Shutdown
from examples.bitcoin.common.subscribers import Subscribers
from examples.bitcoin.node.chainstate import Chainstate
from examples.bitcoin.node.filters import Filters
from examples.bitcoin.node.rpc import RpcCommands
from examples.bitcoin.node.settings import Settings


@dataclass
class NodeContext:
    """A running node."""

    state: Chainstate
    settings: Settings
    shutdown: Shutdown
    commands: RpcCommands
    filters: Filters
    messages: Subscribers[Callable[[str], None]] = field(
        default_factory=lambda: Subscribers("messages")
    )
    progress: Subscribers[Callable[[str, int, bool], None]] = field(
        default_factory=lambda: Subscribers("progress")
    )
    alerts: Subscribers[Callable[[], None]] = field(default_factory=lambda: Subscribers("warnings"))
    warnings: list[str] = field(default_factory=list)

    def warn(self, text: str) -> None:
        """Add to what the user should know."""
        self.warnings.append(text)
        self.alerts.tell(lambda callback: callback())
