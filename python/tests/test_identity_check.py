"""What a later call sees: the same identity while nothing has changed, another one after."""

from __future__ import annotations

import gc
import pickle
import time
import timeit
import weakref
from types import SimpleNamespace
from typing import Any
from unittest import mock

import cloudpickle
import pytest
from identities import Project, project, version

from ndstash._identity import Unidentifiable, identify
from ndstash._keys import describe

__all__ = ["project"]

SOURCE = """
    import time
    import helpers
    from helpers import go
    K = 1
    L = [1, {"a": 2}]
    class A:
        k = 1
        def go(self): return 1
    a = A()
    def inner(x): return x
    def f(x, y=(), *, z=1): return go(x), helpers.other(x), K, L, a.go(), inner(x), time.time(), len(x), make()(x)
    def make():
        k = 1
        def g(x): return k
        return g
    """


@pytest.fixture
def subject(project: Project) -> Any:
    project.write("helpers", "def go(x): return x\ndef other(x): return deep(x)\ndef deep(x): return x + 1\n")
    return project.load("subject", SOURCE)


def test_nothing_changed(subject: Any) -> None:
    identity = identify(subject.f)
    assert identity.check() is identity.check() is identity


CHANGES = {
    "global rebound": lambda m: setattr(m, "K", 2),
    "global of another type": lambda m: setattr(m, "K", True),
    "list changed in place": lambda m: m.L.append(3),
    "map changed deep inside": lambda m: m.L[1].update(a=3),
    "helper rebound": lambda m: setattr(m, "go", m.helpers.deep),
    "helper patched in its module": lambda m: setattr(m.helpers, "other", lambda x: 7),
    "helper of a helper patched": lambda m: setattr(m.helpers, "deep", lambda x: 7),
    "code of a helper replaced": lambda m: setattr(m.inner, "__code__", (lambda x: 7).__code__),
    "defaults replaced": lambda m: setattr(m.f, "__defaults__", (1,)),
    "keyword default replaced": lambda m: m.f.__kwdefaults__.update(z=2),
    "keyword defaults replaced": lambda m: setattr(m.f, "__kwdefaults__", {"z": 2}),
    "method patched": lambda m: setattr(m.A, "go", lambda self: 7),
    "method added": lambda m: setattr(m.A, "__len__", lambda self: 7),
    "class attribute changed": lambda m: setattr(m.A, "k", 2),
    "instance changed": lambda m: setattr(m.a, "k", 2),
    "instance replaced": lambda m: setattr(m, "a", SimpleNamespace(go=lambda: 1)),
    "builtin hidden": lambda m: setattr(m, "len", lambda x: 7),
    "module replaced": lambda m: setattr(m, "time", SimpleNamespace(time=lambda: 7)),
    "global deleted": lambda m: delattr(m, "K"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changed_in_one_session(subject: Any, change: str) -> None:
    identity = identify(subject.f).check()
    CHANGES[change](subject)
    after = identity.check()
    assert after.version != identity.version
    assert after.check() is after


def test_global_changed_and_changed_back(subject: Any) -> None:
    first = identify(subject.f)
    subject.K = 2
    second = first.check()
    subject.K = 1
    assert second.check().version == first.version != second.version


def test_function_redefined_with_another_body(project: Project) -> None:
    namespace: dict[str, Any] = {}
    exec("def g(x): return 1\ndef f(x): return g(x)", namespace)
    before = identify(namespace["f"]).check()
    exec("def g(x): return 2", namespace)
    assert before.check().version != before.version
    exec("def g(x): return 1", namespace)
    assert before.check().version == before.version


def test_monkeypatched_module_of_others(subject: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    identity = identify(subject.f).check()
    with mock.patch("time.time"):
        first = identity.check().version
    monkeypatch.setattr(time, "time", lambda: 7)
    second = identity.check().version
    monkeypatch.setattr(time, "time", time.monotonic)
    third = identity.check().version
    monkeypatch.undo()
    assert len({first, second, third, identity.version}) == 4
    assert identity.check().version == identity.version


def test_names_defined_below_the_function(project: Project) -> None:
    source = "from identities import identify\ndef f(x): return g(x)\nidentity = identify(f)\ndef g(x): return {}\n"
    first, second = (project.load("subject", source.format(n)).identity for n in (1, 2))
    assert first.version == second.version
    assert first.check().version != second.check().version


def test_mutable_default_mutated(project: Project) -> None:
    module = project.load("subject", "def f(x, a=[1]): return a\n")
    identity = identify(module.f)
    module.f.__defaults__[0].append(2)
    other = identity.check()
    module.f.__defaults__[0].pop()
    assert other.version != identity.version == other.check().version


def test_array_changed_in_place(project: Project) -> None:
    module = project.load("subject", "import numpy as np\nA = np.zeros(5000)\ndef f(x): return A[x]\n")
    identity = identify(module.f)
    module.A[2500] = 1
    assert identity.check().version != identity.version


WITHIN = {
    "tuple": ("T = 1, [2]", lambda m: m.T[1].append(3)),
    "tuple with attributes": ("class P(tuple): pass\nT = P((1,))", lambda m: setattr(m.T, "k", 2)),
    "frozen set": ("class A: k = 1\na = A()\nT = frozenset([a])", lambda m: setattr(m.a, "k", 2)),
    "bound method": ("class A:\n    def go(self): return self.k\na = A()\nT = a.go", lambda m: setattr(m.a, "k", 2)),
    "record": ("import numpy as np\nT = np.zeros(1, [('k', 'i4')])[0]", lambda m: m.T.__setitem__("k", 2)),
}


@pytest.mark.parametrize("what", WITHIN)
def test_changed_within_what_looks_fixed(project: Project, what: str) -> None:
    source, change = WITHIN[what]
    module = project.load("subject", f"{source}\ndef f(x): return T\n")
    identity = identify(module.f).check()
    assert identity.check() is identity
    change(module)
    assert identity.check().version != identity.version


def test_captured_variable_rebound(project: Project) -> None:
    source = "def make():\n    k = 1\n    def f(x): return k\n    def put(v):\n        nonlocal k\n        k = v\n    return f, put\n"
    f, put = project.load("subject", source).make()
    identity = identify(f)
    put(2)
    assert identity.check().version != identity.version
    put(1)
    assert identity.check().version == identity.version


def test_function_that_is_new_in_a_table(project: Project) -> None:
    module = project.load("subject", "def a(x): return 1\nT = {'a': a}\ndef f(k, x): return T[k](x)\n")
    identity = identify(module.f)
    module.T["b"] = lambda x: 2
    assert identity.check().version != identity.version
    del module.T["b"]
    assert identity.check().version == identity.version


def test_equal_value_in_another_object_is_the_same(subject: Any) -> None:
    identity = identify(subject.f).check()
    subject.L = [1, {"a": 2}]
    subject.inner = type(subject.inner)(subject.inner.__code__, vars(subject))
    assert identity.check() is not identity
    assert identity.check().version == identity.version


def test_attribute_of_a_function_that_comes_later(project: Project) -> None:
    module = project.load("subject", "def g(x): return x\ndef f(x): return g.k if hasattr(g, 'k') else 0\n")
    identity = identify(module.f)
    module.g.k = 1
    first = identity.check()
    module.g.k = 2
    assert len({identity.version, first.version, first.check().version}) == 3


def test_refused_at_a_later_call(subject: Any) -> None:
    identity = identify(subject.f)
    subject.K = (x for x in ())
    with pytest.raises(Unidentifiable, match="global K"):
        identity.check()


def test_change_while_it_is_identified(project: Project) -> None:
    """A value that gets new code each time it is looked at."""
    source = "class A:\n    def __getstate__(self): return {'g': type('B', (), {'__module__': __name__})}\na = A()\ndef f(x): return a\n"
    with pytest.raises(Unidentifiable):
        version(project.load("subject", source).f)


def test_identities_let_go(project: Project) -> None:
    """Functions that are made for a call are not kept after it."""
    module = project.load("subject", "def make(v): return lambda x: x\n")
    f = module.make(None)
    gone = weakref.ref(f)
    describe(f)
    del f
    gc.collect()
    assert gone() is None


def test_pickled_identity(subject: Any) -> None:
    identity = identify(subject.f).check()
    again = pickle.loads(pickle.dumps(identity)).check()
    assert (again.name, again.version, again.parts) == (identity.name, identity.version, identity.parts)
    pinned = pickle.loads(pickle.dumps(identify(subject.f, version="1", name="n")))
    assert (pinned.name, pinned.version, pinned.pinned) == ("n", "1", True)


def test_identity_of_a_function_that_travels_by_value(project: Project) -> None:
    module = project.load("subject", "def make(k):\n    return lambda x: x + k  # here\n")
    identity = identify(module.make(1))
    again = cloudpickle.loads(cloudpickle.dumps(identity))
    assert again.check().version == identity.version


def test_a_check_is_cheap(project: Project) -> None:
    """Generous by far, for a busy machine: what is meant is below a microsecond."""
    module = project.load("subject", "import numpy as np\nK = 1\ndef f(x): return np.sin(x) + len(x) + K\n")
    check = identify(module.f).check
    assert min(timeit.repeat(check, number=2000, repeat=5)) / 2000 < 20e-6


def test_nothing_is_parsed_twice(subject: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = identify(subject.f)
    monkeypatch.setattr("ast.parse", None)
    subject.K = 2
    assert first.check().version != first.version
