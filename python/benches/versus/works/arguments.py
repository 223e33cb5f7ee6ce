"""A call with a large argument: its key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ndstash
from versus.measure import Kind, Work, times
from versus.report import Comparison
from versus.setting import Setting


def argument(setting: Setting, path: Path) -> Iterator[Comparison]:
    array, cache = setting.array, ndstash.Cache(path / "ndstash")

    @cache.memoize(version="1", name="first")
    def first(data: Any) -> float:
        return float(data[0])

    cache["array"] = array
    stored = cache["array"]
    works = [
        Work("ndstash", lambda: first.key(array), Kind.OWN),
        Work("ndstash, argument from the store", lambda: first.key(stored), Kind.OWN),
        Work("BLAKE3 on all cores (the limit)", lambda: ndstash._core.digest(array.data), Kind.ASIDE),
    ]
    if joblib := setting.peers.get("joblib"):
        works.append(Work("joblib.hash", lambda: joblib.hash(array)))
    found = Comparison(
        f"key of a call with an argument of {setting.size}",
        "What a memoized call does before it knows whether it is a hit. An array that came from the store is known by its "
        "digest, and not hashed again. How many times joblib.hash the limit is, and with it ndstash, depends on the processor: "
        "six times on two cores with AVX2 alone, eight to nine with AVX-512.",
        "seconds",
        times(works, setting.rounds),
    )
    found.want_ratio("BLAKE3 on all cores (the limit)", 0.95)
    found.want_ratio("joblib.hash", 8)
    if (known := found.named("ndstash, argument from the store")) is not None:
        found.want_at_most("microseconds, from the store", known.figure.median * 1e6, 20)
    yield found
