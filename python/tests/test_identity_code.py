"""What of a function's own code counts."""

from __future__ import annotations

import pytest
from identities import Project, project, version

from ndstash._identity import identify

__all__ = ["project"]

BASE = "def f(x, y=1):\n    return x + y * 2\n"

SAME = {
    "comment": "# new\ndef f(x, y=1):\n    # why\n    return x + y * 2  # so\n",
    "formatting": "def f( x,\n      y = 1 ):\n\n    return (x\n            + (y*2))\n",
    "docstring": 'def f(x, y=1):\n    """Adds."""\n    return x + y * 2\n',
    "annotations": "def f(x: int, y: 'float' = 1) -> float:\n    return x + y * 2\n",
    "moved by lines": "import os\n\n\n\nA = 3\n\ndef f(x, y=1):\n    return x + y * 2\n",
    "other functions beside it": "def g(): pass\ndef f(x, y=1):\n    return x + y * 2\ndef h(): return 7\n",
    "number in another spelling": "def f(x, y=0x1):\n    return x + y * 0b1_0\n",
    "semicolons": "def f(x, y=1): return x + y * 2;\n",
}

OTHER = {
    "constant changed in the body": "def f(x, y=1):\n    return x + y * 3\n",
    "constant of another type": "def f(x, y=1):\n    return x + y * 2.0\n",
    "constant True for 1": "def f(x, y=1):\n    return x + y * True\n",
    "operator": "def f(x, y=1):\n    return x - y * 2\n",
    "parameter renamed": "def f(x, z=1):\n    return x + z * 2\n",
    "parameter keyword only": "def f(x, *, y=1):\n    return x + y * 2\n",
    "parameter positional only": "def f(x, /, y=1):\n    return x + y * 2\n",
    "default changed": "def f(x, y=2):\n    return x + y * 2\n",
    "default of another type": "def f(x, y=1.0):\n    return x + y * 2\n",
    "no default": "def f(x, y):\n    return x + y * 2\n",
    "a statement more": "def f(x, y=1):\n    x = 0\n    return x + y * 2\n",
    "coroutine": "async def f(x, y=1):\n    return x + y * 2\n",
    "generator": "def f(x, y=1):\n    yield x + y * 2\n",
    "order of statements": "def f(x, y=1):\n    return y * 2 + x\n",
}


@pytest.mark.parametrize("change", SAME)
def test_comment_or_formatting_changed(project: Project, change: str) -> None:
    assert project.version(SAME[change]) == project.version(BASE)


@pytest.mark.parametrize("change", OTHER)
def test_code_changed(project: Project, change: str) -> None:
    assert project.version(OTHER[change]) != project.version(BASE)


def test_every_change_is_another(project: Project) -> None:
    versions = [project.version(source) for source in OTHER.values()]
    assert len(set(versions)) == len(versions)


def test_change_source_and_change_back(project: Project) -> None:
    first = project.version(BASE)
    assert project.version(OTHER["operator"]) != first
    assert project.version(BASE) == first


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("x + 1", "x + 2"),
        ("sin(x)", "cos(x)"),
        ("(1, 2)", "(1, (2,))"),
        ("'a' 'b'", "'a', 'b'"),
        ("0.0", "-0.0"),
        ("-1", "-2"),
        ("b'a'", "'a'"),
        ("[i for i in x]", "[i for i in x if i]"),
        ("lambda: 1", "lambda: 2"),
        ("f'{x}'", "f'{x!r}'"),
        ("f'{x:>3}'", "f'{x:>4}'"),
        ("...", "None"),
        ("1j", "1"),
        (r"'\ud800'", r"'\ud801'"),
        ("x.a.b", "x.b.a"),
        ("x[1:2]", "x[1:3]"),
        ("{1: 2}", "{1, 2}"),
        ("x if y else z", "z if y else x"),
    ],
)
def test_expressions_differ(project: Project, first: str, second: str) -> None:
    sources = [f"from math import sin, cos\nz = 0\ndef f(x, y): return {text}\n" for text in (first, second)]
    assert project.version(sources[0]) != project.version(sources[1])


def test_deep_expressions(project: Project) -> None:
    deep = "def f(x): return " + " + ".join(["x"] * 700)
    assert project.version(deep) == project.version(deep + "\n# so\n") != project.version(deep + " + x")


