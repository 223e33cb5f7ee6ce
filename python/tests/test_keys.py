"""Keys of values: equal values have equal keys in every process, others do not."""

from __future__ import annotations

import copyreg
import datetime
import enum
import itertools
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from identities import Project, in_new_process, project
from keytable import DIFFERENT, EQUAL, REFUSED, Plain, key

from ndstash import _core
from ndstash._keys import DEFAULT, File, decimals, describe, describe_call, rounding, significant

__all__ = ["project"]


@pytest.mark.parametrize("case", EQUAL)
def test_equal_values(case: str) -> None:
    first, second = EQUAL[case]
    assert key(first) == key(second)


@pytest.mark.parametrize("case", DIFFERENT)
def test_different_values(case: str) -> None:
    values = DIFFERENT[case]
    keys = [key(value) for value in values]
    alike = [(values[a], values[b]) for a, b in itertools.combinations(range(len(keys)), 2) if keys[a] == keys[b]]
    assert alike == []


@pytest.mark.parametrize("case", REFUSED)
def test_refused_values(case: str) -> None:
    with pytest.raises((TypeError, ValueError)) as refused:
        key([REFUSED[case]])
    assert len(str(refused.value)) > 20
    REFUSED["file"].close()


def test_the_value_of_an_enum_member_counts() -> None:
    first, second = (enum.Enum("Kind", {"A": number}, module="m", qualname="Kind") for number in (1, 2))
    assert key(first.A) != key(second.A)


def test_exceptions_are_the_same_whoever_pickles_them(monkeypatch: pytest.MonkeyPatch) -> None:
    before = key(ValueError("a"))
    monkeypatch.setitem(copyreg.dispatch_table, ValueError, lambda error: (ValueError, ("a", "and its traceback")))
    assert key(ValueError("a")) == before


def test_what_is_registered_with_copyreg_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(copyreg.dispatch_table, Plain, lambda value: (Plain, (), {"a": value.a}))
    assert key(Plain(a=1, b=2)) == key(Plain(a=1, b=3)) != key(Plain(a=2, b=2))


def test_a_field_that_is_not_set_does_not_count() -> None:
    one, two = Later(1), Later(1)
    assert key(one) == key(two)
    two.b = 2
    assert key(one) != key(two)


@dataclass
class Later:
    a: int
    b: int = field(init=False)


def test_refusals_say_why() -> None:
    for case, words in {"generator": "used up by reading", "lock": "cannot pickle '_thread.lock'", "bare object": "only itself"}.items():
        with pytest.raises(TypeError, match=words):
            key(REFUSED[case])


def test_equal_arrays_c_fortran_strided_copied() -> None:
    base = np.arange(10_000.0).reshape(100, 100)
    forms = [base, np.asfortranarray(base), np.repeat(base, 2, axis=1)[:, ::2], base.copy(), base[::-1][::-1], base.T.copy().T]
    assert len({key(form) for form in forms}) == 1


def test_mapped_arrays(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(1000.0))
    assert key(np.load(tmp_path / "a.npy", mmap_mode="r")) == key(np.arange(1000.0))


def test_padding_does_not_count() -> None:
    kind = np.dtype([("a", "i1"), ("b", "f8")], align=True)
    arrays = [np.frombuffer(bytes([fill]) * 64, np.uint8).copy().view(kind) for fill in (0, 255)]
    for one in arrays:
        one["a"], one["b"] = 1, 2.0
    assert arrays[0].tobytes() != arrays[1].tobytes()
    assert key(arrays[0]) == key(arrays[1])


def test_padding_of_long_doubles_does_not_count() -> None:
    arrays = [np.frombuffer(bytes([fill]) * 64, np.uint8).copy().view(np.longdouble) for fill in (0, 255)]
    for one in arrays:
        one[:] = 1.5
    assert key(arrays[0]) == key(arrays[1])
    assert key(arrays[0] + 0j) == key(arrays[1] + 0j) != key(arrays[1] + 1j)


