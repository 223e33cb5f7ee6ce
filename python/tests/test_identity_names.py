"""What a function names counts: captured values, globals, helpers, modules, imports in its body."""

from __future__ import annotations

import builtins
import functools
import importlib.util
import math
import shutil
import sys
import types
from typing import Any

import numpy as np
import pytest
from identities import Project, project, version

import ndstash
from ndstash._identity import identify, owner, versions

__all__ = ["project"]

HELPED = "def helper(x): return x + {0}\ndef f(x): return helper(x)\n"
TWICE = "def deep(x): return x + {0}\ndef helper(x): return deep(x)\ndef f(x): return helper(x)\n"


def test_helper_changed(project: Project) -> None:
    assert project.version(HELPED.format(1)) != project.version(HELPED.format(2))


def test_helper_of_a_helper_changed(project: Project) -> None:
    assert project.version(TWICE.format(1)) != project.version(TWICE.format(2))


def test_comment_in_a_helper_changed(project: Project) -> None:
    assert project.version(HELPED.format(1)) == project.version(HELPED.format("1  # one"))


def test_helper_changed_and_changed_back(project: Project) -> None:
    first = project.version(HELPED.format(1))
    project.version(HELPED.format(2))
    assert project.version(HELPED.format(1)) == first


def test_helper_in_another_module_changed(project: Project) -> None:
    sources = ["import helpers\ndef f(x): return helpers.go(x)\n", "from helpers import go\ndef f(x): return go(x)\n"]
    for source in sources:
        versions = []
        for number in (1, 2, 1):
            project.write("helpers", f"def go(x): return x + {number}\n")
            versions.append(project.version(source))
        assert versions[0] == versions[2] != versions[1]


def test_helper_in_a_package_changed(project: Project) -> None:
    versions = []
    for number in (1, 2):
        project.write("pack.__init__", "")
        project.write("pack", "")
        project.write("pack.sub.__init__", "")
        project.write("pack.sub", "")
        project.write("pack.sub.deep", f"def go(x): return x + {number}\n")
        versions.append(project.version("import pack.sub.deep\ndef f(x): return pack.sub.deep.go(x)\n"))
    assert versions[0] != versions[1]


def test_other_functions_of_a_module_do_not_count(project: Project) -> None:
    source = "import helpers\ndef f(x): return helpers.go(x)\n"
    project.write("helpers", "def go(x): return x\ndef other(): return 1\n")
    first = project.version(source)
    project.write("helpers", "def go(x): return x\ndef other(): return 2\n")
    assert project.version(source) == first


def test_module_used_as_a_whole(project: Project) -> None:
    source = "import helpers\ndef f(name, x): return getattr(helpers, name)(x)\n"
    project.write("helpers", "def go(x): return x\ndef other(x): return 1\n")
    first = project.version(source)
    project.write("helpers", "def go(x): return x\ndef other(x): return 2\n")
    assert project.version(source) != first


def test_global_changed(project: Project) -> None:
    first, second = (project.version(f"K = {number}\ndef f(x): return x + K\n") for number in (1, 2))
    assert first != second


@pytest.mark.parametrize("kind", ["[1, 2, {}]", "{{'a': {}}}", "{{1, 2, {}}}", "(1, {})", "__import__('numpy').arange({})"])
def test_global_of_any_kind_changed(project: Project, kind: str) -> None:
    first, second, third = (project.version(f"K = {kind.format(number)}\ndef f(x): return x, K\n") for number in (3, 4, 3))
    assert first == third != second


def test_global_in_a_nested_function_changed(project: Project) -> None:
    for body in ("[x + K for _ in x]", "(lambda: K)()", "type('A', (), {'k': K})", "list(K for _ in x)"):
        first, second = (project.version(f"K = {number}\ndef f(x): return {body}\n") for number in (1, 2))
        assert first != second


def test_global_in_the_body_of_a_nested_class_changed(project: Project) -> None:
    source = "K = {}\ndef f(x):\n    class A:\n        k = K\n        K = 3\n    return A.k\n"
    assert project.version(source.format(1)) != project.version(source.format(2))


def test_global_name_changed(project: Project) -> None:
    source = "from math import {} as go\ndef f(x): return go(x)\n"
    assert project.version(source.format("sin")) != project.version(source.format("cos"))


