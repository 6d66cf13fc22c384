"""What a connection to each of the processes starts with."""

from __future__ import annotations

from examples.bitcoin.common.unsupported import unsupported
from interfaces.echo import Echo
from interfaces.proposed import ProposedInit


class EchoHere(Echo):
    def echo(self, echo: str) -> str:
        return echo


class PartialInit(ProposedInit):
    """Says that it has nothing but Echo; each process adds what it has."""

    def make_echo(self) -> Echo:
        return EchoHere()

    make_mining = unsupported(ProposedInit.make_mining)

    make_chain = unsupported(ProposedInit.make_chain)
    make_node = unsupported(ProposedInit.make_node)
    make_wallet_loader = unsupported(ProposedInit.make_wallet_loader)
    make_rpc = unsupported(ProposedInit.make_rpc)
    make_tracing = unsupported(ProposedInit.make_tracing)