def test_dtypes_of_others_are_told_apart_by_name() -> None:
    """Of one size, they look alike in NumPy's own words."""
    others = pytest.importorskip("ml_dtypes")
    kinds = [others.bfloat16, others.float8_e4m3fn, others.float8_e5m2, others.int4, others.uint4, np.float16]
    keys = [key(np.ones(3, kind)) for kind in kinds]
    assert len(set(keys)) == len(kinds)
    assert key(np.array(1, others.float8_e5m2)) == key(others.float8_e5m2(1)) != key(others.float8_e5m2(2))


KEYS = "from keytable import *\nprint(*(key(value) for pair in EQUAL.values() for value in pair), *(key(value) for values in DIFFERENT.values() for value in values))"


@pytest.mark.parametrize("seed", ["0", "1", "4"])
def test_keys_under_other_hash_seeds(tmp_path: Path, seed: str) -> None:
    here = [key(value) for pair in EQUAL.values() for value in pair]
    here += [key(value) for values in DIFFERENT.values() for value in values]
    there = in_new_process(KEYS, tmp_path, PYTHONHASHSEED=seed).split()
    assert there == here


def test_keys_as_the_independent_maker_makes_them() -> None:
    for value in [*itertools.chain(*EQUAL.values()), *itertools.chain(*DIFFERENT.values())]:
        assert _core.canonical(value, describe) == canonical_key.encode(in_its_words(value))


sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
canonical_key: Any = pytest.importorskip("canonical_key")
ELEMENTS = {"bool", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)), "float16", "float32", "float64", "complex64", "complex128"}


def in_its_words(value: Any) -> Any:
    """A value as the independent maker takes it: what stands for it, all the way down."""
    kind = type(value)
    if kind in (type(None), bool, int, float, complex, str, bytes):
        return value
    if kind in (list, tuple):
        return kind(map(in_its_words, value))
    if kind is dict:
        return canonical_key.Pairs([(in_its_words(name), in_its_words(one)) for name, one in value.items()])
    if kind in (set, frozenset):
        return canonical_key.Items(map(in_its_words, value), kind is frozenset)
    if kind is _core.Named:
        return canonical_key.Named(value.name, in_its_words(value.value))
    if isinstance(value, np.generic) or kind is np.ndarray:
        if value.dtype.name in ELEMENTS and value.dtype.isnative and value.dtype.char not in "gG":
            return canonical_key.Array(value.dtype.name, value.shape, value.tobytes("C"))
    return in_its_words(describe(value))


def test_a_file_stands_for_its_content(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"content" * 1000)
    two.write_bytes(b"content" * 1000)
    assert key(File(one)) == key(File(str(two))) != key(str(one))
    before = key({"in": [File(one)]})
    one.write_bytes(b"other" * 1000)
    assert key({"in": [File(one)]}) != before
    with open(File(one), "rb") as file:
        assert file.read(5) == b"other"
    one.unlink()
    with pytest.raises(OSError, match="one"):
        key(File(one))


def test_files_are_paths() -> None:
    assert repr(File(Path("a"))) == "File('a')"
    assert File("a") == File(Path("a")) != File("b")
    assert len({File("a"), File(Path("a")), File("b")}) == 2


def rounded(value: object, option: object) -> bytes:
    return _core.canonical(value, describe, rounding(option))  # type: ignore[arg-type]


def test_rounding() -> None:
    assert rounded(1.2345, 2) == rounded(1.2312, 2) != rounded(1.24, 2)
    assert rounded(1234.5, -2) == rounded(1200.0, -2)
    assert rounded(1234.5, significant(2)) == rounded(1200.0, None) != rounded(0.0012345, significant(2))
    assert rounded([1.01, {"a": np.array([2.02])}], 1) == rounded([1.02, {"a": np.array([2.01])}], 1)
    assert rounded([1.01], decimals(1, deep=False)) != rounded([1.02], decimals(1, deep=False))
    assert rounded(1.01, decimals(1, deep=False)) == rounded(1.02, decimals(1, deep=False))


