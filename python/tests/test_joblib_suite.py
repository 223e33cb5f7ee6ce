"""joblib's own tests of `Memory`, with the backend of ndstash."""

import os
import re
import subprocess
import sys
from pathlib import Path

PASSED = 63
"""As many as there are in joblib 1.6 without those that are bound to its files. Another version has others."""

MODULES = ("joblib.test.test_memory", "joblib.test.test_memory_async")


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "pytest.ini").write_text("[pytest]\n")
    plugins = ["joblib_suite", "no:asyncio", "no:cacheprovider"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "--rootdir", folder, "-c", folder / "pytest.ini", "-W", "ignore", "-q"]
        + [word for plugin in plugins for word in ("-p", plugin)]
        + ["--tb=short", "--pyargs", *MODULES],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([os.path.dirname(__file__), *filter(None, sys.path)])},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
    )


def test_joblib_suite(tmp_path: Path) -> None:
    # One of them wants a call to take less than 0.1 s, which a loaded machine does not promise.
    for tries in ("first", "second"):
        folder = tmp_path / tries
        folder.mkdir()
        ended = run(folder)
        if ended.returncode == 0:
            break
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert int(re.findall(r"(\d+) passed", ended.stdout)[0]) >= PASSED, ended.stdout
