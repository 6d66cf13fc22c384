"""What goes wrong with wallets, with the codes that Bitcoin Core's RPC has for it."""

from __future__ import annotations


class WalletError(Exception):
    """A command cannot be carried out; the text says why."""

    code = -4


class InvalidParameter(WalletError):
    """A parameter makes no sense."""

    code = -8


class InvalidAddressOrKey(WalletError):
    """An address, or a transaction's id, is none or is not known."""

    code = -5


class InsufficientFunds(WalletError):
    """There is not enough to spend."""

    code = -6


class UnlockNeeded(WalletError):
    """The wallet is locked."""

    code = -13


class PassphraseIncorrect(WalletError):
    """The passphrase is wrong."""

    code = -14


class WrongEncryptionState(WalletError):
    """The wallet is encrypted, or is not, where it should be the other way round."""

    code = -15


class WalletNotFound(WalletError):
    """There is no such wallet, or it is not loaded."""

    code = -18
