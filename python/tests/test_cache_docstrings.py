"""The examples in the docstrings."""

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import ndstash

NAMES = sorted(
    module.name
    for module in pkgutil.walk_packages(ndstash.__path__, "ndstash.")
    if not module.name.endswith(("__main__", "_core"))
)


def examples() -> list[doctest.DocTest]:
    """Every docstring that has examples."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [test for name in NAMES for test in finder.find(importlib.import_module(name))]
    return [test for test in found if test.examples]


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.name)
def test_examples(example: doctest.DocTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    assert runner.run(example).failed == 0
