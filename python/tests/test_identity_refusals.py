"""What has no identity is refused where the function is decorated, with its name and the ways out."""

from __future__ import annotations

import pytest
from identities import Project, project, version

from ndstash._identity import Unidentifiable, identify

__all__ = ["project"]

REFUSED = {
    "generator": "(i for i in range(3))",
    "open file": "open(__file__, 'rb')",
    "lock": "threading.Lock()",
    "iterator": "iter([1])",
    "thread": "threading.local()",
    "connection": "sqlite3.connect(':memory:')",
    "weak reference": "weakref.ref(threading)",
    "coroutine": "go()",
    "frame": "sys._getframe()",
    "something that cannot be copied": "Stubborn()",
    "something that holds itself": "LOOP",
}
HEAD = """
import sqlite3, sys, threading, weakref
async def go(): ...
class Stubborn:
    def __reduce_ex__(self, protocol): raise RuntimeError("no")
LOOP = []
LOOP.append(LOOP)
"""
PLACES = {
    "captured thing": "def make(thing):\n    def f(x): return thing\n    return f\nf = make(THING)\n",
    "global THING": "def f(x): return THING\n",
    "the default of 'thing'": "def f(x, thing=THING): return x\n",
    "the default of 'word'": "def f(x, *, word=THING): return x\n",
    "global TABLE": "TABLE = {'a': [THING]}\ndef f(x): return TABLE\n",
    "subject.g cannot be identified: global THING": "def g(x): return THING\ndef f(x): return g(x)\n",
    "subject.A cannot be identified: the attribute 'thing'": "class A:\n    thing = THING\ndef f(x): return A\n",
    "the function itself": "import functools\nf = functools.partial(print, THING)\n",
}


@pytest.mark.parametrize("thing", REFUSED)
@pytest.mark.filterwarnings("ignore:coroutine", "ignore:unclosed", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_cannot_be_identified(project: Project, thing: str) -> None:
    module = project.load("subject", f"{HEAD}THING = {REFUSED[thing]}\ndef f(x): return THING\n")
    try:
        with pytest.raises(Unidentifiable, match=r"subject.f cannot be identified: global THING: .* Ways out: make it an argument"):
            identify(module.f)
    finally:
        getattr(module.THING, "close", int)()


@pytest.mark.parametrize("place", PLACES)
def test_where_it_is(project: Project, place: str) -> None:
    module = project.load("subject", f"{HEAD}THING = threading.Lock()\n{PLACES[place]}")
    with pytest.raises(Unidentifiable) as refused:
        identify(module.f)
    assert place in str(refused.value)
    assert "lock" in str(refused.value)
    assert isinstance(refused.value, TypeError)


def test_the_ways_out(project: Project) -> None:
    source = f"{HEAD}THING = threading.Lock()\ndef f(x, thing=THING): return THING\n"
    module = project.load("subject", source)
    assert version(module.f, ignore=["thing", "THING"])
    assert version(module.f, version="1") == "1"


def test_ignored_names_are_those_of_the_function_alone(project: Project) -> None:
    module = project.load("subject", "K = (i for i in ())\ndef g(): return K\ndef f(x): return K, g()\n")
    with pytest.raises(Unidentifiable, match="subject.g"):
        version(module.f, ignore=["K"])


def test_function_of_numpy_that_hides_another(project: Project) -> None:
    module = project.load("subject", "import numpy as np\nu = np.frompyfunc(lambda x: x, 1, 1)\ndef f(x): return u(x)\n")
    with pytest.raises(Unidentifiable, match="does not show"):
        identify(module.f)


@pytest.mark.parametrize("fine", ["logging.getLogger('a')", "object()", "print", "sys", "re.compile('a')", "threading.Lock"])
def test_what_can_be_identified(project: Project, fine: str) -> None:
    source = f"import logging, re, sys, threading\nTHING = {fine}\ndef f(x): return THING\n"
    assert project.version(source) == project.version(source)
