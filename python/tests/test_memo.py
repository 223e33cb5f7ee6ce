"""Memoized functions: what can be asked of them, and every option."""

import functools
import inspect
import logging
import time
import warnings
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ndstash


def test_with_and_without_parentheses(cache: ndstash.Cache) -> None:
    calls = []

    @cache.memoize
    def one(x: int) -> int:
        calls.append(x)
        return x + 1

    @cache.memoize()
    def two(x: int) -> int:
        calls.append(x)
        return x + 2

    three = cache.memoize(lambda x: calls.append(x) or x + 3, name="three", version="1")
    for function, sum_ in ((one, 2), (two, 3), (three, 4)):
        assert function(1) == sum_ and function(1) == sum_
    assert calls == [1, 1, 1]
    with pytest.raises(TypeError, match="function"):
        cache.memoize(3)
    with pytest.raises(TypeError, match="colour"):
        cache.memoize(colour="red")


def test_it_looks_like_the_function(cache: ndstash.Cache) -> None:
    @cache.memoize
    def function(a: int, *, b: int = 2) -> int:
        """Adds."""
        return a + b

    assert function.__name__ == "function" and function.__doc__ == "Adds."
    assert str(inspect.signature(function)) == "(a: int, *, b: int = 2) -> int"
    assert function.__wrapped__(1, b=1) == 2 and not function.cached(1, b=1)
    assert function.name.endswith("function") and repr(function).startswith("<memoized ")
    with pytest.raises(TypeError, match=r"function\(\) missing 1 required positional argument: 'a'"):
        function()
    with pytest.raises(TypeError, match="unexpected keyword argument 'c'"):
        function(1, c=3)


def test_attributes_of_the_function_stay(cache: ndstash.Cache) -> None:
    def function(x: int) -> int:
        return x

    function.author, function.stats = "me", "not these"
    memoized: Any = cache.memoize(function)
    assert memoized.author == "me" and memoized.stats().hits == 0


def test_where_the_cache_lies_does_not_count(tmp_path: Path) -> None:
    def keys(directory: Path) -> Any:
        cache = ndstash.Cache(directory)

        @cache.memoize
        def function(x: int) -> Any:
            return cache.get(x)

        return function.key(1), function.key(cache)

    assert keys(tmp_path / "a") == keys(tmp_path / "b")


def test_forms_of_a_call_meet(cache: ndstash.Cache) -> None:
    @cache.memoize
    def function(a: int, /, b: int = 2, *rest: int, c: int = 3, **more: int) -> Any:
        return [a, b, rest, c, more]

    first = function.key(1)
    assert all(key == first for key in (function.key(1, 2), function.key(1, b=2), function.key(1, c=3, b=2)))
    others = [function.key(1, 2, 3), function.key(1, a=1), function.key(1, c=4), function.key(1, d=1), function.key(2)]
    assert len({first, *others}) == 6
    assert function.key(1, x=1, y=2) == function.key(1, y=2, x=1)
    assert function(1, 2, 4, d=5) == [1, 2, (4,), 3, {"d": 5}]


def test_what_can_be_asked(cache: ndstash.Cache) -> None:
    calls = []

    @cache.memoize
    def function(x: int) -> list[int]:
        calls.append(x)
        return [x]

    assert not function.cached(1)
    with pytest.raises(KeyError):
        function.get(1)
    assert tuple(function.stats()) == (0, 1)
    assert function(1) == [1] and function.cached(1) and function.get(1) == [1] and calls == [1]
    assert function.call(1) == [1] and calls == [1, 1]
    function.put([99], 1)
    assert function(1) == [99] and calls == [1, 1]
    assert function.forget(1) and not function.forget(1)
    assert function(1) == [1] and calls == [1, 1, 1]
    function(2)
    assert len(function.entries()) == 2
    assert sorted(entry.arguments["x"] for entry in function.entries() if entry.arguments) == [1, 2]
    assert {entry.function for entry in function.entries()} == {function.name}
    assert function.clear() == 2 and not function.cached(1)


def test_the_version_is_that_of_now(cache: ndstash.Cache) -> None:
    added = 1

    @cache.memoize
    def function(x: int) -> int:
        return x + added

    before = function.version
    added = 2
    assert function.version != before and function(1) == 3
    assert function._function.identity.version == function.version


