"""Loading the package takes little more than loading NumPy: what is slow to load waits until it is needed."""

import subprocess
import sys
from pathlib import Path

import pytest

import ndstash

SLOW = [
    "asyncio",
    "copy",
    "csv",
    "dataclasses",
    "decimal",
    "email",
    "fractions",
    "html",
    "importlib.metadata",
    "logging",
    "multiprocessing",
    "pathlib",
    "shutil",
    "socket",
    "sqlite3",
    "ssl",
    "subprocess",
    "tempfile",
    "threading",
    "urllib",
    "uuid",
    "zipfile",
    "zoneinfo",
    "ndstash._describe.frames",
    "ndstash._memo.aio",
    "ndstash._memo.batch",
    "ndstash._memo.explain",
    "ndstash._progress",
    "ndstash._stats",
    "ndstash.codec.culprit",
    "ndstash.importing",
    "ndstash.joblib",
]
LIBRARIES = ["cloudpickle", "dask", "joblib", "pandas", "polars", "pyarrow", "scipy", "sklearn", "torch", "tqdm", "xarray"]

LOAD = """
import sys, numpy
before = set(sys.modules)
import ndstash
print(*sorted(set(sys.modules) - before))
"""


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """The modules that are loaded by the package and were not loaded by NumPy."""
    done = subprocess.run([sys.executable, "-P", "-c", LOAD], capture_output=True, text=True, timeout=120, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("module", [*SLOW, *LIBRARIES])
def test_what_is_slow_to_load_is_not(loaded: set[str], module: str) -> None:
    assert "ndstash._core" in loaded
    assert module not in loaded


TELL = """
import sys
import ndstash
f = ndstash.Cache(sys.argv[1]).memoize(lambda x: x, version="1", name="f")
f(1), f(1)
print("logging" in sys.modules)
import logging
logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
f(1)
"""


def test_who_loads_logging_later_is_told_from_then_on(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-c", TELL, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    first, *rest = done.stdout.splitlines()
    assert first == "False" and not done.stderr
    assert len(rest) == 1 and rest[0].startswith("DEBUG:ndstash:f: hit")


def test_what_is_loaded_when_it_is_named_is_there() -> None:
    assert {"Stats", "Explanation"} <= set(dir(ndstash)) and {"Stats", "Explanation"} <= set(ndstash.__all__)
    assert ndstash.Stats().hits == 0 and ndstash.Explanation.__name__ == "Explanation"
    with pytest.raises(AttributeError, match="nothing_like_that"):
        _ = ndstash.nothing_like_that
