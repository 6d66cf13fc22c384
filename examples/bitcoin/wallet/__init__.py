"""The wallet: python -m examples.bitcoin.wallet

__main__.py         the process
loader.py           WalletLoader, as others have it
served.py           Wallet, as others have it
commands.py         the commands that JSON-RPC offers
command_server.py   what they do
wallets.py          the wallets of a data directory; `open_wallets` for use in one process
open_wallet.py      a wallet that is loaded: its parts, and what they do together
follower.py         following the node's chain, whatever happens to the node
ledger.py           scripts, transactions, coins and blocks of a wallet
spending.py         making transactions
vault.py            the seed, and the passphrase
encryption.py       a secret that can only be read with a passphrase
keys.py             keys from the seed
destinations.py     addresses and scripts
store.py            the SQLite file of a wallet
failures.py         what goes wrong, with codes
"""
