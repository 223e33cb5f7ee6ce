"""Every Python example of the README and the docs is run, in the order of the page, in a folder of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MEASURED = {ROOT / "docs" / "performance.md", ROOT / "docs" / "entry-index.md"}
PAGES = [ROOT / "python" / "README.md", *sorted({*(ROOT / "docs").glob("*.md")} - MEASURED)]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_examples_of_a_page_run(page: Path, tmp_path: Path) -> None:
    blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
    assert blocks, "a page without examples"
    # A file: functions of a script are identified by their source.
    script = tmp_path / "page.py"
    script.write_text("\n".join(blocks), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-P", "-W", "error", script], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


def test_the_program_is_in_the_package(tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-P", "-m", "ndstash", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)

    version = run("--version")
    assert (version.returncode, version.stdout.split()[0]) == (0, "ndstash")
    assert run("--store", "s", "init").returncode == 0
    wrong = run("--store", "s", "frobnicate")
    assert wrong.returncode == 2 and "frobnicate" in wrong.stderr
    absent = run("--store", "s", "show", "nothing")
    assert absent.returncode == 1, absent
