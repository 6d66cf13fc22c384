"""The graphical user interface: a page in a browser, from a process of its own.

peers.py           the other processes, which come and go
board.py           what the page shows, and who is looking at it
node_view.py       what it shows of the node
mempool_view.py    and of its mempool
wallets_view.py    what it shows of the process that has the wallets
wallet_view.py     what it shows of one wallet, and does with it
history.py         a wallet's transactions and addresses, kept up with what it tells
web.py             the page's files, its events, and what it can ask for
guard.py           who may use it
main.py            all of it together
static/            the page itself
"""
