"""Loading the package takes little more than loading NumPy: what is slow to load waits until it is needed."""

import subprocess
import sys

import pytest

SLOW = [
    "asyncio",
    "csv",
    "decimal",
    "email",
    "fractions",
    "html",
    "importlib.metadata",
    "multiprocessing",
    "pathlib",
    "shutil",
    "socket",
    "sqlite3",
    "ssl",
    "subprocess",
    "tempfile",
    "urllib",
    "uuid",
    "zipfile",
    "zoneinfo",
    "ndstash._describe.frames",
    "ndstash._memo.aio",
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
