"""An LMDB that is only read: its records in the order of their keys, or one by its key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from sparsenet.caffe.messages import extra
from sparsenet.data.raw import DataError


class Database:
    """An open LMDB; `database` gives it, as a process may have it open but once.

    The name of a record is its key as a text: UTF-8, and other bytes as surrogates. Sent to another
    process it is opened there. Raises ConfigError where the lmdb library is not installed, and
    DataError, naming the folder: absent, unreadable, or cut off.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self._lmdb = folder, extra("lmdb")
        file = folder / "data.mdb"
        if not file.is_file():
            remedy = "say with root and folder, or SPARSENET_DATA, where the LMDB is"
            raise DataError(f"{file}: no such file: {remedy}")
        with self._told():
            # Without the lock file, which a folder that may not be written has no place for, and
            # without readahead: records are read in any order.
            self._environment: Any = self._lmdb.open(
                str(folder), readonly=True, lock=False, readahead=False, create=False
            )
            self._samples: int = self._environment.stat()["entries"]
            pages = self._environment.info()["last_pgno"] + 1
            needed = pages * self._environment.stat()["psize"]
        # It is mapped: to read behind its end would end the process.
        if needed > (size := file.stat().st_size):
            raise DataError(f"{file}: is cut off: {size:,} of {needed:,} bytes")
        if not 0 < self._samples <= size:
            raise DataError(f"{file}: holds {self._samples or 'no'} records")

    def __len__(self) -> int:
        """The number of records."""
        return self._samples

    def __reduce__(self) -> tuple[Any, ...]:
        return database, (self.folder,)

    def place(self, name: str) -> str:
        """What an error calls a record."""
        return f"{self.folder}: record {name!r}"

    def records(self) -> Iterator[tuple[str, memoryview]]:
        """(name, bytes) of all, which are there until the next is asked for. Raises DataError."""
        with self._told(), self._environment.begin(buffers=True) as transaction:
            for key, data in transaction.cursor():
                yield bytes(key).decode("utf-8", "surrogateescape"), data

    def record(self, name: str) -> bytes:
        """The bytes of one. Raises DataError."""
        with self._told(), self._environment.begin() as transaction:
            data: bytes | None = transaction.get(name.encode("utf-8", "surrogateescape"))
        if data is None:
            raise DataError(f"{self.place(name)}: is not there any more")
        return data

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except self._lmdb.Error as error:
            raise DataError(f"{self.folder}: cannot be read as an LMDB: {error}") from None


_OPEN: WeakValueDictionary[Path, Database] = WeakValueDictionary()


def database(folder: Path) -> Database:
    """The LMDB in a folder: the one that is open already, or opened. Raises as Database."""
    identity = folder.resolve()
    found = _OPEN.get(identity)
    if found is None:
        found = _OPEN[identity] = Database(folder)
    return found
