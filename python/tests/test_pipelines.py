"""Real pipelines, run twice: equal results, no computation the second time, and every array on disk once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ndstash


def disk_bytes(path: Path) -> int:
    """Without the reserve, which every store keeps for a full disk."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file() and file.name != "reserve")


def sizes(tmp_path: Path, run: Callable[[Any], Any]) -> tuple[int, int]:
    """What a pipeline leaves on disk with ndstash and with joblib's own backend."""
    joblib = pytest.importorskip("joblib")
    pytest.importorskip("ndstash.joblib")
    for backend in ("ndstash", "local"):
        run(joblib.Memory(tmp_path / backend, backend=backend, verbose=0))
    return disk_bytes(tmp_path / "ndstash"), disk_bytes(tmp_path / "local")


def test_a_pipeline_of_scikit_learn(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    random = np.random.default_rng(0)
    data, labels = random.standard_normal((4000, 50)), random.integers(0, 2, 4000)

    def run(memory: Any) -> np.ndarray:
        # The second step returns what it was given: its result is the first one's, byte for byte.
        steps = StandardScaler(), FunctionTransformer(), PCA(5, random_state=0), LogisticRegression()
        pipeline = make_pipeline(*steps, memory=memory).fit(data, labels)
        return np.asarray(pipeline.predict_proba(data))

    own, theirs = sizes(tmp_path, lambda memory: np.testing.assert_array_equal(run(memory), run(memory)))
    assert theirs - own > 0.9 * data.nbytes


def test_features_in_pandas(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    cache, calls = ndstash.Cache(tmp_path / "cache"), []

    @cache.memoize(version="1")
    def load(rows: int) -> Any:
        calls.append("load")
        random = np.random.default_rng(1)
        return pandas.DataFrame({name: random.standard_normal(rows) for name in "abcd"})

    @cache.memoize(version="1")
    def smooth(frame: Any, window: int) -> Any:
        calls.append("smooth")
        return frame.assign(smooth=frame["a"].rolling(window).mean())

    def run() -> Any:
        frame = load(50_000)
        return [smooth(frame, window) for window in (3, 5, 7)]

    first = run()
    assert calls == ["load", "smooth", "smooth", "smooth"]
    for before, after in zip(first, run(), strict=True):
        pandas.testing.assert_frame_equal(before, after)
    assert len(calls) == 4
    # Until it is on disk a file has a second name, which would be counted as well.
    cache.flush()
    # Four columns once, and three of one column each.
    column = 50_000 * 8
    assert 7 * column <= disk_bytes(tmp_path / "cache") < 7.5 * column


def test_a_batch_of_images(tmp_path: Path) -> None:
    skimage = pytest.importorskip("skimage")
    cache, calls = ndstash.Cache(tmp_path / "cache"), []

    @cache.memoize(version="1", ignore="number")
    def outline(image: np.ndarray, number: int) -> dict[str, Any]:
        calls.append(number)
        return {"image": image, "edges": skimage.filters.sobel(image)}

    images = [skimage.util.img_as_float(image) for image in (skimage.data.camera(), skimage.data.coins())]
    first = [outline(image, number) for number, image in enumerate(images * 2)]
    assert calls == [0, 1], "an equal image is the same call"
    cache["images"] = images
    second = [outline(image, 0) for image in cache["images"]]
    assert calls == [0, 1]
    for before, after in zip(first, second, strict=False):
        np.testing.assert_array_equal(before["edges"], after["edges"])
    once = 2 * sum(image.nbytes for image in images)
    assert once <= disk_bytes(tmp_path / "cache") < 1.1 * once
