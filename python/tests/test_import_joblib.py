"""`ndstash import joblib` and `ndstash import decache`."""

import json
import os
import sys
from collections import OrderedDict
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import joblib
import numpy as np
import pytest

from ndstash.importing import Report, run, trust
from ndstash.joblib import item_key

CALLS: list[Any] = []


def ones(n: int) -> Any:
    CALLS.append(n)
    return {"ones": np.ones(n), "n": np.float32(n), "order": OrderedDict(b=n)}


@pytest.fixture(autouse=True)
def no_calls() -> None:
    CALLS.clear()
    joblib.memory._FUNCTION_HASHES.clear()


def blob_bytes(store: Path) -> int:
    return sum(path.stat().st_size for path in (store / "blobs").rglob("*") if path.is_file())


def fill(location: str | Path, **options: Any) -> Any:
    """Lets joblib's own backend remember two results; one of them, and how it asks the backend of ndstash."""
    function = joblib.Memory(location, verbose=0, **options).cache(ones)
    function(100_000), function(5)
    joblib.memory._FUNCTION_HASHES.clear()
    CALLS.clear()
    return function


def again(location: str | Path) -> Any:
    return joblib.Memory(location, backend="ndstash", verbose=0).cache(ones)


@pytest.mark.parametrize("compress", [False, 3])
def test_results_are_found_under_the_same_identifiers(
    tmp_path: Path, compress: bool | int, capsys: pytest.CaptureFixture[str]
) -> None:
    local = fill(str(tmp_path), compress=compress)
    assert run(["joblib", str(tmp_path)]) == 0
    assert f"2 entries imported into {tmp_path / 'joblib' / 'ndstash'}" in capsys.readouterr().out
    function = again(str(tmp_path))
    found = function(100_000)
    assert found["ones"].tolist() == [1.0] * 100_000 and type(found["n"]) is np.float32
    assert type(found["order"]) is OrderedDict
    assert CALLS == []
    call = (function.func_id, function._get_args_id(5))
    assert function.store_backend.get_metadata(call) == local.store_backend.get_metadata(call)
    assert local.check_call_in_cache(5), "nothing of the other cache is changed"


def test_equal_arrays_come_over_once(tmp_path: Path) -> None:
    memory = joblib.Memory(tmp_path / "old", verbose=0)
    memory.cache(ones)(100_000), memory.cache(np.ones)(100_000)
    assert run(["joblib", str(tmp_path / "old"), "--into", str(tmp_path / "new")]) == 0
    assert blob_bytes(tmp_path / "new") == 800_000


def test_a_second_import_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path)
    assert run(["joblib", str(tmp_path)]) == run(["joblib", str(tmp_path)]) == 0
    assert "2 were there already" in capsys.readouterr().out


@pytest.mark.parametrize("said", ['{"time": 1500000000.5}', '{"time": NaN}', '{"time": "noon"}', "[]", "garbage"])
def test_a_result_is_as_old_as_it_was(tmp_path: Path, said: str) -> None:
    local = fill(tmp_path)
    call = tmp_path / local.func_id / local._get_args_id(5)
    (call / "metadata.json").write_text(said)
    os.utime(call / "output.pkl", (1_600_000_000, 1_600_000_000))
    assert run(["joblib", str(tmp_path)]) == 0
    info = again(tmp_path).store_backend._handle.core.info(item_key((local.func_id, local._get_args_id(5))))
    assert info.created == (1_500_000_000.5 if "5000" in said else 1_600_000_000)


def test_results_of_another_source_are_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path / "old")
    again(tmp_path / "new")(3)
    (code,) = (tmp_path / "old").rglob("func_code.py")
    code.write_text("# first line: 1\ndef ones(n):\n    return 0\n")
    arguments = ["joblib", str(tmp_path / "old"), "--into", str(tmp_path / "new")]
    assert run(arguments) == 1
    assert "another source" in capsys.readouterr().out
    code.unlink()
    assert run(arguments) == 1
    assert "has no func_code.py" in capsys.readouterr().out
    assert len(again(tmp_path / "new").store_backend.get_items()) == 1


