"""What people see."""

import numpy as np
import pytest

import ndstash
from ndstash import _show


@pytest.mark.parametrize(
    ("nbytes", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (5 << 30, "5.0 GiB"), (1 << 50, "1024.0 TiB")],
)
def test_sizes(nbytes: int, text: str) -> None:
    assert _show.size(nbytes) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 ns"), (2.5e-7, "250 ns"), (1.5e-5, "15 us"), (0.25, "250 ms"), (3, "3 s"), (61, "1 min 1 s"), (7290, "2 h 1 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert _show.duration(seconds) == text


def test_titles(cache: ndstash.Cache) -> None:
    function = cache.memoize(lambda x, y: x, name="f", version="1")
    function(1, "a" * 100)
    cache["key"] = 1
    cache[np.zeros(100_000)] = 2
    shown = sorted(repr(entry) for entry in cache.entries())
    assert shown[0].startswith("<['key']: ") and shown[2].startswith("<f(x=1, y='aaa") and "..." in shown[2]
    assert len(shown[1].split(":")[0]) == len("<[123456789012]")