def test_stats_are_of_the_function(cache: ndstash.Cache) -> None:
    one = cache.memoize(lambda x: x, name="one", version="1")
    two = cache.memoize(lambda x: x, name="two", version="1")
    one(1), one(1), one(2), two(1)
    assert tuple(one.stats()) == (1, 2) and tuple(two.stats()) == (0, 1)
    assert tuple(cache.stats()) == (1, 3)
    assert one.stats().computed_seconds > 0


def test_a_value_comes_back_as_it_will_come_back(cache: ndstash.Cache) -> None:
    @cache.memoize
    def function(n: int) -> Any:
        return np.arange(n), (n,), [n]

    first, second = function(100_000), function(100_000)
    for value in (first, second):
        assert [type(part) for part in value] == [np.ndarray, tuple, list]
        assert not value[0].flags.writeable and value[0][-1] == 99_999
    assert first[2] is not second[2]


def test_ignored_parameters(cache: ndstash.Cache) -> None:
    @cache.memoize(ignore=["session", "*", "**"])
    def function(x: int, session: object = None, *rest: Any, **more: Any) -> int:
        return x

    assert function.key(1) == function.key(1, lambda: 0, 5, 6, other=object()) != function.key(2)
    by_place = cache.memoize(lambda x, y: x, ignore=1, name="place", version="1")
    assert by_place.key(1, 2) == by_place.key(1, 3) == by_place.key(1, y=object()) != by_place.key(2, 2)
    assert by_place.using(ignore=-1).key(1, 2) == by_place.key(1, 2)
    for wrong in ("z", 2, "*"):
        with pytest.raises(ValueError, match="no parameter"):
            cache.memoize(lambda x, y: x, ignore=wrong, name="wrong", version="1")


def test_rounding(cache: ndstash.Cache) -> None:
    whole = cache.memoize(lambda x, y: x, round=2, name="whole", version="1")
    assert whole.key(0.111, [0.222]) == whole.key(0.112, [0.224]) != whole.key(0.12, [0.222])
    named = cache.memoize(lambda x, y: x, round={"x": ndstash.significant(2)}, name="named", version="1")
    assert named.key(1234.5, 0.5) == named.key(1210.0, 0.5) != named.key(1210.0, 0.51)


def test_typed(cache: ndstash.Cache) -> None:
    typed = cache.memoize(lambda x: x, name="typed", version="1")
    assert len({typed.key(x) for x in (1, 1.0, True, "1", 1 + 0j, np.int64(1))}) == 6
    untyped = cache.memoize(lambda x: x, name="untyped", version="1", typed=False)
    assert len({untyped.key(x) for x in (1, 1.0, True, 1 + 0j, np.int64(1), np.float32(1))}) == 1
    assert untyped.key([1, {"a": (2.0,)}]) == untyped.key([True, {"a": (2,)}]) != untyped.key([1, {"a": (2.5,)}])
    assert untyped.key("1") != untyped.key(1) and untyped.key(1j) != untyped.key(1)


def test_what_is_put_has_the_tags_of_the_function(cache: ndstash.Cache) -> None:
    function = cache.memoize(lambda x: x, name="f", version="1", tag="mine")
    function.put(5, 1)
    assert [entry.tags for entry in function.entries()] == [("mine",)]


def test_an_argument_that_has_no_key_after_the_call_was_changed(cache: ndstash.Cache) -> None:
    @cache.memoize(warn_mutation=True)
    def function(x: list[object]) -> int:
        x.append(object())
        return 1

    with pytest.warns(ndstash.NdstashWarning, match="has changed an argument"):
        function([])


def test_references_have_the_mode_and_the_place_of_their_function(tmp_path: Path) -> None:
    one, two = (
        ndstash.Cache(tmp_path / place).memoize(np.ones, name="f", version="1", mmap_mode="c").ref(50_000) for place in "ab"
    )
    assert one.get().flags.writeable and not one.get("r").flags.writeable
    assert one.key == two.key and one != two


def test_a_bare_object_as_default(cache: ndstash.Cache) -> None:
    """It stands for "not given": there is nothing else in it to tell it by."""
    nothing = object()

    @cache.memoize(version="1", on_error="raise")
    def function(x: int, y: object = nothing) -> bool:
        return y is nothing

    assert function(1) and function.cached(1) and function.cached(1, nothing) and not function(1, None)
    with pytest.raises(TypeError):
        function(1, object())


def test_own_key(cache: ndstash.Cache) -> None:
    @cache.memoize(key=lambda name, session: name.lower())
    def function(name: str, session: object) -> str:
        return name

    assert function("A", object()) == "A" and function("a", lambda: 0) == "A"
    assert function("b", 1) == "b" and function(session=2, name="B") == "b"


