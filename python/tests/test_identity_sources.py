"""Where source comes from, and that it is that of the code: notebooks, files that were edited, code without any."""

from __future__ import annotations

import linecache
import os
import types
from typing import Any

import pytest
from identities import Project, cell, notebook, project, version

from ndstash._identity import bytecode, identify

__all__ = ["project"]

F = "def f(x):\n    return x + {0}\n"


def kind(function: object) -> str:
    """Whether a function is known by syntax or by byte code."""
    return identify(function).parts["code"].split()[0]


def test_notebook_cell_run_again() -> None:
    names = notebook()
    cell("K = 1\ndef f(x): return x + K", names, 1)
    first = identify(names["f"])
    cell("K = 1\ndef f(x):  # the same\n    return x + K", names, 2)
    assert identify(names["f"]).version == first.version
    assert first.check().version == first.version
    cell("def f(x): return x - K", names, 3)
    assert identify(names["f"]).version != first.version
    assert kind(names["f"]) == "syntax"


def test_notebook_cell_of_a_helper_run_again() -> None:
    names = notebook()
    cell("def g(x): return 1", names, 1)
    cell("def f(x): return g(x)", names, 2)
    first = identify(names["f"])
    cell("def g(x): return 2", names, 3)
    second = first.check()
    cell("def g(x): return 1", names, 4)
    assert second.version != first.version == second.check().version


def test_notebook_with_cells_that_wait_at_the_top() -> None:
    names = notebook()
    cell("def f(x): return x  # one", names, 1)
    text = "await something()\ndef f(x): return x  # two\n"
    linecache.cache["<cell 2>"] = (len(text), None, text.splitlines(keepends=True), "<cell 2>")
    first = identify(names["f"]).version
    exec(compile("\n" + text.split("\n", 1)[1], "<cell 2>", "exec"), names)
    assert identify(names["f"]).version == first


def test_script_moved_or_run_as_notebook(project: Project) -> None:
    names = notebook()
    cell(F.format(1), names, 1)
    script = project.write("script", F.format(1))
    ran = types.ModuleType("__main__").__dict__
    exec(compile(script.read_text(), str(script), "exec"), ran)
    imported = project.load("subject", F.format(1)).f
    assert identify(names["f"]).name == identify(ran["f"]).name == "__main__.f"
    assert identify(names["f"]).version == identify(ran["f"]).version
    chosen = [identify(one, name="mine") for one in (names["f"], ran["f"], imported)]
    assert len({(one.name, one.version) for one in chosen}) == 1


def test_main_of_a_spawned_worker_is_the_main_of_its_parent() -> None:
    names = types.ModuleType("__mp_main__").__dict__
    cell("class A: pass\ndef f(x): return A()", names, 1)
    parent = notebook()
    cell("class A: pass\ndef f(x): return A()", parent, 2)
    assert (identify(names["f"]).name, version(names["f"])) == (identify(parent["f"]).name, version(parent["f"]))


def test_code_without_source() -> None:
    made: list[Any] = []
    for body in ("x + 1", "x + 2", "x + 1.0", "sin(x)", "cos(x)", "x.real", "x.imag", "(lambda: 1)()", "(lambda: 2)()", "'a'", "b'a'", r"'\ud800'"):
        names: dict[str, Any] = {}
        exec(f"from math import sin, cos\ndef f(x): return {body}", names)
        assert kind(names["f"]) == "bytecode"
        made.append(names["f"])
    assert len({version(one) for one in made}) == len(made)


def test_code_without_source_is_the_same_at_another_line() -> None:
    first: dict[str, Any] = {}
    second: dict[str, Any] = {}
    exec("def f(x):\n    return [x for x in x]", first)
    exec("\n\n\ndef f(x):\n\n    return [x for x in x]", second)
    assert version(first["f"]) == version(second["f"])


def test_byte_code_counts_with_the_version_of_python(monkeypatch: pytest.MonkeyPatch) -> None:
    here = bytecode.digest_of(kind.__code__)
    monkeypatch.setattr(bytecode, "MAGIC", b"another")
    assert bytecode.digest_of(kind.__code__) != here


def test_file_edited_after_import(project: Project) -> None:
    """The text on disk says something else by now: what runs is what counts."""
    module = project.load("subject", F.format(1))
    linecache.clearcache()
    path = project.folder / "subject.py"
    path.write_text(F.format(2))
    assert kind(module.f) == "bytecode"
    edited = project.load("subject", F.format(2)).f
    assert version(module.f) != version(edited)
    assert kind(edited) == "syntax"


def test_file_edited_elsewhere_after_import(project: Project) -> None:
    module = project.load("subject", F.format(1) + "def g(x): return 1\n")
    before = version(project.load("other", F.format(1)).f)
    linecache.clearcache()
    (project.folder / "subject.py").write_text("import os\n\n\n" + "def g(x): return 2\n" + F.format(1))
    assert kind(module.f) == "syntax"
    assert version(module.f) == before


def test_lambdas_of_a_file_edited_elsewhere(project: Project) -> None:
    module = project.load("subject", "a, b = lambda x: x + 1, lambda x: x + 2\n")
    linecache.clearcache()
    (project.folder / "subject.py").write_text("\nb, c, a = lambda x: x + 2, lambda x: x + 3, lambda x: x + 1\n")
    again = project.load("other", "a = lambda x: x + 1\nb = lambda x: x + 2\n")
    assert (version(module.a), version(module.b)) == (version(again.a), version(again.b))


def test_text_read_before_the_file_was_edited_and_loaded(project: Project) -> None:
    path = project.write("subject", F.format(1))
    linecache.getlines(str(path))
    path.write_text(F.format(2) + "\n\n")
    os.utime(path, (1, 1))
    names: dict[str, Any] = {"__name__": "subject"}
    exec(compile(path.read_text(), str(path), "exec"), names)
    assert kind(names["f"]) == "syntax"


def test_file_that_does_not_parse_any_more(project: Project) -> None:
    module = project.load("subject", F.format(1))
    linecache.clearcache()
    (project.folder / "subject.py").write_text("def f(:")
    assert kind(module.f) == "bytecode"


def test_file_that_is_gone(project: Project) -> None:
    module = project.load("subject", F.format(1))
    linecache.clearcache()
    (project.folder / "subject.py").unlink()
    assert kind(module.f) == "bytecode"


def test_text_with_warnings(project: Project) -> None:
    """An invalid escape must not make source unreadable where warnings are errors."""
    path = project.write("subject", "def f(x):\n    return x + '\\d'\n")
    names: dict[str, Any] = {"__name__": "subject"}
    with pytest.warns((SyntaxWarning, DeprecationWarning)):
        code = compile(path.read_text(), str(path), "exec")
    exec(code, names)
    assert kind(names["f"]) == "syntax"


def test_asserts_that_were_rewritten() -> None:
    """pytest compiles other code than is in the file: it is known by its byte code."""

    def with_assert(x: int) -> int:
        assert x
        return x

    def without(x: int) -> int:
        return x

    assert kind(with_assert) == "bytecode"
    assert kind(without) == "syntax"


def test_code_of_a_builder(project: Project) -> None:
    """Attributes set by hand do not lead astray."""
    module = project.load("subject", F.format(1) + "def g(x): return x\n")
    module.g.__code__ = module.g.__code__.replace(co_name="f", co_firstlineno=1)
    assert kind(module.g) == "bytecode"
    assert version(module.g) != version(module.f)
