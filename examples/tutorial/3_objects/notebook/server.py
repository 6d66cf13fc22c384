"""Serves a Shelf: python -m notebook.server"""

from contextlib import suppress
from weakref import WeakValueDictionary

import mpipc
from notebook.api import Note, Notebook, Shelf


class StoredNotebook(Notebook):
    def __init__(self, title: str) -> None:
        self._title = title
        self._notes: list[Note] = []

    def add(self, note: Note) -> None:
        self._notes.append(note)

    def notes(self) -> list[Note]:
        return self._notes

    def __del__(self) -> None:
        print("nobody holds", self._title, "any more")


class Library(Shelf):
    def __init__(self) -> None:
        self._books = WeakValueDictionary[str, Notebook]()

    def make(self, title: str) -> Notebook:
        self._books[title] = book = StoredNotebook(title)
        return book

    def find(self, title: str) -> Notebook | None:
        return self._books.get(title)

    def copy(self, source: Notebook, target: Notebook) -> None:
        print("copying from", type(source).__name__, "to", type(target).__name__)
        for note in source.notes():
            target.add(note)


def main() -> None:
    with suppress(KeyboardInterrupt), mpipc.serve("unix:shelf.sock", Library()) as server:
        print("serving on", server.address)
        server.serve_forever()


if __name__ == "__main__":
    main()