def test_what_cannot_be_loaded_keeps_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    local = fill(tmp_path)
    bad = tmp_path / local.func_id / local._get_args_id(5)
    (bad / "output.pkl").write_bytes(b"garbage")
    (bad.parent / local._get_args_id(100_000) / "metadata.json").write_text("garbage")
    assert run(["joblib", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "1 entries imported" in said and f"{local._get_args_id(5)}: " in said
    function = again(tmp_path)
    assert function.check_call_in_cache(100_000) and not function.check_call_in_cache(5)
    assert function.store_backend.get_metadata((function.func_id, function._get_args_id(100_000))) == {}


def test_pickles_that_others_may_write_are_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    local = fill(tmp_path)
    (tmp_path / local.func_id).chmod(0o777)
    assert run(["joblib", str(tmp_path)]) == 1
    assert "may be written by others" in capsys.readouterr().out
    assert run(["joblib", str(tmp_path), "--pickle", "never"]) == 1
    assert "0 entries imported" in capsys.readouterr().out
    assert run(["joblib", str(tmp_path), "--pickle", "always"]) == 0


def test_what_is_no_directory_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["joblib", str(tmp_path / "nowhere")]) == 2
    assert "is no directory" in capsys.readouterr().err
    assert not (tmp_path / "nowhere").exists()


# --- decache ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def decache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A directory as decache 0.1.7 writes it: results whose arrays are references to files of their own."""
    module = ModuleType("decache.types")

    class NumpyBlobReference:
        def __init__(self, array: Any) -> None:
            self.blob_hash, self.dtype, self.shape, self.order = joblib.hash(array), array.dtype, array.shape, "C"

    NumpyBlobReference.__module__, NumpyBlobReference.__qualname__ = "decache.types", "NumpyBlobReference"
    module.NumpyBlobReference = NumpyBlobReference  # type: ignore[attr-defined]
    function = fill(tmp_path)
    array, directory = np.arange(100_000.0), tmp_path / function.func_id
    (tmp_path / "blobs").mkdir()
    joblib.dump(array, tmp_path / "blobs" / joblib.hash(array))
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "decache", ModuleType("decache"))
        patch.setitem(sys.modules, "decache.types", module)
        for n in (5, 100_000):
            value = {"ones": [NumpyBlobReference(array), (NumpyBlobReference(array),)], "n": n}
            joblib.dump(value, directory / function._get_args_id(n) / "output.pkl")
    return tmp_path, function


def test_decache_has_its_arrays_back(decache: Any) -> None:
    path, local = decache
    assert run(["decache", str(path)]) == 0
    function = again(path)
    for n in (5, 100_000):
        found = function(n)
        assert found["n"] == n and type(found["ones"][1]) is tuple
        assert found["ones"][0].tolist() == found["ones"][1][0].tolist() == list(range(100_000))
    assert CALLS == [] and blob_bytes(path / "ndstash") == 800_000
    assert "decache" not in sys.modules


@pytest.mark.parametrize("what", ["gone", "other", "elsewhere", "others may write"])
def test_decache_without_its_arrays_is_left(decache: Any, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    path, local = decache
    (blob,) = (path / "blobs").iterdir()
    if what == "gone":
        blob.unlink()
    elif what == "other":
        joblib.dump(np.arange(3), blob)
    elif what == "elsewhere":
        for output in path.rglob("output.pkl"):
            output.write_bytes(output.read_bytes().replace(blob.name.encode(), b"../" + b"a" * 29))
    else:
        blob.chmod(0o666)
    assert run(["decache", str(path)]) == 1
    said = capsys.readouterr().out
    reason = {"gone": "is not there", "other": "another type or shape", "elsewhere": "is no name of an array"}
    assert "0 entries imported" in said and reason.get(what, "may be written by others") in said


def test_metadata_is_what_joblib_wrote(decache: Any) -> None:
    path, local = decache
    (path / local.func_id / local._get_args_id(5) / "metadata.json").write_text(json.dumps({"time": 7.0}))
    run(["decache", str(path)])
    function = again(path)
    assert function.store_backend.get_metadata((function.func_id, function._get_args_id(5))) == {"time": 7.0}


def test_pickles_are_not_loaded_where_that_is_not_wanted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path)
    assert run(["joblib", str(tmp_path), "--pickle", "never"]) == 1
    assert "those are not loaded" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("owner", "mode", "reason"),
    [(0, 0o600, None), (0, 0o644, None), (1, 0o600, "belongs to user"), (0, 0o660, "may be written"), (0, 0o602, "may be written")],
)
def test_whose_files_are_trusted(owner: int, mode: int, reason: str | None) -> None:
    status: Any = SimpleNamespace(st_uid=os.geteuid() + owner, st_mode=0o100000 | mode)
    found = trust._distrust("there", status)
    assert found is None if reason is None else reason in str(found)


def test_an_error_without_words_is_told_by_its_type() -> None:
    report = Report("there")
    with report.entry("one"):
        raise RuntimeError
    assert report.left == [("one", "RuntimeError")]