def test_name_and_version_pin_a_function(cache: ndstash.Cache) -> None:
    one = cache.memoize(lambda x: "one", name="f", version="1")
    same = cache.memoize(lambda x: "same", name="f", version="1")
    other = cache.memoize(lambda x: "other", name="f", version="2")
    assert (one(1), same(1), other(1)) == ("one", "one", "other")
    assert one.name == "f" and one.version == "1" and len(one.entries()) == 2


@pytest.mark.parametrize("expire", [0.5, timedelta(milliseconds=500), lambda value: 0.5 if value == [1] else None])
def test_expiry(cache: ndstash.Cache, expire: Any) -> None:
    calls: list[int] = []
    function = cache.memoize(lambda x: calls.append(x) or [x], name="f", version="1", expire=expire)
    function(1), function(1)
    assert calls == [1]
    time.sleep(0.51)
    assert not function.cached(1)
    function(1)
    assert calls == [1, 1]


def test_expiry_may_depend_on_the_result(cache: ndstash.Cache) -> None:
    function = cache.memoize(lambda x: x, name="f", version="1", expire=lambda value: value)
    for x in (None, 100, timedelta(hours=1), 0, -1):
        function(x)
    assert [function.cached(x) for x in (None, 100, timedelta(hours=1), 0, -1)] == [True, True, True, False, False]
    assert function.stats().refused == 2


def test_tags(cache: ndstash.Cache) -> None:
    function = cache.memoize(lambda x: x, name="f", version="1", tag=["a", "b"])
    function(1)
    assert next(iter(function.entries())).tags == ("a", "b")
    assert cache.evict("b") == 1 and not function.cached(1)


def test_keep_says_what_is_stored(cache: ndstash.Cache) -> None:
    function = cache.memoize(lambda x: x, name="f", version="1", keep=lambda value: value is not None)
    assert function(1) == 1 and function(None) is None
    assert function.cached(1) and not function.cached(None)
    assert function.stats().refused == 1


def test_valid_looks_at_what_is_known(cache: ndstash.Cache) -> None:
    good, seen, calls = True, [], []

    def valid(entry: ndstash.EntryInfo) -> bool:
        seen.append((entry.arguments, entry.compute_time))
        return good

    function = cache.memoize(lambda x: calls.append(x) or x, name="f", version="1", valid=valid)
    function(1), function(1)
    assert calls == [1] and seen[0][0] == {"x": 1} and seen[0][1] > 0
    good = False
    function(1)
    assert calls == [1, 1]


def test_modes_of_a_function_and_of_a_call(cache: ndstash.Cache) -> None:
    function = cache.memoize(lambda n: np.zeros(n), name="f", version="1", mmap_mode="c")
    assert function(100_000).flags.writeable and not cache.memoize(lambda n: 0, name="f", version="1")(100_000).flags.writeable
    own = function.using(mmap_mode=None)(100_000)
    own += 1
    assert own.flags.owndata or own.base is not None
    assert function(100_000).sum() == 0 and function.stats().misses == 1


def test_codec_of_a_function(cache: ndstash.Cache) -> None:
    portable = cache.memoize(lambda x: {1, 2}, name="portable", version="1", codec="portable")
    pickled = cache.memoize(lambda x: {1, 2}, name="pickled", version="1", codec="pickle")
    assert portable(1) == pickled(1) == {1, 2}
    assert [next(iter(f.entries())).encoding for f in (portable, pickled)] == ["tree", "pickle-5"]


def test_methods_differ_by_their_objects(cache: ndstash.Cache) -> None:
    calls = []

    class Scale:
        def __init__(self, factor: int) -> None:
            self.factor = factor

        @cache.memoize
        def by(self, x: int) -> int:
            """Scales."""
            calls.append(x)
            return self.factor * x

        @cache.memoize(ignore=["self"])
        def plain(self, x: int) -> int:
            return -x

        @classmethod
        @cache.memoize
        def of_class(cls, x: int) -> str:
            return f"{cls.__name__} {x}"

        @cache.memoize
        @staticmethod
        def static(x: int) -> int:
            return x + 1

    two, three = Scale(2), Scale(3)
    assert [two.by(5), three.by(5), Scale(2).by(5)] == [10, 15, 10] and calls == [5, 5]
    assert two.by.cached(5) and not two.by.cached(6) and two.by.key(5) == Scale.by.key(two, 5)
    assert two.by.__doc__ == "Scales." and str(inspect.signature(two.by)) == "(x: int) -> int"
    assert two.plain.key(1) == three.plain.key(1)
    assert Scale.of_class(1) == two.of_class(1) == "Scale 1"
    assert Scale.static(1) == two.static(1) == 2
    assert two.by.map([5, 6, {"x": 7}]) == [10, 12, 14]
    assert cache.memoize(three.__class__.by.__wrapped__.__get__(three), name="b", version="1")(2) == 6


