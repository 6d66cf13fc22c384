"""Makes every kind of mistake: python -m bank.client"""

import mpipc
from bank.api import Account, NotEnoughMoney


def main() -> None:
    with mpipc.connect("unix:bank.sock", Account) as account:
        print("left:", account.withdraw(30))

        try:
            account.withdraw(30)
        except NotEnoughMoney as error:
            print("declared:", error)

        try:
            account.booking(7)
        except mpipc.RemoteError as error:
            print("not declared:", error)

        try:
            account.withdraw(-5)
        except mpipc.ConversionError as error:
            print("not sent:", error)

        try:
            with mpipc.timeout(0.2):
                account.audit(1.0)
        except mpipc.Timeout as error:
            print("too slow:", error)

    try:
        account.booking(0)
    except mpipc.IpcError as error:
        print("closed:", error)

    try:
        mpipc.connect("unix:elsewhere.sock", Account)
    except mpipc.AddressError as error:
        print("no server:", error)


if __name__ == "__main__":
    main()