def test_docstring_of_a_nested_function(project: Project) -> None:
    sources = [f"def f(x):\n    def g():\n        {doc}\n        return x\n    return g()\n" for doc in ("'a'", "'b'")]
    assert project.version(sources[0]) == project.version(sources[1])


def test_two_lambdas_on_one_line(project: Project) -> None:
    module = project.load("subject", "a, b, c = lambda x: x + 1, lambda x: x + 2, lambda x: (lambda y: y + 1)(x)\n")
    assert len({version(module.a), version(module.b), version(module.c)}) == 3
    found = identify(module.a)
    assert found.parts["code"].startswith("syntax")
    assert found.name == "subject.<lambda>"


def test_lambda_in_a_lambda_on_one_line(project: Project) -> None:
    module = project.load("subject", "f = lambda x: (lambda x: x)\ng = f(1)\nh = lambda x: x\n")
    assert version(module.f) != version(module.g) == version(module.h)


def test_lambda_comment_changed(project: Project) -> None:
    assert project.version("f = lambda x: x+1") == project.version("k = 1; f = (lambda   x: x + 1)  # so")


def test_nested_functions_of_one_name(project: Project) -> None:
    source = """
        def make(kind):
            if kind:
                def f(x): return x + 1
            else:
                def f(x): return x - 1
            return f
        """
    module = project.load("subject", source)
    first, second = identify(module.make(True)), identify(module.make(False))
    assert first.name == second.name == "subject.make.<locals>.f"
    assert first.version != second.version
    assert version(module.make(True)) == first.version
    assert first.parts["code"].startswith("syntax")


def test_same_name_in_two_modules(project: Project) -> None:
    first = identify(project.load("one", BASE).f)
    second = identify(project.load("two", BASE).f)
    assert (first.name, second.name) == ("one.f", "two.f")
    assert first.version == second.version


def test_two_functions_one_store(project: Project) -> None:
    module = project.load("subject", "def f(x): return x\ndef g(x): return x + 1\n")
    assert identify(module.f).version != identify(module.g).version
    assert identify(module.f).name != identify(module.g).name


def test_function_from_the_middle_of_a_statement(project: Project) -> None:
    source = """
        import sys
        if sys.version_info:
            try:
                with open(__file__):
                    def f(x): return len(str(x))  # {0}
            finally:
                pass
        """
    assert project.version(source.format("a")) == project.version(source.format("b"))
    assert identify(project.load("subject", source).f).parts["code"].startswith("syntax")


def test_imported_names_are_called_in_another_way(project: Project) -> None:
    """The compiler treats methods of imported modules apart; the source is recognised all the same."""
    module = project.load("subject", "import numpy as np\ndef f(x): return np.sin(x).sum()\n")
    assert identify(module.f).parts["code"].startswith("syntax")


def test_future_annotations(project: Project) -> None:
    source = "from __future__ import annotations\nimport os, sys\ndef f(x):\n    def g(y: list[int]): return y\n    return g(x)\n"
    assert identify(project.load("subject", source).f).parts["code"].startswith("syntax")


def test_private_names_of_a_class(project: Project) -> None:
    source = "class A:\n    __k = 1\n    def f(self): return self.__k + __g()\ndef _A__g(): return {}\n"
    first, second = (version(project.load("subject", source.format(number)).A.f) for number in (1, 2))
    assert first != second


def test_class_in_a_function(project: Project) -> None:
    source = """
        def f(x):
            class A:
                field: {0} = 1
                def g(self, y: {1} = 2):
                    z: {1} = 3
                    return y + z
            return A().g()
        """
    base = project.version(source.format("int", "int"))
    assert project.version(source.format("float", "int")) != base
    texts = "\n        from __future__ import annotations" + source
    base = project.version(texts.format("int", "int"))
    assert project.version(texts.format("float", "int")) != base == project.version(texts.format("int", "float"))


def test_name_that_a_class_in_a_function_sets_itself(project: Project) -> None:
    source = "k = {}\ndef f(x):\n    class A:\n        k = 1\n        l = k\n    return A.l\n"
    assert project.version(source.format(1)) == project.version(source.format(2))


def test_annotations_in_a_nested_function(project: Project) -> None:
    """Where they are not evaluated; else the names in them are names that the function uses."""
    source = "from __future__ import annotations\ndef f(x):\n    def g(y: {0} = 1) -> {0}:\n        z: {0} = y\n        return z\n    return g(x)\n"
    assert project.version(source.format("int")) == project.version(source.format("float"))