def test_objects_may_say_what_stands_for_them(cache: ndstash.Cache) -> None:
    class Connected:
        def __init__(self, host: str) -> None:
            self.host, self.connection = host, lambda: 0

        def __ndstash_key__(self) -> str:
            return self.host

        @cache.memoize
        def ask(self, question: str) -> str:
            return f"{self.host}: {question}?"

    assert Connected("a").ask("who") == "a: who?" and Connected("a").ask.cached("who")
    assert not Connected("b").ask.cached("who")


def test_partials_and_callable_objects(cache: ndstash.Cache) -> None:
    def power(base: int, exponent: int) -> int:
        return int(base**exponent)

    class Adder:
        def __init__(self, n: int) -> None:
            self.n = n

        def __call__(self, x: int) -> int:
            return self.n + x

    square, cube = (cache.memoize(functools.partial(power, exponent=n)) for n in (2, 3))
    assert (square(3), cube(3), square(3)) == (9, 27, 9)
    one, two = cache.memoize(Adder(1)), cache.memoize(Adder(2))
    assert (one(1), two(1), one(1)) == (2, 3, 2)
    assert square.stats().hits == 1


def test_generators(cache: ndstash.Cache) -> None:
    def count(n: int) -> Iterator[int]:
        yield from range(n)

    with pytest.raises(TypeError, match="materialize"):
        cache.memoize(count)
    memoized = cache.memoize(count, materialize=True)
    assert memoized(3) == memoized(3) == [0, 1, 2]
    assert memoized.stats().hits == 1


def test_exceptions_go_to_the_caller_and_are_not_stored(cache: ndstash.Cache) -> None:
    calls = []

    @cache.memoize(version="1")
    def function(x: int) -> int:
        calls.append(x)
        if len(calls) < 3:
            raise ValueError(x)
        return x

    for _ in range(2):
        with pytest.raises(ValueError, match="7"):
            function(7)
    assert function(7) == 7 and function(7) == 7 and calls == [7, 7, 7]


def test_a_function_that_calls_itself(cache: ndstash.Cache) -> None:
    @cache.memoize
    def fibonacci(n: int) -> int:
        return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)

    assert fibonacci(60) == 1548008755920
    assert fibonacci.stats().misses == 61


def test_the_same_call_inside_of_itself_runs(cache: ndstash.Cache) -> None:
    depth = []

    @cache.memoize(version="1")
    def function(x: int) -> int:
        depth.append(x)
        return x if len(depth) == 3 else function(x) + 1

    assert function(5) == 7 and depth == [5, 5, 5]


def test_unkeyable_arguments_run_uncached(cache: ndstash.Cache) -> None:
    @cache.memoize
    def function(x: object) -> object:
        return x

    stream = open(__file__)
    with stream, pytest.warns(ndstash.NdstashWarning, match="function has no key") as told:
        assert function(stream) is stream and function(stream) is stream
    assert len(told) == 1 and told[0].filename == __file__
    assert function.stats().failures == 2
    strict = function.using(on_error="raise")
    with open(__file__) as stream, pytest.raises(TypeError):
        strict(stream)
    with pytest.raises(ValueError, match="on_error"):
        cache.memoize(on_error="ignore")


def test_changed_arguments_are_told_of(cache: ndstash.Cache) -> None:
    @cache.memoize(warn_mutation=True)
    def function(x: list[int]) -> int:
        x.append(1)
        return len(x)

    with pytest.warns(ndstash.NdstashWarning, match="changed an argument"):
        assert function([]) == 1
    seen: list[int] = []

    @cache.memoize(warn_mutation=True)
    def quiet(x: list[int]) -> int:
        seen.append(len(seen))
        return len(x)

    assert quiet([1]) == 1


