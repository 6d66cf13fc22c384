"""Uses a Shelf: python -m notebook.client"""

import mpipc
from notebook.api import Note, Notebook, Shelf


class Screen(Notebook):
    """A Notebook in this process."""

    def add(self, note: Note) -> None:
        print("on screen:", note.text, note.stars)

    def notes(self) -> list[Note]:
        return []


def main() -> None:
    with mpipc.connect("unix:shelf.sock", Shelf) as shelf:
        book = shelf.make("ideas")
        book.add(Note("write less", stars=3))
        book.add(Note("read more"))
        print(book.notes()[1])

        again = shelf.find("ideas")
        print("found:", again is not None, "- unknown:", shelf.find("plans"))

        shelf.copy(book, Screen())

        mpipc.close(book)
        mpipc.close(again)
        print("found after closing:", shelf.find("ideas"))


if __name__ == "__main__":
    main()
