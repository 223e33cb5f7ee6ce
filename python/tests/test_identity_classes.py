"""Classes that a function names, methods, instances."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from identities import Project, project, version

from ndstash._identity import identify

__all__ = ["project"]


def pair(project: Project, source: str, first: object = 1, second: object = 2) -> tuple[str, str]:
    """Two versions of a function; that it is the first again when the source is, too, is checked on the way."""
    one, other, again = (project.version(source.replace("@", str(what), 1)) for what in (first, second, first))
    assert one == again
    return one, other


@pytest.mark.parametrize(
    "body",
    [
        "def go(self): return @",
        "def __init__(self): self.k = @",
        "def __add__(self, other): return @",
        "k = @",
        "k = [@]",
        "@property\n    def go(self): return @",
        "@classmethod\n    def go(cls): return @",
        "@staticmethod\n    def go(): return @",
        "go = lambda self: @",
        "class Inner:\n        k = @",
        "def go(self, k=@): return k",
        "import functools\n    @functools.cached_property\n    def go(self): return @",
        "import functools\n    @functools.lru_cache\n    def go(self): return @",
    ],
)
def test_class_that_is_named(project: Project, body: str) -> None:
    body = body.replace("@property", "#property").replace("@classmethod", "#classmethod").replace("@staticmethod", "#static")
    body = body.replace("@functools", "#functools").replace("@", "{0}")
    body = body.replace("#property", "@property").replace("#classmethod", "@classmethod")
    body = body.replace("#static", "@staticmethod").replace("#functools", "@functools")
    versions = [project.version(f"class A:\n    {body.format(n)}\ndef f(x): return A()\n") for n in (1, 2, 1)]
    assert versions[0] == versions[2] != versions[1]


def test_base_class(project: Project) -> None:
    first, second = pair(project, "class B:\n    def go(self): return @\nclass A(B): pass\ndef f(x): return A().go()\n")
    assert first != second


def test_metaclass(project: Project) -> None:
    source = "class M(type):\n    def go(cls): return @\nclass A(metaclass=M): pass\ndef f(x): return A.go()\n"
    first, second = pair(project, source)
    assert first != second


def test_class_docstring_and_comments(project: Project) -> None:
    first, second = pair(project, "class A:\n    @\n    def go(self): return 1\ndef f(x): return A()\n", "'a'", "# b")
    assert first == second


def test_global_instance_of_an_own_class(project: Project) -> None:
    source = "class A:\n    def __init__(self, k): self.k = k\n    def go(self): return {}\na = A({})\ndef f(x): return a.go()\n"
    assert len({project.version(source.format(m, n)) for m in (1, 2) for n in (1, 2)}) == 4


def test_instance_that_refers_to_its_class_and_back(project: Project) -> None:
    source = "class A:\n    def go(self): return a, f, @\na = A()\nA.one = a\ndef f(x): return a.go()\n"
    first, second = pair(project, source)
    assert first != second


def test_super(project: Project) -> None:
    source = """
        class B:
            def go(self): return @
        class A(B):
            def go(self): return super().go()
        f = A.go
        """
    first, second = pair(project, source)
    assert first != second


def test_method_that_is_decorated_before_its_class_is_there(project: Project) -> None:
    source = """
        from identities import identify
        class B:
            def go(self): return {}
        class A(B):
            def go(self): return super().go()
            identity = identify(go)
            def other(self): return 1
        """
    first, second = (project.load("subject", source.format(n)).A.identity.check().version for n in (1, 2))
    assert first != second


def test_bound_methods(project: Project) -> None:
    source = "class A:\n    def __init__(self, k): self.k = k\n    def go(self): return self.helper()\n    def helper(self): return {}\n"
    module = project.load("subject", source.format(1))
    one, two = module.A(1), module.A(2)
    assert version(one.go) == version(module.A(1).go) != version(two.go)
    assert version(one.go) != version(project.load("subject", source.format(2)).A(1).go)
    assert identify(one.go).name == "subject.A.go"


def test_method_overridden_in_a_subclass(project: Project) -> None:
    source = """
        class A:
            def go(self): return self.helper()
            def helper(self): return 1
        class B(A):
            def helper(self): return {}
        """
    module = project.load("subject", source.format(2))
    assert version(module.A().go) != version(module.B().go)
    assert version(module.B().go) != version(project.load("subject", source.format(3)).B().go)


def test_class_and_static_methods(project: Project) -> None:
    source = "class A:\n    k = {}\n    @classmethod\n    def go(cls): return cls.k\n    @staticmethod\n    def st(x): return x\n"
    first, second = (project.load("subject", source.format(n)).A for n in (1, 2))
    assert version(first.go) != version(second.go)
    assert version(first.st) == version(second.st)
    assert version(vars(first)["st"]) == version(first.st)


def test_callable_objects(project: Project) -> None:
    source = "class A:\n    def __init__(self, k): self.k = k\n    def __call__(self, x): return x + self.k + {}\n"
    module = project.load("subject", source.format(1))
    assert version(module.A(1)) == version(module.A(1)) != version(module.A(2))
    assert version(module.A(1)) != version(project.load("subject", source.format(2)).A(1))
    assert identify(module.A(1)).name == "subject.A"


def test_decorator_that_is_a_class(project: Project) -> None:
    source = """
        import functools
        class twice:
            def __init__(self, g): functools.update_wrapper(self, g); self.g = g
            def __call__(self, x): return {} * self.g(x)
        @twice
        def f(x):
            '''{}'''
            return x + {}
        """
    assert len({project.version(source.format(a, "", b)) for a in (1, 2) for b in (1, 2)}) == 4
    assert project.version(source.format(1, "a", 1)) == project.version(source.format(1, "b", 1))


def test_data_class_helpers(project: Project) -> None:
    source = """
        from dataclasses import dataclass, field
        @dataclass({0})
        class A:
            '''{1}'''
            k: {2} = {3}
            l: list = field(default_factory={4}, kw_only={6})
            def go(self): return {5}
        def f(x): return A(x).go()
        """
    base = ["frozen=True", "doc", "int", "1", "list", "0", "False"]
    first = project.version(source.format(*base))
    for at, other, same in [(0, "frozen=False", False), (1, "other", True), (2, "float", True), (3, "2", False), (4, "tuple", False), (5, "1", False), (6, "True", False)]:
        changed = [*base[:at], other, *base[at + 1 :]]
        assert (project.version(source.format(*changed)) == first) is same, other


def test_data_class_is_the_same_in_every_python(project: Project) -> None:
    """The methods that are written for it are byte code without source: they must not be in its identity."""
    source = "from dataclasses import dataclass\n@dataclass(order=True, frozen=True)\nclass A:\n    k: int\ndef f(x): return A(x)\n"
    parts = identify(project.load("subject", source).f).parts
    assert not any("bytecode" in text for text in parts.values())
    assert "subject.A: field k" in parts


def test_named_tuple_helpers(project: Project) -> None:
    for form in ("class A(NamedTuple):\n    a: int\n    b: int = @\n", "A = namedtuple('A', 'a b', defaults=[@])\n"):
        source = f"from typing import NamedTuple\nfrom collections import namedtuple\n{form}def f(x): return A(x)\n"
        first, second = pair(project, source)
        assert first != second
        assert not any("bytecode" in text for text in identify(project.load("subject", source.replace("@", "1")).f).parts.values())


def test_enum_helpers(project: Project) -> None:
    source = "import enum\nclass A(enum.{0}):\n    X = {1}\n    Y = 5\n    def go(self): return {2}\ndef f(x): return A.X.go()\n"
    assert len({project.version(source.format(*case)) for case in [("Enum", 1, 1), ("IntEnum", 1, 1), ("Enum", 2, 1), ("Enum", 1, 2)]}) == 4
    assert project.version(source.format("Enum", 1, 1)) == project.version(source.format("Enum", 1, 1))


@pytest.mark.parametrize("body", ["go = staticmethod(math.@)", "go = enum.nonmember(math.@)", "__secret = '@'", "def __str__(self): return math.@"])
def test_what_an_enum_has_beside_its_members(project: Project, body: str) -> None:
    first, second = pair(project, f"import enum, math\nclass A(enum.Enum):\n    X = 1\n    {body}\ndef f(x): return A.X\n", "sin", "cos")
    assert first != second


def test_an_enum_is_the_same_in_every_python(project: Project) -> None:
    """What the standard library puts into it must not be in its identity."""
    source = "import enum\nclass A(enum.Flag):\n    X = 1\n    def go(self): return 1\ndef f(x): return A.X\n"
    parts = identify(project.load("subject", source).f).parts
    assert {name for name in parts if name.startswith("subject.A: attribute")} == {"subject.A: attribute go"}


def test_property_helpers(project: Project) -> None:
    source = "class A:\n    @property\n    def k(self): return helper()\ndef helper(): return {}\ndef f(x): return A().k\n"
    assert project.version(source.format(1)) != project.version(source.format(2))


@pytest.mark.parametrize("what", ["getter", "setter", "deleter"])
def test_every_part_of_a_property_counts(project: Project, what: str) -> None:
    source = "class A:\n    k = property()\n    @k.@\n    def k(self, *new): helper()\ndef helper(): return {}\ndef f(x): return A()\n"
    assert len({project.version(source.replace("k.@", f"k.{what}").format(n)) for n in (1, 2)}) == 2


def test_abstract_and_generic_classes(project: Project) -> None:
    source = """
        import abc, typing
        T = typing.TypeVar("T")
        class B(abc.ABC):
            @abc.abstractmethod
            def go(self): ...
        class A(B, typing.Generic[T]):
            __slots__ = ("k",)
            def go(self): return {}
        def f(x): return A().go()
        """
    assert project.version(source.format(1)) == project.version(source.format(1)) != project.version(source.format(2))


def test_slots(project: Project) -> None:
    first, second = pair(project, "class A:\n    __slots__ = ('a', '@')\ndef f(x): return A()\n", "b", "c")
    assert first != second


def test_annotations_that_make_fields(project: Project) -> None:
    first, second = pair(project, "class A:\n    k: @\ndef f(x): return A()\n", "int", "float")
    assert first != second


def test_annotation_that_shows_an_address(project: Project) -> None:
    source = "import typing\nclass A:\n    k: typing.Annotated[int, object()]\ndef f(x): return A()\n"
    first, second = project.load("subject", source), project.load("subject", source)
    assert repr(first.A.__annotations__) != repr(second.A.__annotations__)
    assert version(first.f) == version(second.f)


def test_same_class_in_two_modules(project: Project) -> None:
    """What it makes has another type, so results of one must not be taken for those of the other."""
    source = "class A: pass\ndef f(x): return A()\n"
    assert version(project.load("one", source).f) != version(project.load("two", source).f)


def test_array_subclasses_and_estimators(project: Project) -> None:
    sklearn = pytest.importorskip("sklearn.linear_model")
    module = project.load("subject", "def make(m):\n    return lambda x: m.predict(x)\n")
    made: list[Any] = [sklearn.LinearRegression().fit(np.eye(3), [1, 2, y]) for y in (3, 4, 3)]
    versions = [version(module.make(model)) for model in made]
    assert versions[0] == versions[2] != versions[1]