def test_module_stands_for_something_else(project: Project) -> None:
    source = "import {} as m\ndef f(x): return m.sqrt(x)\n"
    assert project.version(source.format("math")) != project.version(source.format("cmath"))


def test_builtin_hidden_by_a_global(project: Project) -> None:
    source = "def f(x): return len(x)\n"
    assert project.version(source) != project.version(source + "def len(x): return 3\n")


def test_two_closures_of_one_text_with_different_captured_values(project: Project) -> None:
    module = project.load("subject", "def make(k):\n    def f(x): return x + k\n    return f\n")
    assert version(module.make(2)) == version(module.make(2)) != version(module.make(5))
    assert version(module.make(1)) != version(module.make(1.0)) != version(module.make(True))


def test_two_closures_with_different_arrays_inside(project: Project) -> None:
    module = project.load("subject", "def make(k):\n    return lambda x: x + k\n")
    first, second = np.zeros(5000), np.zeros(5000)
    second[2500] = 1
    assert version(module.make(first)) == version(module.make(first.copy())) != version(module.make(second))


def test_two_closures_with_different_functions(project: Project) -> None:
    module = project.load("subject", "def make(g):\n    return lambda x: g(x)\ndef a(x): return 1\ndef b(x): return 2\n")
    assert version(module.make(module.a)) != version(module.make(module.b))
    assert version(module.make(math.sin)) != version(module.make(math.cos))


def test_captured_in_an_inner_function_only(project: Project) -> None:
    source = "def make(k):\n    def f(x):\n        def g(): return x + k\n        return g()\n    return f\n"
    module = project.load("subject", source)
    assert version(module.make(1)) != version(module.make(2))


def test_captured_module(project: Project) -> None:
    source = "def make():\n    import helpers\n    def f(x): return helpers.go(x)\n    return f\nf = make()\n"
    versions = []
    for number in (1, 2):
        project.write("helpers", f"def go(x): return x + {number}\n")
        versions.append(project.version(source))
    assert versions[0] != versions[1]


def test_captured_variable_is_not_set_yet(project: Project) -> None:
    source = "def make():\n    def f(x): return g(x)\n    before = look(f)\n    def g(x): return x\n    return before, f\n"
    module = project.load("subject", "from identities import version as look\n" + source)
    before, f = module.make()
    assert before != version(f)


def test_captured_variable_that_becomes_none(project: Project) -> None:
    source = "def make():\n    def f(x): return g\n    first = identify(f)\n    g = None\n    return first, f\n"
    first, f = project.load("subject", "from ndstash._identity import identify\n" + source).make()
    assert first.version != first.check().version == version(f)


@pytest.mark.parametrize("form", ["import helpers", "import helpers as h", "from helpers import go", "from helpers import go as g"])
def test_import_in_the_body(project: Project, form: str) -> None:
    call = {"import helpers": "helpers.go", "import helpers as h": "h.go"}.get(form, form.split()[-1])
    source = f"def f(x):\n    {form}\n    return {call}(x)\n"
    versions = []
    for number in (1, 2, 1):
        project.write("helpers", f"def go(x): return x + {number}\n")
        versions.append(project.version(source))
    assert versions[0] == versions[2] != versions[1]


def test_import_in_the_body_does_not_count_where_its_name_is_a_parameter(project: Project) -> None:
    source = "def f(x):\n    import helpers\n    def g(helpers): return helpers.other\n    return helpers.go(g)\n"
    versions = []
    for go, other in ((1, 1), (1, 2), (2, 1)):
        project.write("helpers", f"def go(x): return {go}\ndef other(x): return {other}\n")
        versions.append(project.version(source))
    assert versions[0] == versions[1] != versions[2]


def test_module_of_others_loaded_and_patched_after_a_look(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(project.folder / "site-packages"))
    project.write("site-packages.seldom", "def go(x): return x\n")
    identity = identify(project.load("subject", "def f(x):\n    import seldom\n    return seldom.go(x)\n").f).check()
    assert "seldom" not in sys.modules
    importlib.import_module("seldom").go = lambda x: 7
    assert identity.check().version != identity.version


