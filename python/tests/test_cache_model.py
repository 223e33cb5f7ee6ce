"""The cache against a dict whose keys are told apart by type."""

import pickle
import shutil
import tempfile
from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

import ndstash

plain = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.integers(2**63 - 1, 2**64), st.sampled_from([0.0, -0.0, 1.0, 0.5]),
    st.sampled_from(["", "a", "1", "\u00e9"]), st.sampled_from([b"", b"a"]), st.sampled_from([0j, 1 + 0j]),
)  # fmt: skip
keys = st.one_of(plain, st.tuples(plain), st.tuples(plain, plain), st.frozensets(st.integers(0, 2), max_size=2))
arrays = st.builds(lambda n, kind: np.arange(n).astype(kind), st.sampled_from([0, 3, 9000]), st.sampled_from(["i4", "f8"]))
values = st.one_of(keys, arrays, st.lists(plain, max_size=3), st.dictionaries(st.text(max_size=2), arrays, max_size=2))


def typed(value: Any) -> Any:
    """A value that equals another only if type and content are the same."""
    if isinstance(value, np.ndarray):
        return "array", value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, dict):
        return "dict", [(typed(key), typed(item)) for key, item in value.items()]
    if isinstance(value, list | tuple):
        return type(value).__name__, tuple(typed(item) for item in value)
    if isinstance(value, frozenset):
        return "frozenset", tuple(sorted(value))
    return type(value).__name__, repr(value)


class Model(RuleBasedStateMachine):
    """Does the same with a cache and a dict."""

    @initialize()
    def begin(self) -> None:
        self.directory = tempfile.mkdtemp()
        self.cache = ndstash.Cache(self.directory)
        self.model: dict[Any, tuple[Any, Any]] = {}

    def teardown(self) -> None:
        if hasattr(self, "directory"):
            shutil.rmtree(self.directory)

    @rule(key=keys, value=values)
    def put(self, key: Any, value: Any) -> None:
        self.cache[key] = value
        self.model[typed(key)] = key, value

    @rule(key=keys, value=values)
    def add(self, key: Any, value: Any) -> None:
        assert self.cache.add(key, value) == (typed(key) not in self.model)
        self.model.setdefault(typed(key), (key, value))

    @rule(key=keys, value=values)
    def setdefault(self, key: Any, value: Any) -> None:
        _, there = self.model.setdefault(typed(key), (key, value))
        assert typed(self.cache.setdefault(key, value)) == typed(there)

    @rule(key=keys)
    def get(self, key: Any) -> None:
        _, value = self.model.get(typed(key), (key, None))
        assert typed(self.cache.get(key)) == typed(value)
        assert (key in self.cache) == (typed(key) in self.model)

    @rule(key=keys)
    def pop(self, key: Any) -> None:
        _, value = self.model.pop(typed(key), (key, "nothing"))
        assert typed(self.cache.pop(key, "nothing")) == typed(value)

    @rule(key=keys)
    def delete(self, key: Any) -> None:
        assert self.cache.delete(key) == (self.model.pop(typed(key), None) is not None)

    @rule(key=st.sampled_from(["n", "m"]), delta=st.integers(-2, 2))
    def count(self, key: Any, delta: int) -> None:
        _, before = self.model.get(typed(key), (key, 0))
        self.model[typed(key)] = key, before + delta
        assert self.cache.incr(key, delta) == before + delta

    @precondition(lambda self: self.model)
    @rule(last=st.booleans())
    def popitem(self, last: bool) -> None:
        place = list(self.model)[-1 if last else 0]
        assert typed(self.cache.popitem(last)) == typed(self.model.pop(place))

    @rule()
    def close(self) -> None:
        self.cache.close()

    @rule()
    def open_another(self) -> None:
        self.cache = pickle.loads(pickle.dumps(self.cache))

    @rule()
    def collect(self) -> None:
        self.cache.gc()
        assert self.cache.check() == []

    @rule(in_namespace=st.sampled_from(["x", "x/y"]), key=keys)
    def put_elsewhere(self, in_namespace: str, key: Any) -> None:
        self.cache.sub(in_namespace)[key] = "elsewhere"

    @rule()
    def compare(self) -> None:
        assert [typed(key) for key in self.cache] == list(self.model)
        assert [typed(key) for key in reversed(self.cache)] == list(reversed(self.model))
        assert [typed(item) for item in self.cache.items()] == [typed(item) for item in self.model.values()]
        assert len(self.cache) == len(self.model)


TestModel = Model.TestCase
TestModel.settings = settings(
    max_examples=20, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
