"""Items of a `klepto` archive become items of an `ndstash.Cache`: of a `dir_archive` or a `file_archive`, as pickles or JSON.

A `dir_archive` has a directory for each item, `K_` and its key, where `output` has the value, and `input` the key if that is
no such name. A `file_archive` is one dict. Archives of source text are read by importing them, those in SQL and HDF5 by other
libraries: they are not read here. What a function stored comes over under the key that its keymap made, where a function of
`ndstash` does not look.
"""

from __future__ import annotations

import json
import os
import pickle
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final, NamedTuple

from ndstash._cache import Cache
from ndstash._handle import Labels
from ndstash._show import shortened
from ndstash.codec import Pickles
from ndstash.errors import Unsupported
from ndstash.importing.items import add, beside, bytes_of, report_on
from ndstash.importing.report import Report
from ndstash.importing.trust import check

PREFIX: Final = "K_"
UNFINISHED: Final = "K_.I_"
OUTPUT, INPUT = "output", "input"
JSON, PICKLE = ".json", ".pkl"

SOURCE_TEXT, HDF5, SQL = "source text of Python", "an HDF5 file", "a SQL database"
FOREIGN: Final = {"__init__.py": SOURCE_TEXT, "output.hdf5": HDF5}
"""What the file of a value is called that is not read."""
MAGIC: Final = {b"SQLite format 3\0": SQL, b"\x89HDF\r\n\x1a\n": HDF5}
"""How files begin that are not read."""
MODULES: Final = (".py", ".pyc", ".pyo", ".pyd")
COMPRESSED: Final = b"ZF"


class Item(NamedTuple):
    """What an archive has under a key, and the time of the file that it is in."""

    key: Any
    value: Any
    time: float


def bring(path: str, into: str | None = None, pickles: Pickles = "owned", *, progress: bool = True) -> Report:
    """Imports an archive: the directory of a `dir_archive`, or the file of a `file_archive`. Only reads it.

    into: the directory of the `ndstash.Cache`, by default one beside, whose name ends in `.ndstash`. What it has stays.
    progress: shows how far it is, if somebody looks.

    Raises FileNotFoundError if there is no such archive, Unsupported if it is of another kind, IOFailed, Invalid.
    """
    source = _Directory(path, pickles) if os.path.isdir(path) else _File(path, pickles)
    target = beside(path, into)
    report = report_on(target)
    with Cache(target) as cache:
        source.bring(cache, report, progress)
        report.bytes_before, report.bytes_after = bytes_of(path), cache.volume()
    return report


class _Directory:
    """A `dir_archive`."""

    def __init__(self, path: str, pickles: Pickles) -> None:
        self._path = path
        self._pickles = pickles
        with os.scandir(path) as found:
            names = [one.name for one in found if one.name.startswith(PREFIX) and one.is_dir(follow_symlinks=False)]
        if not names:
            raise FileNotFoundError(f"there is no archive of klepto in {path}: no directory K_ and so on")
        self._names = sorted(name for name in names if not name.startswith(UNFINISHED))

    def bring(self, cache: Cache, report: Report, progress: bool) -> None:
        """Adds all items, the oldest first."""
        with report.shown(len(self._names), progress):
            for name in sorted(self._names, key=self._time):
                with report.entry(name):
                    report.count(_add(cache, self._item(name)))

    def _time(self, name: str) -> float:
        file = self._file(name, OUTPUT)
        return 0.0 if file is None else os.stat(file).st_mtime

    def _item(self, name: str) -> Item:
        output, key = self._file(name, OUTPUT), self._file(name, INPUT)
        if output is None:
            foreign = [kind for file, kind in FOREIGN.items() if os.path.lexists(os.path.join(self._path, name, file))]
            raise ValueError(f"it is {foreign[0]}, which is not read" if foreign else "it has no output")
        value = self._load(output)
        return Item(name.removeprefix(PREFIX) if key is None else self._load(key), value, os.stat(output).st_mtime)

    def _file(self, name: str, stem: str) -> str | None:
        paths = [os.path.join(self._path, name, stem + ending) for ending in (PICKLE, JSON)]
        return next(filter(os.path.isfile, paths), None)

    def _load(self, path: str) -> Any:
        parts = self._parts(path)
        for part in parts:
            with open(part, "rb") as file:
                check(file, self._path, self._pickles)
        with open(path, "rb") as file:
            if path.endswith(JSON):
                return json.load(file)
            check(file, self._path, self._pickles)
            compressed = file.read(len(COMPRESSED)) == COMPRESSED
            file.seek(0)
            if not parts and not compressed:
                return _unpickle(file)
            loaders = import_module("klepto._pickle")
            return (loaders.ZipNumpyUnpickler if compressed else loaders.NumpyUnpickler)(path, file_handle=file).load()

    def _parts(self, path: str) -> list[str]:
        """The files that the arrays of a value are in, where klepto wrote it as joblib once did."""
        directory, start = os.path.dirname(path), f"{os.path.basename(path)}_"
        return [os.path.join(directory, name) for name in os.listdir(directory) if name.startswith(start)]


class _File:
    """A `file_archive`."""

    def __init__(self, path: str, pickles: Pickles) -> None:
        self._path = path
        self._pickles = pickles
        with open(path, "rb") as file:
            start = file.read(max(map(len, MAGIC)))
        kinds = [kind for magic, kind in MAGIC.items() if start.startswith(magic)]
        if path.endswith(MODULES):
            kinds.append(SOURCE_TEXT)
        if kinds:
            raise Unsupported(
                f"{path} is {kinds[0]}, which is not read: open it with klepto, and then"
                " ndstash.Cache(DIRECTORY).update(archive) brings over what is in it"
            )
        self._is_json = start.startswith(b"{")

    def bring(self, cache: Cache, report: Report, progress: bool) -> None:
        """Adds all items, in their order."""
        items: list[Item] = []
        with report.entry(self._path):
            items = self._items()
        with report.shown(len(items), progress):
            for item in items:
                with report.entry(f"{self._path}: {shortened(repr(item.key))}"):
                    report.count(_add(cache, item))

    def _items(self) -> list[Item]:
        with open(self._path, "rb") as file:
            if not self._is_json:
                check(file, os.path.dirname(self._path), self._pickles)
            found = json.load(file) if self._is_json else _unpickle(file)
            time = os.fstat(file.fileno()).st_mtime
        if not isinstance(found, dict):
            raise ValueError(f"it has {type(found).__qualname__}, not the dict of an archive")
        return [Item(key, value, time) for key, value in found.items()]


def _add(cache: Cache, item: Item) -> bool:
    return add(cache, item.key, item.value, Labels(created=item.time))


def _unpickle(file: Any) -> Any:
    """klepto pickles by dill, which knows some things that pickle alone does not."""
    return (pickle if find_spec("dill") is None else import_module("dill")).load(file)
