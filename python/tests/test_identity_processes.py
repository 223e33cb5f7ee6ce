"""One identity in every process."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from identities import Project, in_new_process, project, version

__all__ = ["project"]

SOURCE = """
    import enum, functools, re, typing
    from dataclasses import dataclass
    from pathlib import Path
    import numpy as np
    class Kind(enum.Enum):
        A, B = "a", {"b", "c", "d"}.__len__()
    @dataclass(frozen=True)
    class Point:
        x: int = 1
        tags: frozenset = frozenset({"p", "q", "r", "s"})
        def go(self): return {"k", "l", "m"}
    NAMES = {"a", "b", "c", "d", "e"}
    TABLE = {name: (lambda x, n=name: n) for name in sorted(NAMES)}
    ALL = {len, print, Point, Kind, re.compile("a|b")}
    ARRAY = np.arange(100.0)
    P = Path("a") / "b"
    T = typing.Dict[str, "int"]
    p = Point()
    def g(x): return f(x), {"u", "v", "w"}
    def f(x, y=frozenset("abcdef"), *, z={"q", "r", "s"}):
        import colorsys
        return g(x), NAMES, TABLE, ALL, ARRAY, P, T, p, Kind, [n for n in NAMES if n in {"x", "y", "z"}], colorsys.rgb_to_hls
    h = functools.partial(f, 3, z={"1", "2", "3"})
    """
PRINT = "import subject\nfrom identities import version\nprint(version(subject.f), version(subject.h))"


@pytest.mark.parametrize("seed", ["0", "1", "2"])
def test_identity_under_other_hash_seeds(project: Project, seed: str) -> None:
    module = project.load("subject", SOURCE)
    here = f"{version(module.f)} {version(module.h)}"
    assert in_new_process(PRINT, project.folder, PYTHONHASHSEED=seed) == here


def test_identity_from_another_folder(project: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What a machine with other paths would see."""
    folder: Path = tmp_path_factory.mktemp("elsewhere") / "deeper"
    folder.mkdir()
    project.write("subject", SOURCE)
    (project.folder / "subject.py").rename(folder / "subject.py")
    there = in_new_process(PRINT, folder, PYTHONHASHSEED="7")
    module = project.load("subject", SOURCE)
    assert there == f"{version(module.f)} {version(module.h)}"


def test_identity_in_a_script_and_at_a_prompt(project: Project) -> None:
    source = "def helper(x): return x + 1\ndef f(x): return helper(x)\n"
    tail = "from identities import version\nfrom ndstash._identity import identify\nprint(identify(f).name, version(f))\n"
    (project.folder / "script.py").write_text(source + tail)
    (project.folder / "moved.py").write_text("# moved\n\n" + source + tail)
    run = "import runpy; runpy.run_path({!r}, run_name='__main__')"
    outputs = {in_new_process(run.format(str(project.folder / name)), project.folder) for name in ("script.py", "moved.py")}
    assert len(outputs) == 1
    assert outputs.pop().startswith("__main__.f ")


def test_function_sent_to_where_its_source_is_not(project: Project) -> None:
    """A notebook's function in a worker has the version that it has in the notebook."""
    sender = """
        import sys, types, cloudpickle
        from identities import cell, identify
        main = sys.modules["__main__"].__dict__
        cell("K = 3\\ndef g(x): return x + K\\ndef f(x): return g(x)  # here", main, 1)
        print(cloudpickle.dumps(identify(main["f"])).hex(), identify(main["f"]).version)
        """
    pickled, sent = in_new_process(sender, project.folder).split()
    receiver = f"""
        import pickle
        identity = pickle.loads(bytes.fromhex("{pickled}")).check()
        print(identity.name, identity.version, identity.parts["code"].split()[0])
        """
    assert in_new_process(receiver, project.folder) == f"__main__.f {sent} syntax"


def test_pyc_without_source(project: Project) -> None:
    """Byte code is all there is, and it says so."""
    import py_compile

    path = project.write("subject", "def f(x): return x + 1\n")
    py_compile.compile(str(path), str(path.with_suffix(".pyc")))
    path.unlink()
    show = "import subject\nfrom ndstash._identity import identify\nprint(identify(subject.f).parts['code'].split()[0])"
    assert in_new_process(show, project.folder) == "bytecode"


def test_without_columns_lambdas_on_one_line_differ(project: Project) -> None:
    project.write("subject", "a, b = lambda x: x + 1, lambda x: x + 2\nc = lambda x: x\n")
    show = """
        import subject
        from identities import version
        print(len({version(subject.a), version(subject.b), version(subject.c)}))
        """
    assert in_new_process(show, project.folder, PYTHONNODEBUGRANGES="1") == "3"


@pytest.mark.skipif(sys.flags.optimize > 0, reason="runs it with and without")
def test_optimised_interpreter(project: Project) -> None:
    source = "def f(x):\n    '''doc'''\n    assert x\n    return x\n"
    module = project.load("subject", source)
    show = "import subject\nfrom identities import version\nprint(version(subject.f))"
    assert in_new_process(show, project.folder, PYTHONOPTIMIZE="2") == version(module.f)