def test_off_and_on(cache: ndstash.Cache) -> None:
    calls: list[int] = []
    function = cache.memoize(lambda x: calls.append(x) or x, name="f", version="1")
    other = cache.memoize(lambda x: x, name="g", version="1")
    with function.off():
        assert function(1) == 1 and function(1) == 1
        other(1)
    assert calls == [1, 1] and not function.cached(1) and other.cached(1)
    with cache.off():
        assert function(1) == 1 and not other.cached(1)
    assert len(calls) == 3 and function(1) == 1 and function(1) == 1 and len(calls) == 4


def test_eval(cache: ndstash.Cache) -> None:
    calls = []

    def function(x: int) -> int:
        calls.append(x)
        return x * 2

    assert cache.eval(function, 4) == cache.eval(function, x=4) == 8 and calls == [4]


def test_explain_names_what_differs(cache: ndstash.Cache) -> None:
    @cache.memoize
    def function(width: int, height: int, depth: int = 1) -> int:
        return width * height * depth

    function(2, 3)
    function(7, 8, 9)
    explanation = function.explain(2, 4)
    assert "not stored" in explanation.reason
    assert [d["part"] for d in explanation.nearest[0].differences] == ["height"]
    assert "height" in str(explanation) and "4" in str(explanation) and "<table>" in explanation._repr_html_()
    assert function.explain(2, 3).reason.endswith(": stored")


def test_references(cache: ndstash.Cache) -> None:
    calls: list[int] = []
    function = cache.memoize(lambda n: calls.append(n) or np.arange(n), name="f", version="1")
    reference = function.ref(100_000)
    assert function.ref(100_000) == reference and calls == [100_000] and reference.exists()
    assert reference.get().sum() == 4999950000 and not reference.get().flags.writeable
    assert reference.get(mmap_mode="c").flags.writeable
    total = cache.memoize(lambda ref: int(ref.get().sum()), name="total", version="1")
    assert total(reference) == 4999950000 and total.cached(function.ref(100_000))
    assert reference.forget() and not reference.exists()
    with pytest.raises(KeyError):
        reference.get()
    kept = cache.memoize(lambda x: x, name="kept", version="1", keep=lambda value: False).ref(5)
    assert kept.get() == 5 and kept.exists() and not kept.forget() and "int" in repr(kept)


def test_map_computes_what_is_missing(cache: ndstash.Cache) -> None:
    calls: list[int] = []
    function = cache.memoize(lambda x, y=0: calls.append(x) or x + y, name="f", version="1")
    function(2)
    assert function.map([1, 2, (3, 4), {"x": 5, "y": 6}, 1]) == [1, 2, 7, 11, 1]
    assert calls == [2, 1, 3, 5] and function.map([]) == []
    with function.off():
        assert function.map([1, 1]) == [1, 1] and len(calls) == 6


def test_the_log_tells_hits_and_misses(cache: ndstash.Cache, caplog: pytest.LogCaptureFixture) -> None:
    function = cache.memoize(lambda x: x, name="f", version="1", expire=0.5)
    with caplog.at_level(logging.DEBUG, "ndstash"):
        function(1), function(1)
        time.sleep(0.51)
        function(1), function.call(1)
    text = [record.getMessage() for record in caplog.records if record.getMessage().startswith("f: ")]
    told = [line.removeprefix("f: ").split(" (")[0] for line in text if "computed in" not in line]
    assert told[0] == "computes: it is not there" and told[1].startswith("hit, ")
    assert told[2:] == ["computes: its time is over", "computes: it is asked for anew"]
    assert sum("computed in" in line for line in text) == 3


def test_verbose_tells_the_terminal(cache: ndstash.Cache, capsys: pytest.CaptureFixture[str]) -> None:
    function = cache.memoize(lambda x: x, name="f", version="1", verbose=1)
    function(1), function(1)
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2 and "computes" in told[0] and "computed in" in told[1]
    function.using(verbose=2)(1)
    assert "hit" in capsys.readouterr().err


def test_memoizing_twice_is_memoizing_once(cache: ndstash.Cache) -> None:
    @cache.memoize
    def function(x: int) -> int:
        return x

    again: Callable[[int], int] = cache.memoize(function)
    function(1)
    assert again(1) == 1 and tuple(function.stats()) == (1, 1)


def test_nothing_is_told_where_nothing_is_wrong(cache: ndstash.Cache) -> None:
    function = cache.memoize(lambda x: {"a": np.arange(x)}, name="f", version="1")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        function(10), function(10)
    stats = function.stats()
    assert (stats.failures, stats.damaged, stats.refused) == (0, 0, 0)