def test_rounding_inside_objects() -> None:
    assert rounded(Plain(a=1.01), 1) == rounded(Plain(a=1.02), 1) != rounded(Plain(a=1.11), 1)


def test_rounding_for_each_parameter() -> None:
    found = rounding({"a": 2, "b": significant(3), "c": None})
    assert isinstance(found, dict)
    assert set(found) == {"a", "b"}
    assert rounding(None) is None


@pytest.mark.parametrize("option", [1.5, True, "2", [1], 301, -301, {"a": "x"}])
def test_rounding_that_is_none(option: object) -> None:
    with pytest.raises((TypeError, ValueError), match="digits must be"):
        rounding(option)
    with pytest.raises(ValueError, match="from 1 to 17"):
        significant(18)


def test_sentinels_as_defaults() -> None:
    assert key(DEFAULT("a")) == key(DEFAULT("a")) != key(DEFAULT("b"))


CLASSED = """
    class A:
        def __init__(self, k): self.k = k
        def go(self): return {}
    class B(A):
        def __ndstash_key__(self): return self.k
    def f(x): return {}
    """


def call_key(value: object) -> str:
    return _core.digest(_core.canonical(value, describe_call))


def test_a_method_of_an_argument_changed(project: Project) -> None:
    """In calls the class of an argument counts, in items its name alone."""
    first, second, third = (project.load("subject", CLASSED.format(number, 0)) for number in (1, 2, 1))
    assert call_key(first.A(1)) == call_key(third.A(1)) != call_key(second.A(1))
    assert call_key([{"a": first.A(1)}]) != call_key([{"a": second.A(1)}])
    assert key(first.A(1)) == key(second.A(1)) != key(first.A(2))
    assert call_key(first.B(1)) == call_key(second.B(1)) == key(first.B(1))


def test_two_instances_of_a_class_one_method(project: Project) -> None:
    module = project.load("subject", CLASSED.format(1, 0))
    assert call_key(module.A(1)) == call_key(module.A(1)) != call_key(module.A(2))
    assert key(module.A(1).go) == key(module.A(1).go) != key(module.A(2).go)


def test_functions_and_classes_as_arguments(project: Project) -> None:
    first, second, third = (project.load("subject", CLASSED.format(1, number)) for number in (1, 2, 1))
    assert key(first.f) == key(third.f) != key(second.f)
    assert key(first.A) == key(second.A) == key(third.A)
    changed = project.load("subject", CLASSED.format(2, 1))
    assert key(changed.A) != key(first.A)


def test_function_argument_that_changes_in_one_session(project: Project) -> None:
    module = project.load("subject", "K = 1\ndef f(x): return K\n")
    before = key(module.f)
    module.K = 2
    assert key(module.f) != before
    module.K = 1
    assert key(module.f) == before


def test_values_in_calls_and_items_have_one_key(project: Project) -> None:
    """Unless they are instances of one's own classes."""
    for value in [1, [datetime.date(2020, 1, 1)], {"a": np.zeros(3)}, Path("a"), len, np.array([1, "a"], object)]:
        assert key(value) == call_key(value)


def test_moving_a_module_moves_its_types(project: Project) -> None:
    one = project.load("one", CLASSED.format(1, 0))
    two = project.load("two", CLASSED.format(1, 0))
    assert key(one.A(1)) != key(two.A(1))


def test_a_library_that_is_told_about_once(project: Project) -> None:
    """Rules are kept per type, also of types that compare in ways of their own."""
    source = "class M(type):\n    def __eq__(cls, other): return True\n    def __hash__(cls): return 1\nclass A(metaclass=M):\n    x = 1\nclass B(metaclass=M):\n    def __ndstash_key__(self): return 7\n"
    module = project.load("subject", source)
    assert key(module.A()) != key(module.B())
