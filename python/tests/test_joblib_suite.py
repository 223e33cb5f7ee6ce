"""joblib's own tests of `Memory`, with the backend of ndstash."""

import os
import re
import subprocess
import sys
from pathlib import Path

PASSED = 63
"""As many as there are in joblib 1.6 without those that are bound to its files. Another version has others."""

MODULES = ("joblib.test.test_memory", "joblib.test.test_memory_async")


def test_joblib_suite(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    plugins = ["joblib_suite", "no:asyncio", "no:cacheprovider"]
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "--rootdir", tmp_path, "-c", tmp_path / "pytest.ini", "-W", "ignore", "-q"]
        + [word for plugin in plugins for word in ("-p", plugin)]
        + ["--tb=short", "--pyargs", *MODULES],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([os.path.dirname(__file__), *filter(None, sys.path)])},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert int(re.findall(r"(\d+) passed", ended.stdout)[0]) >= PASSED, ended.stdout