def test_this_package_is_not_the_users_own_wherever_it_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, "_owner_of_file", lambda place, top: owner.Owner.OWN)
    assert owner.owner("ndstash._cache") is owner.Owner.INSTALLED
    assert owner.owner("another") is owner.Owner.OWN


def test_module_made_by_hand(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    made = types.ModuleType("made_by_hand")
    monkeypatch.setitem(sys.modules, "made_by_hand", made)
    module = project.load("subject", "import made_by_hand\ndef f(x): return made_by_hand.go(x)\n")
    versions = []
    for number in (1, 2):
        exec(f"def go(x): return x + {number}", vars(made))
        versions.append(version(module.f))
    assert versions[0] != versions[1]


def test_import_in_the_body_is_the_same_before_and_after_it_is_loaded(project: Project) -> None:
    project.write("helpers", "def go(x): return x\n")
    module = project.load("subject", "def f(x):\n    import helpers\n    import colorsys\n    return helpers.go(colorsys.rgb_to_hls)\n")
    before = version(module.f)
    module.f(1)
    assert version(module.f) == before


def test_import_in_the_body_is_left_alone_at_decoration(project: Project) -> None:
    project.write("helpers", "raise RuntimeError\n")
    module = project.load("subject", "def f(x):\n    import helpers\n    return helpers.go(x)\n")
    identity = identify(module.f)
    assert identity.check().check().version == identity.version


def test_relative_import_in_the_body(project: Project) -> None:
    versions = []
    for number in (1, 2):
        project.write("pack.__init__", "")
        project.write("pack", "")
        project.write("pack.helpers", f"def go(x): return x + {number}\n")
        module = project.load("pack.subject", "def f(x):\n    from .helpers import go\n    return go(x)\n")
        versions.append(version(module.f))
    assert versions[0] != versions[1]


def test_recursion(project: Project) -> None:
    source = "def f(x): return x and f(x - {}\n)\n"
    assert project.version(source.format(1)) == project.version(source.format("1  # one")) != project.version(source.format(2))


def test_mutual_recursion(project: Project) -> None:
    source = "def f(x): return x and g(x - {})\ndef g(x): return x and f(x - {})\n"
    versions = {project.version(source.format(a, b)) for a in (1, 2) for b in (1, 2)}
    assert len(versions) == 4
    assert project.version(source.format(1, 2)) in versions


def test_who_calls_whom_in_a_cycle(project: Project) -> None:
    """Three functions that differ only in whom they call."""
    ring = "def f(x): return {}(x)\ndef g(x): return {}(x)\ndef h(x): return {}(x) + 1\n"
    versions = {project.version(ring.format(*calls)) for calls in [("g", "h", "f"), ("h", "h", "f"), ("g", "h", "g"), ("g", "g", "f")]}
    assert len(versions) == 4


def test_many_functions_that_call_each_other(project: Project) -> None:
    count = 40
    calls = " + ".join(f"f{number}(x)" for number in range(count))
    source = "".join(f"def f{number}(x): return {calls} + {number}\n" for number in range(count))
    first = project.version(source, "f0")
    assert project.version(source.replace(f"{calls} + 39\n", f"{calls} + 40\n"), "f0") != first


def test_long_chain_of_helpers(project: Project) -> None:
    source = "def f1500(x): return x\n" + "".join(f"def f{at}(x): return f{at + 1}(x)\n" for at in range(1500))
    assert project.version(source, "f0") != project.version(source.replace("return x\n", "return -x\n"), "f0")


def test_table_of_functions(project: Project) -> None:
    source = "def a(x): return {}\ndef b(x): return 2\nTABLE = {{{}}}\ndef f(k, x): return TABLE[k](x)\n"
    base = project.version(source.format(1, "'a': a, 'b': b"))
    assert project.version(source.format(1, "'b': b, 'a': a")) == base
    assert project.version(source.format(3, "'a': a, 'b': b")) != base
    assert project.version(source.format(1, "'a': b, 'b': a")) != base


def test_set_of_functions(project: Project) -> None:
    source = "def a(x): return {}\ndef b(x): return 2\nALL = {{a, b}}\ndef f(x): return sum(g(x) for g in ALL)\n"
    assert project.version(source.format(1)) == project.version(source.format(1)) != project.version(source.format(3))


def test_table_that_holds_the_function_itself(project: Project) -> None:
    source = "TABLE = {{}}\ndef f(k, x): return TABLE[k](x)\nTABLE['f'] = f\nTABLE['k'] = {}\n"
    assert project.version(source.format(1)) == project.version(source.format(1)) != project.version(source.format(2))


def test_attribute_of_a_helper(project: Project) -> None:
    source = "def helper(x): return x\nhelper.factor = {}\ndef f(x): return x * helper.factor\n"
    assert project.version(source.format(1)) != project.version(source.format(2))


def test_decorator_between(project: Project) -> None:
    source = """
        import functools
        def double(g):
            @functools.wraps(g)
            def wrapper(*a): return {} * g(*a)
            return wrapper
        @double
        def f(x): return x + {}
        """
    versions = {project.version(source.format(a, b)) for a in (2, 3) for b in (1, 2)}
    assert len(versions) == 4
    assert identify(project.load("subject", source.format(2, 1)).f).name == "subject.f"


@pytest.mark.parametrize("decorator", ["functools.lru_cache", "functools.lru_cache(maxsize=3)", "contextlib.contextmanager", "functools.cache"])
def test_decorators_of_the_standard_library(project: Project, decorator: str) -> None:
    source = "import functools, contextlib\n@{}\ndef helper(x): yield x + {}\ndef f(x): return helper(x)\n"
    first, second, third = (project.version(source.format(decorator, number)) for number in (1, 2, 1))
    assert first == third != second


def test_single_dispatch(project: Project) -> None:
    source = """
        import functools
        @functools.singledispatch
        def f(x): return 0
        @f.register
        def _(x: int): return {}
        """
    assert project.version(source.format(1)) == project.version(source.format(1)) != project.version(source.format(2))


def test_wrapper_of_an_installed_package(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the package made of the function cannot be seen; how it was asked to is in the decorator's text."""
    project.write("site-packages.retrying", RETRYING)
    monkeypatch.syspath_prepend(str(project.folder / "site-packages"))
    source = "from retrying import retry\n@retry(times={})\ndef helper(x: {}): return x + {}\ndef f(x): return helper(x)\n"
    versions = {project.version(source.format(a, b, c)) for a in (1, 2) for b in ("int", "float") for c in (1, 2)}
    assert len(versions) == 8
    assert project.version(source.format(1, "int", "1  # one")) in versions


RETRYING = """
import functools, threading
def retry(times):
    lock = threading.Lock()
    def decorate(g):
        @functools.wraps(g)
        def wrapper(*a):
            with lock: return [g(*a) for _ in range(times)]
        return wrapper
    return decorate
"""


def test_callable_object_of_an_installed_package(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write("site-packages.compiling", COMPILING)
    monkeypatch.syspath_prepend(str(project.folder / "site-packages"))
    source = "from compiling import jit\n@jit(fast={})\ndef helper(x): return x + {}\ndef f(x): return helper(x)\n"
    assert len({project.version(source.format(a, b)) for a in (True, False) for b in (1, 2)}) == 4
    assert project.version(source.format(True, 1)) == project.version(source.format("True", "1  # one"))


COMPILING = """
import functools, threading
class jit:
    def __init__(self, fast): self.lock = threading.Lock()
    def __call__(self, g): return Compiled(g)
class Compiled:
    def __init__(self, g): self.lock = threading.Lock(); functools.update_wrapper(self, g)
    def __call__(self, *a): return self.__wrapped__(*a)
"""


def test_memoized_helpers(project: Project, cache: ndstash.Cache) -> None:
    """Helpers that are memoized themselves are followed, unless their version is given by hand."""
    source = "def helper(x): return x + {}\nhelper = CACHE.memoize({})(helper)\ndef f(x): return helper(x)\n"
    monkey = "import builtins\nCACHE = builtins.ndstash_test_cache\n"
    setattr(builtins, "ndstash_test_cache", cache)
    try:
        versions = [project.version(monkey + source.format(*case)) for case in [(1, ""), (2, ""), (1, ""), (1, "version='1'"), (2, "version='1'"), (2, "version='2'")]]
    finally:
        delattr(builtins, "ndstash_test_cache")
    assert versions[0] == versions[2] != versions[1]
    assert versions[3] == versions[4] != versions[5]


def test_memoized_function_that_calls_itself(project: Project, cache: ndstash.Cache) -> None:
    module = project.load("subject", "def f(x): return x and f(x - 1)\n")
    before = version(module.f)
    module.f = cache.memoize(module.f)
    assert version(module.f) == version(module.f)
    assert version(module.f) != before


def test_installed_packages_count_by_name(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(project.folder / "site-packages"))
    source = "import others\ndef f(x): return others.go(x)\n"
    versions = []
    for number in (1, 2):
        project.write("site-packages.others", f"def go(x): return x + {number}\n")
        versions.append(project.version(source))
        project.write("others", "")
        (project.folder / "others.py").unlink()
    assert versions[0] == versions[1]
    assert identify(project.load("subject", source).f).packages == {"others": "unknown"}


def test_what_a_function_of_an_installed_package_has_captured(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(project.folder / "site-packages"))
    project.write("site-packages.makers", "def adder(k):\n    def go(x): return x + k\n    return go\n")
    source = "from makers import adder\nadd = adder({})\ndef f(x): return add(x)\n"
    first, second, again = (project.version(source.format(k)) for k in (1, 2, 1))
    assert first == again != second


@pytest.mark.parametrize("name", ["_bisect.bisect_right", "_queue.SimpleQueue", "_queue", "_socket"])
def test_an_extension_of_the_users_own_counts_by_its_file(project: Project, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Its functions, its classes, and the module as a whole, whatever it holds."""
    extension = name.partition(".")[0]
    library = getattr(importlib.util.find_spec(extension), "origin", "")
    if not library.endswith(".so"):
        pytest.skip("this Python has no such extension in a file")
    copy = shutil.copy(library, project.folder)
    monkeypatch.delitem(sys.modules, extension, raising=False)
    monkeypatch.setitem(owner._known, extension, True)
    module = project.load("subject", f"import {extension}\nit = {name}\ndef f(x): return it\n")
    before = version(module.f)
    assert version(module.f) == before
    with open(copy, "ab") as file:
        file.write(b"changed")
    assert version(module.f) != before


def test_packages_are_recorded_and_count_on_request(project: Project) -> None:
    pytest.importorskip("sklearn")
    module = project.load("subject", "import numpy as np, sklearn\ndef f(x): return np.sin(x), sklearn.clone(x), len(x)\n")
    found = identify(module.f)
    assert found.packages["numpy"] == np.__version__
    assert found.packages["python"].count(".") == 1
    assert found.packages["sklearn"] != "unknown"
    assert identify(module.f, packages=True).version != found.version


def test_version_of_a_package_whose_distribution_has_another_name(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(project.folder / "site-packages"))
    project.write("site-packages.short", "def go(x): return x\n")
    about = project.folder / "site-packages" / "long_name-1.5.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: long-name\nVersion: 1.5\n")
    (about / "top_level.txt").write_text("short\n")
    versions._distributions.cache_clear()
    found = identify(project.load("subject", "import short\ndef f(x): return short.go(x)\n").f).packages
    versions._distributions.cache_clear()
    assert found == {"short": "1.5"}


def test_mutable_default(project: Project) -> None:
    module = project.load("subject", "def f(x, a=[]): return a + [x]\n")
    before = version(module.f)
    module.f.__defaults__[0].append(1)
    assert version(module.f) != before


def test_keyword_default(project: Project) -> None:
    source = "def f(x, *, a=1, b={}): return x\n"
    assert project.version(source.format(1)) != project.version(source.format(2))


def test_sentinel_as_default(project: Project) -> None:
    source = "MISSING = object()\ndef f(x, y=MISSING): return x if y is MISSING else y\n"
    assert project.version(source) == project.version(source)


@pytest.mark.parametrize(
    "write",
    ["seen.append(x)", "seen.extend([x])", "seen[0] = x", "seen[0] += x", "seen += [x]", "seen.insert(0, x)"],
)
def test_variables_that_are_only_written_to_do_not_count(project: Project, write: str) -> None:
    module = project.load("subject", f"seen = [0]\ndef f(x):\n    global seen\n    {write}\n    return x\n")
    identity = identify(module.f)
    module.f(3)
    assert identity.check() is identity


@pytest.mark.parametrize("read", ["seen.append(len(seen))", "seen.append(x); return seen", "seen.pop()", "return seen.append(seen)"])
def test_variables_that_are_read_count(project: Project, read: str) -> None:
    module = project.load("subject", f"seen = [0]\ndef f(x):\n    {read}\n    return x\n")
    before = version(module.f)
    module.seen.append(1)
    assert version(module.f) != before


def test_writing_to_what_is_not_a_plain_container_counts(project: Project) -> None:
    source = "STATE = []\nclass R:\n    def add(self, x): STATE.append(x + {})\nr = R()\ndef f(x):\n    r.add(x)\n    return STATE.copy()\n"
    assert project.version(source.format(1)) != project.version(source.format(2))


def test_plain_container_that_becomes_another_thing(project: Project) -> None:
    module = project.load("subject", "class L(list):\n    pass\nseen = []\ndef f(x):\n    seen.append(x)\n    return x\n")
    identity = identify(module.f)
    module.seen = module.L()
    assert identity.check().version != identity.version


def test_counter_that_is_captured(project: Project) -> None:
    source = "def make():\n    n = 0\n    def f(x):\n        nonlocal n\n        n += 1\n        return x\n    return f\nf = make()\n"
    module = project.load("subject", source)
    before = version(module.f)
    module.f(1)
    assert version(module.f) == before


def test_where_the_code_lies_does_not_count(project: Project) -> None:
    source = "import logging\nlogger = logging.getLogger('a')\ndef f(x):\n    logger.info('%s %s', __name__, __file__)\n    return x\n"
    assert version(project.load("one", source).f) == version(project.load("two", source).f)


def test_partials(project: Project) -> None:
    module = project.load("subject", "def f(a, b, c=0): return a + b + c\n")
    made: list[Any] = [functools.partial(module.f, *a, **k) for a, k in [((1,), {}), ((2,), {}), ((1,), {"c": 2}), ((), {"a": 1})]]
    assert len({version(one) for one in [*made, module.f]}) == 5
    assert version(functools.partial(module.f, 1)) == version(made[0])
    assert identify(made[0]).name == "subject.f"


def test_builtins_and_ufuncs() -> None:
    assert len({version(one) for one in (len, math.sin, np.sin, np.add, np.linalg.norm, str.upper, dict.fromkeys, [].append)}) == 8
    assert identify(np.add).name == "numpy.add"
    assert identify(len).name == "builtins.len"


def test_ignored_names(project: Project) -> None:
    source = "K = {0}\ndef f(x, y={0}): return x + K + y\n"
    first, second = (version(project.load("subject", source.format(n)).f, ignore=["y", "K"]) for n in (1, 2))
    assert first == second


def test_version_by_hand(project: Project) -> None:
    module = project.load("subject", "import threading\ndef f(x, y=threading.Lock()): return x\ng = lambda x: x\n")
    found = identify(module.f, version="3")
    assert (found.name, found.version, found.pinned, found.check()) == ("subject.f", "3", True, found)
    assert identify(module.g, version="3", name="g").name == "g"
    with pytest.raises(TypeError, match="needs a name="):
        identify(module.g, version="3")


def test_name_by_hand(project: Project) -> None:
    first = identify(project.load("one", HELPED.format(1)).f, name="mine")
    second = identify(project.load("two", HELPED.format(1)).f, name="mine")
    assert (first.name, first.version) == (second.name, second.version)
    assert first.name == "mine"


def test_parts_of_two_functions_of_one_name(project: Project) -> None:
    module = project.load("subject", "T = lambda: 1, lambda: 2\ndef f(x): return T\n")
    assert {"subject.<lambda>: code", "subject.<lambda> (2): code"} <= set(identify(module.f).parts)


def test_parts_tell_what_changed(project: Project) -> None:
    first = identify(project.load("subject", "K = 1\n" + HELPED.format("K")).f).parts
    second = identify(project.load("subject", "K = 2\n" + HELPED.format("K")).f).parts
    assert {name for name in first if first[name] != second[name]} == {"subject.helper: global K"}
