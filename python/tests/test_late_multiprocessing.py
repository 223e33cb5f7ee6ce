"""What multiprocessing has to be told, it is told also where it is loaded after the package."""

import subprocess
import sys
from pathlib import Path

import pytest

SENDS = """
import os, pickle, sys
import numpy as np
import ndstash

cache = ndstash.Cache("cache")
cache["x"] = np.zeros(1_000_000)
array = cache["x"]
assert "multiprocessing" not in sys.modules
from multiprocessing.reduction import ForkingPickler
{happens}
assert len(ForkingPickler.dumps(array)) < 10_000
assert len(pickle.dumps(array)) > 8_000_000
"""


COUNTS = """
import sys
import ndstash

double = ndstash.Cache("cache").memoize(lambda x: 2 * x, version="1", name="double")
double(1)
assert "multiprocessing" not in sys.modules
from multiprocessing import get_context
process = get_context("fork").Process(target=double, args=(1,))
process.start()
process.join()
assert process.exitcode == 0
assert tuple(double.stats()) == (1, 1), double.stats()
"""


def run(script: str, directory: Path) -> None:
    done = subprocess.run([sys.executable, "-P", "-c", script], cwd=directory, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "happens",
    ["cache['x']", "pid = os.fork()\nif pid == 0: os._exit(0)\nos.waitpid(pid, 0)"],
    ids=["read", "fork"],
)
def test_arrays_are_sent_as_references_from_the_next_use_on(tmp_path: Path, happens: str) -> None:
    run(SENDS.format(happens=happens), tmp_path)


def test_a_forked_worker_writes_down_what_it_counted(tmp_path: Path) -> None:
    run(COUNTS, tmp_path)
