"""The same script against DiskCache and against ndstash, where both mean the same."""

import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ndstash

diskcache = pytest.importorskip("diskcache")


def mapping(c: Any) -> list[Any]:
    c["a"] = 1
    c["b"] = [1, {"x": (2, None)}]
    c["a"] = "again"
    return [c["a"], c["b"], "a" in c, "z" in c, len(c), list(c), list(reversed(c)), c.get("z"), c.get("z", 5)]


def missing(c: Any) -> list[Any]:
    return [raised(lambda: c["z"]), raised(lambda: c.__delitem__("z")), c.delete("z"), c.pop("z"), c.pop("z", 7)]


def labels(c: Any) -> list[Any]:
    c.set("a", 1, expire=None, tag="t")
    c.set("b", 2, tag="u")
    return [
        c.get("a", expire_time=True),
        c.get("a", tag=True),
        c.get("a", expire_time=True, tag=True),
        c.get("z", expire_time=True, tag=True),
        c.evict("t"),
        c.evict("t"),
        list(c),
        c.pop("b", tag=True),
    ]


def expiry(c: Any) -> list[Any]:
    seen = [c.set("a", 1, expire=0.5), c.set("b", 2, expire=0.5), c.set("c", 3, expire=1000), c.touch("b", 1000)]
    time.sleep(0.55)
    seen += [c.get("a"), "a" in c, c.touch("a", 10), raised(lambda: c["a"]), c["b"], c["c"], c.expire(), list(c)]
    return [*seen, c.touch("z"), c.add("a", 4), c["a"]]


def adding(c: Any) -> list[Any]:
    return [c.add("a", 1), c.add("a", 2), c["a"], c.add("b", 3, tag="t"), c.get("b", tag=True), c.pop("a"), c.add("a", 5)]


def counting(c: Any) -> list[Any]:
    seen = [c.incr("n"), c.incr("n", 10), c.decr("n"), c.decr("m"), c.incr("k", default=100), c["n"]]
    c.set("t", 5, expire=1000, tag="t")
    return [*seen, raised(lambda: c.incr("z", default=None)), c.incr("t"), c.get("t", tag=True)]


def streaming(c: Any) -> list[Any]:
    data = bytes(100_000)
    seen = [c.set("f", io.BytesIO(data), read=True, tag="t"), c["f"] == data]
    for file, tag in ((c.read("f"), None), c.get("f", read=True, tag=True), (c.get("f", read=True), None)):
        with file:
            seen += [file.read(10), file.read() == data[10:], tag]
    return [*seen, raised(lambda: c.read("z"))]


def ends(c: Any) -> list[Any]:
    seen = [raised(c.peekitem)]
    c["a"], c["b"] = 1, 2
    return [*seen, c.peekitem(), c.peekitem(last=False), c.peekitem(tag=True), list(c.iterkeys()), list(c.iterkeys(reverse=True))]


def clearing(c: Any) -> list[Any]:
    c["a"], c["b"] = 1, 2
    return [c.clear(), c.clear(), len(c), list(c), c.check(), c.expire()]


def counters(c: Any) -> list[Any]:
    c.stats(enable=True, reset=True)
    c["a"] = 1
    seen = [c["a"], c.get("a"), c.get("z")]
    hits, misses = c.stats(reset=True)
    return [*seen, hits, misses, *c.stats()]


def context(c: Any) -> list[Any]:
    with c as inside:
        inside["a"] = 1
    return [c["a"], c.close(), c["a"]]


def settings(c: Any) -> list[Any]:
    return [c.reset("size_limit", 10**8), c.reset("size_limit"), c.size_limit]


def memoizing(c: Any) -> list[Any]:
    calls = []

    @c.memoize(expire=1000, tag="t", ignore={"quiet"})
    def double(x: int, quiet: bool = False) -> int:
        calls.append(x)
        return 2 * x

    seen = [double(1), double(1), double(2), double(2, quiet=True), double.__wrapped__(3), len(calls), double.__name__]
    return [*seen, c.evict("t"), double(1), len(calls)]


def raised(call: Callable[[], Any]) -> str:
    """What a call raises."""
    try:
        return f"nothing, but returned {call()!r}"
    except Exception as error:
        return type(error).__name__


SCRIPTS = [
    mapping, missing, labels, expiry, adding, counting, streaming, ends, clearing, counters, context, settings, memoizing,
]  # fmt: skip


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
def test_the_same_as_diskcache(script: Callable[[Any], list[Any]], tmp_path: Path) -> None:
    with diskcache.Cache(str(tmp_path / "diskcache")) as theirs:
        expected = script(theirs)
    assert script(ndstash.Cache(tmp_path / "ndstash")) == expected
