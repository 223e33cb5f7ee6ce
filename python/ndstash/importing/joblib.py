"""Results of `joblib.Memory`, also those that decache kept, become results of the store backend of `ndstash.joblib`.

They keep their identifiers, so that `joblib.Memory(location, backend="ndstash")` finds them. decache keeps joblib's files; its
large arrays lie in a directory of their own, as files of joblib named by joblib's hash, and references to them are in lists,
tuples and dicts of the results.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from math import isfinite
from types import ModuleType
from typing import Any, Final

import joblib  # type: ignore[import-untyped]
import numpy as np

from ndstash._handle import Labels
from ndstash.codec import Pickles
from ndstash.importing.report import Report
from ndstash.importing.trust import check
from ndstash.joblib import METADATA, NdstashStoreBackend, item_key

RESULT: Final = "output.pkl"
CODE: Final = "func_code.py"
BLOBS: Final = "blobs"
REFERENCES: Final = "decache.types"
REFERENCE: Final = "NumpyBlobReference"
MEMORY: Final = "joblib"
"""The directory that `joblib.Memory` makes where its location is a str."""

_HASH: Final = re.compile("[0-9a-f]{32}")

Load = Callable[[str], Any]


def bring(
    path: str, into: str | None = None, pickles: Pickles = "owned", *, blobs: bool = False, progress: bool = True
) -> Report:
    """Imports a directory of joblib, or of decache (`blobs`): the location of a `Memory`, or the directory `joblib` there.

    Into: the location of the `Memory` that is to use the results, by default this one: the store is then in the directory
    `ndstash` there. Results that it has already stay. Progress: shows how far it is, if somebody looks.

    Raises NotADirectoryError, IOFailed, Invalid.
    """
    top = _top(path)
    backend = NdstashStoreBackend()
    backend.configure(top if into is None else into)
    report = Report(backend.store_path)

    def load(file: str) -> Any:
        return _load(file, top, pickles)

    def whole(file: str) -> Any:
        with _references():
            return _with_arrays(load(file), os.path.join(top, BLOBS), load)

    functions = _functions(top, backend.store_path)
    with report.shown(sum(map(len, functions.values())), progress):
        for function, calls in functions.items():
            with report.entry(function):
                _bring_code(backend, top, function)
                for call in calls:
                    with report.entry(os.path.join(function, call)):
                        report.count(_bring_result(backend, top, (function, call), whole if blobs else load))
    report.bytes_before, report.bytes_after = _bytes(top, backend.store_path), backend.store_bytes
    return report


def _top(path: str) -> str:
    inner = os.path.join(path, MEMORY)
    if os.path.isdir(inner) and not os.path.lexists(os.path.join(inner, CODE)):
        return inner
    if not os.path.isdir(path):
        raise NotADirectoryError(f"{path} is no directory")
    return path


def _functions(top: str, store: str) -> dict[str, list[str]]:
    """The functions that have results, and the hashes of their arguments."""
    found: dict[str, list[str]] = {}
    for directory, inner, files in os.walk(top):
        inner[:] = sorted(name for name in inner if os.path.join(directory, name) != os.path.abspath(store))
        function, call = os.path.split(os.path.relpath(directory, top))
        if RESULT in files and function and _HASH.fullmatch(call):
            found.setdefault(function, []).append(call)
    return found


def _bring_code(backend: NdstashStoreBackend, top: str, function: str) -> None:
    """Stores the source of a function. Raises ValueError if the results are not of the source that the store has."""
    try:
        with open(os.path.join(top, function, CODE), encoding="utf-8", newline="") as file:
            code = file.read()
    except FileNotFoundError:
        raise ValueError(f"it has no {CODE}: nobody knows which source its results are of") from None
    try:
        known = backend.get_cached_func_code([function])
    except FileNotFoundError:
        backend.store_cached_func_code([function], code)
        return
    if _without_line(known) != _without_line(code):
        raise ValueError("the store has results of another source of this function")


def _without_line(code: str) -> str:
    """The source without the number of its first line in its file, which joblib puts on top."""
    return code.partition("\n")[2] if code.startswith("# first line:") else code


def _bring_result(backend: NdstashStoreBackend, top: str, call_id: tuple[str, str], load: Load) -> bool:
    if backend.contains_item(call_id):
        return False
    directory = os.path.join(top, *call_id)
    value, metadata = load(os.path.join(directory, RESULT)), _metadata(directory)
    backend.put(item_key(call_id), value, Labels(meta={METADATA: metadata}, created=_time(directory, metadata)))
    return True


def _time(directory: str, metadata: Any) -> float:
    """When a result was made: joblib says so; if not, its file does."""
    said = metadata.get("time") if isinstance(metadata, dict) else None
    if isinstance(said, float) and isfinite(said):
        return said
    return os.stat(os.path.join(directory, RESULT)).st_mtime


def _metadata(directory: str) -> Any:
    """What joblib says of a call; nothing if it does not."""
    try:
        with open(os.path.join(directory, "metadata.json"), encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return {}


def _load(path: str, top: str, pickles: Pickles) -> Any:
    with open(path, "rb") as file:
        check(file, top, pickles)
        return joblib.load(file)


def _bytes(top: str, store: str) -> int:
    walked = ((directory, files) for directory, _, files in os.walk(top) if not _is_in(directory, store))
    return sum(os.lstat(os.path.join(directory, name)).st_size for directory, files in walked for name in files)


def _is_in(directory: str, store: str) -> bool:
    return os.path.commonpath([os.path.abspath(directory), os.path.abspath(store)]) == os.path.abspath(store)


# --- decache ---------------------------------------------------------------------------------------------------------


def _with_arrays(value: Any, blobs: str, load: Load) -> Any:
    """A value of decache with its arrays in their places. It looked for them in lists, tuples and dicts alone."""
    if type(value).__name__ == REFERENCE and type(value).__module__ == REFERENCES:
        return _array(value, blobs, load)
    if isinstance(value, list):
        return [_with_arrays(item, blobs, load) for item in value]
    if isinstance(value, tuple):
        return tuple(_with_arrays(item, blobs, load) for item in value)
    if isinstance(value, dict):
        return {key: _with_arrays(item, blobs, load) for key, item in value.items()}
    return value


def _array(reference: Any, blobs: str, load: Load) -> Any:
    if not _HASH.fullmatch(str(reference.blob_hash)):
        raise ValueError(f"{reference.blob_hash!r} is no name of an array")
    try:
        array = load(os.path.join(blobs, reference.blob_hash))
    except FileNotFoundError:
        raise ValueError(f"its array {reference.blob_hash} is not there") from None
    if not isinstance(array, np.ndarray) or (array.dtype, array.shape) != (reference.dtype, reference.shape):
        raise ValueError(f"its array {reference.blob_hash} has another type or shape than it should have")
    return array


@contextmanager
def _references() -> Iterator[None]:
    """Makes the references loadable where decache is not installed."""
    if find_spec(REFERENCES.partition(".")[0]) is not None:
        yield
        return
    package, module = (ModuleType(name) for name in ("decache", REFERENCES))
    setattr(module, REFERENCE, type(REFERENCE, (), {"__module__": REFERENCES}))
    sys.modules.update({"decache": package, REFERENCES: module})
    try:
        yield
    finally:
        del sys.modules["decache"], sys.modules[REFERENCES]
