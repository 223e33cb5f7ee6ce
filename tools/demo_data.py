#!/usr/bin/env python3
"""Writes real images and tables as .npy files, for `ndstash demo`.

Everything comes out of packages that tools/setup has installed (tools/requirements-demo.txt); nothing is made up and
nothing is fetched. A file that is there already is left alone. MANIFEST.tsv says where each came from.
"""

import argparse
import csv
import gzip
import hashlib
import importlib.metadata
import importlib.util
import io
import os
import sys
from pathlib import Path

try:
    import numpy as np
    from PIL import Image
except ImportError as missing:
    sys.exit(f"demo_data.py: {missing}; run `tools/setup demo`, then target/venv/bin/python tools/demo_data.py")

CC0 = "CC0"
FREE = "no known copyright restrictions"
PUBLIC = "public domain"
UNSTATED = "not stated; shipped with the package"

# name, file in skimage/data, license as its documentation states it
SKIMAGE = [
    ("astronaut", "astronaut.png", f"{PUBLIC} (NASA)"),
    ("brick", "brick.png", CC0),
    ("camera", "camera.png", f"{CC0} (Lav Varshney)"),
    ("cell", "cell.png", CC0),
    ("chelsea", "chelsea.png", f"{CC0} (Stefan van der Walt)"),
    ("clock", "clock_motion.png", f"{PUBLIC} (Stefan van der Walt)"),
    ("coffee", "coffee.png", f"{CC0} (Rachel Michetti)"),
    ("coins", "coins.png", FREE),
    ("grass", "grass.png", CC0),
    ("gravel", "gravel.png", CC0),
    ("horse", "horse.png", f"{CC0} (Andreas Preuss)"),
    ("hubble", "hubble_deep_field.jpg", f"{PUBLIC} (NASA)"),
    ("ihc", "ihc.png", FREE),
    ("microaneurysms", "microaneurysms.png", f"{CC0} (Andreas Maier)"),
    ("moon", "moon.png", UNSTATED),
    ("motorcycle_left", "motorcycle_left.png", UNSTATED),
    ("motorcycle_right", "motorcycle_right.png", UNSTATED),
    ("page", "page.png", UNSTATED),
    ("retina", "retina.jpg", f"{CC0} (Mikael Haggstrom)"),
    ("rocket", "rocket.jpg", f"{PUBLIC} (SpaceX)"),
    ("text", "text.png", PUBLIC),
]
SKLEARN_IMAGES = [
    ("china", "china.jpg", "CC BY 2.0 (danielbuechele)"),
    ("flower", "flower.jpg", "CC BY 2.0 (vultilion)"),
]
# scikit-learn's files of samples whose last column is the class, behind a first line with counts
CLASSIFIED = [("iris", "iris.csv"), ("wine", "wine_data.csv"), ("breast_cancer", "breast_cancer.csv")]


class Missing(Exception):
    """A package is not there, or has not got a file that it should have."""


def package_folder(module):
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise Missing(f"the package {module} is not installed; `tools/setup demo` does that")
    return Path(spec.submodule_search_locations[0])


class Package:
    """An installed package, and the folder in it that has the data."""

    def __init__(self, distribution, module, folder):
        self.source = f"{distribution} {importlib.metadata.version(distribution)}"
        self.folder = package_folder(module) / folder

    def read(self, file):
        try:
            return (self.folder / file).read_bytes()
        except FileNotFoundError:
            raise Missing(f"{self.source} does not ship {self.folder / file}") from None

    def image(self, file):
        return np.asarray(Image.open(io.BytesIO(self.read(file))))

    def lines(self, file):
        data = self.read(file)
        return (gzip.decompress(data) if file.endswith(".gz") else data).decode().splitlines()

    def table(self, file, skip, delimiter):
        return np.array([[float(cell) for cell in row] for row in csv.reader(self.lines(file)[skip:], delimiter=delimiter)])

    def blanks(self, file, skip):
        return np.array([[float(cell) for cell in line.split()] for line in self.lines(file)[skip:]])

    def numpy(self, file):
        return np.load(io.BytesIO(self.read(file)), allow_pickle=False)


def data():
    """Yields (name, array, source, license) for every file that is to be."""
    skimage = Package("scikit-image", "skimage", "data")
    for name, file, license in SKIMAGE:
        yield f"images/{name}", skimage.image(file), skimage.source, license
    yield "images/motorcycle_disparity", skimage.numpy("motorcycle_disp.npz")["arr_0"], skimage.source, UNSTATED
    yield "images/faces", skimage.numpy("lfw_subset.npy"), skimage.source, UNSTATED

    images = Package("scikit-learn", "sklearn", "datasets/images")
    for name, file, license in SKLEARN_IMAGES:
        yield f"images/{name}", images.image(file), images.source, license

    tables = Package("scikit-learn", "sklearn", "datasets/data")
    for name, file in CLASSIFIED:
        table = tables.table(file, 1, ",")
        yield f"tables/{name}", np.ascontiguousarray(table[:, :-1]), tables.source, UNSTATED
        yield f"tables/{name}_target", table[:, -1].astype(np.int64), tables.source, UNSTATED
    digits = tables.table("digits.csv.gz", 0, ",")
    yield "tables/digits", np.ascontiguousarray(digits[:, :-1]), tables.source, UNSTATED
    yield "tables/digits_target", digits[:, -1].astype(np.int64), tables.source, UNSTATED
    yield "tables/diabetes", tables.blanks("diabetes_data_raw.csv.gz", 0), tables.source, UNSTATED
    yield "tables/diabetes_target", tables.blanks("diabetes_target.csv.gz", 0)[:, 0], tables.source, UNSTATED
    for part in ("exercise", "physiological"):
        yield f"tables/linnerud_{part}", tables.blanks(f"linnerud_{part}.csv", 1), tables.source, UNSTATED

    scipy = Package("scipy", "scipy", "stats")
    sobol = scipy.numpy("_sobol_direction_numbers.npz")
    yield "tables/sobol_directions", sobol["vinit"], scipy.source, UNSTATED
    yield "tables/sobol_polynomials", sobol["poly"], scipy.source, UNSTATED


def write(path, data):
    """Makes the file appear whole, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    private = path.with_name(f".{path.name}.{os.getpid()}")
    private.write_bytes(data)
    private.replace(path)


def npy(array):
    out = io.BytesIO()
    np.lib.format.write_array(out, array, allow_pickle=False)
    return out.getvalue()


def stamp():
    """Changes whenever what would be written may change: with this file, and with the packages it reads."""
    versions = [importlib.metadata.version(name) for name in ("numpy", "pillow", "scikit-image", "scikit-learn", "scipy")]
    return hashlib.sha256(Path(__file__).read_bytes() + " ".join(versions).encode()).hexdigest()


def is_done(folder, mark):
    note, manifest = folder / ".written", folder / "MANIFEST.tsv"
    if not (note.is_file() and manifest.is_file() and note.read_text() == mark):
        return False
    rows = manifest.read_text(encoding="utf-8").splitlines()[1:]
    return all((folder / row.split("\t")[0]).is_file() for row in rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).resolve().parent.parent / "target/demo-data")
    folder = parser.parse_args().folder
    mark = stamp()
    if is_done(folder, mark):
        return
    rows, total = [("file", "dtype", "shape", "source", "license")], 0
    for name, array, source, license in data():
        file = npy(array)
        write(folder / f"{name}.npy", file)
        shape = " ".join(str(extent) for extent in array.shape)
        rows.append((f"{name}.npy", str(array.dtype), shape, source, license))
        total += len(file)
    write(folder / "MANIFEST.tsv", "".join("\t".join(row) + "\n" for row in rows).encode())
    write(folder / ".written", mark.encode())
    print(f"demo_data.py: {len(rows) - 1} arrays, {total / 2**20:.1f} MiB, in {folder}")


if __name__ == "__main__":
    try:
        main()
    except (Missing, importlib.metadata.PackageNotFoundError, OSError, ValueError, KeyError) as error:
        sys.exit(f"demo_data.py: {error}")
