# SPDX-License-Identifier: Apache-2.0
"""MNIST for the examples: find or download it, read it, parse the examples' command lines.

Needs numpy and the standard library. As a program, `export` writes test images as .npy files:

    python mnist_util.py export --out DIR --count N [--start S]

Two data sets share the format: MNIST, and Fashion-MNIST as a substitute for machines that have
neither MNIST nor a network. The environment variable MP2ML_DATASET (mnist or fashion-mnist)
asks for one; MP2ML_DATA names a folder to look in first.
"""
import argparse
import gzip
import hashlib
import http.client
import os
import struct
import sys
import urllib.request
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

__all__ = ["np", "client_argument_parser", "server_argument_parser", "load_mnist_test_data",
           "load_mnist_train_data", "find_data", "DATASETS"]

DATASETS = ("mnist", "fashion-mnist")
TITLES = {"mnist": "MNIST", "fashion-mnist": "Fashion-MNIST"}
PROJECT_ROOT = Path(__file__).resolve().parents[2]
MODELS = Path(__file__).resolve().parent / "models"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mp2ml" / "mnist"
SYSTEM_FASHION = Path("/usr/share/datasets/fashion-mnist")  # Debian package dataset-fashion-mnist

# md5 of the label file after gunzip: tells the data sets apart whoever compressed the file.
LABELS_MD5 = {
    ("mnist", "t10k"): "27ae3e4e09519cfbb04c329615203637",
    ("mnist", "train"): "a25bea736e30d166cdddb491f175f624",
    ("fashion-mnist", "t10k"): "15d484375f8d13e6eb1aabb0c3f46965",
    ("fashion-mnist", "train"): "9018921c3c673c538a1fc5bad174d6f9",
}

MIRRORS = ("https://storage.googleapis.com/cvdf-datasets/mnist/",
           "https://ossci-datasets.s3.amazonaws.com/mnist/")
DOWNLOAD_TIMEOUT_S = 10
# Official .gz files of MNIST: md5 as published, sha256.
OFFICIAL = {
    "t10k-images-idx3-ubyte.gz": (
        "9fb629c4189551a2d022fa330f9573f3",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
    "t10k-labels-idx1-ubyte.gz": (
        "ec29112dd5afa0611ce80d1b7f02629c",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    "train-images-idx3-ubyte.gz": (
        "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
    "train-labels-idx1-ubyte.gz": (
        "d53e105ee54ea40749a09fcbcd1e9432",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
}


# ---- command lines ----

def client_argument_parser() -> argparse.ArgumentParser:
    """Flags of the published client interface."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--hostname", default="localhost", help="where the server runs")
    parser.add_argument("--port", type=int, default=34000)
    parser.add_argument("--batch_size", type=int, default=1, help="number of images")
    parser.add_argument("--encrypt_data_str", choices=("encrypt", "plain"), default="encrypt",
                        help="send the images encrypted or in the clear")
    parser.add_argument("--tensor_name", default="import/input", help="input of the model")
    parser.add_argument("--start_batch", type=int, default=0, help="index of the first image")
    return parser


def server_argument_parser() -> argparse.ArgumentParser:
    """Flags of the example server."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=34000)
    short = (_wanted(None) or "mnist").removesuffix("-mnist")
    parser.add_argument("--model", default=str(MODELS / f"cryptonets-relu-{short}.pb"),
                        help="frozen graph to serve (default: %(default)s)")
    return parser


# ---- finding the files ----

def _file_names(part: str) -> tuple[str, str]:
    """Names of the image and label files of part `t10k` (test) or `train`, without .gz."""
    return f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"


def _read_bytes(folder: Path, name: str) -> bytes | None:
    """The contents of `name` or of `name`.gz in `folder`; None if neither is there."""
    if (folder / name).is_file():
        return (folder / name).read_bytes()
    packed = folder / f"{name}.gz"
    if not packed.is_file():
        return None
    try:
        return gzip.decompress(packed.read_bytes())
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{packed}: damaged ({error})") from error


def _identify(folder: Path, part: str) -> str | None:
    """Which data set `folder` holds; None if files are missing or unknown."""
    images, labels = _file_names(part)
    if not any((folder / (images + end)).is_file() for end in ("", ".gz")):
        return None
    contents = _read_bytes(folder, labels)
    digest = hashlib.md5(contents).hexdigest() if contents else None
    return next((d for d in DATASETS if LABELS_MD5[d, part] == digest), None)


def _local_folders() -> Iterator[Path]:
    """Folders that may hold either data set, best first."""
    roots = [PROJECT_ROOT.parent / "shared" / "data"]
    if os.environ.get("MP2ML_DATA"):
        roots.insert(0, Path(os.environ["MP2ML_DATA"]))
    for root in roots:
        yield from (root / "mnist", root / "fashion-mnist", root)
    yield CACHE


def _download(part: str) -> str:
    """Fetch the official MNIST files of `part` into the cache; "" or why it failed."""
    for name in (f"{n}.gz" for n in _file_names(part)):
        problems = []
        for mirror in MIRRORS:
            try:
                with urllib.request.urlopen(mirror + name, timeout=DOWNLOAD_TIMEOUT_S) as reply:
                    body = reply.read(1 << 24)
            except (OSError, http.client.HTTPException) as error:
                problems.append(f"{mirror + name}: {error}")
                continue
            digests = hashlib.md5(body).hexdigest(), hashlib.sha256(body).hexdigest()
            if digests == OFFICIAL[name]:
                CACHE.mkdir(parents=True, exist_ok=True)
                partial = CACHE / f"{name}.{os.getpid()}.part"
                partial.write_bytes(body)
                partial.replace(CACHE / name)
                break
            problems.append(f"{mirror + name}: wrong checksum (md5 {digests[0]})")
        else:
            return "; ".join(problems)
    return ""


def _wanted(dataset: str | None) -> str | None:
    """The data set asked for by argument or by MP2ML_DATASET; None if any will do."""
    wanted = dataset or os.environ.get("MP2ML_DATASET") or None
    if wanted not in (None, *DATASETS):
        raise ValueError(f"data set {wanted!r}: expected one of {', '.join(DATASETS)}")
    return wanted


def find_data(dataset: str | None = None, part: str = "t10k") -> tuple[Path, str]:
    """Folder with the IDX files of `part` (t10k or train) and the title of the data set.

    Looks in $MP2ML_DATA, ../shared/data beside the project, the cache; then downloads MNIST;
    then takes the system's Fashion-MNIST. `dataset` or MP2ML_DATASET restricts the choice.
    """
    wanted = _wanted(dataset)
    looked = []
    for folder in _local_folders():
        found = _identify(folder, part)
        if found and wanted in (None, found):
            return folder, TITLES[found]
        looked.append(str(folder) + (f" (holds {TITLES[found]})" if found else ""))
    if wanted != "fashion-mnist":
        problem = _download(part)
        if not problem:
            return CACHE, TITLES["mnist"]
        looked.append(f"download failed: {problem}")
    if wanted != "mnist":
        if _identify(SYSTEM_FASHION, part) == "fashion-mnist":
            if wanted is None:
                print("note: MNIST not found, using Fashion-MNIST; serve a Fashion-MNIST model "
                      "(MP2ML_DATASET=fashion-mnist)", file=sys.stderr)
            return SYSTEM_FASHION, TITLES["fashion-mnist"]
        looked.append(f"{SYSTEM_FASHION} (Debian package dataset-fashion-mnist)")
    names = " and ".join(f"{n}[.gz]" for n in _file_names(part))
    title = TITLES[wanted] if wanted else "MNIST or Fashion-MNIST"
    raise FileNotFoundError(f"{title}: {names} not found; set MP2ML_DATA to their folder. "
                            "Looked in:\n  " + "\n  ".join(looked))


# ---- reading ----

def _parse_idx(contents: bytes | None, name: str, dimensions: int) -> np.ndarray:
    """The unsigned bytes of an IDX file: 0, 0, type 8, rank, big-endian sizes, then data."""
    header = 4 + 4 * dimensions
    if contents is None or len(contents) < header or contents[:4] != bytes((0, 0, 8, dimensions)):
        raise ValueError(f"{name}: not an IDX file of {dimensions}-dimensional unsigned bytes")
    shape = struct.unpack(f">{dimensions}I", contents[4:header])
    data = np.frombuffer(contents, np.uint8, offset=header)
    if data.size != np.prod(shape, dtype=np.int64):
        raise ValueError(f"{name}: {data.size} values, its header says {shape}")
    return data.reshape(shape)


def _load(dataset: str | None, part: str) -> tuple[np.ndarray, np.ndarray, str]:
    """Pixels (n,28,28) and labels (n,) as unsigned bytes, and the data set's title."""
    folder, title = find_data(dataset, part)
    images, labels = _file_names(part)
    x = _parse_idx(_read_bytes(folder, images), images, 3)
    y = _parse_idx(_read_bytes(folder, labels), labels, 1)
    if x.shape != (len(y), 28, 28) or (len(y) and y.max() > 9):
        raise ValueError(f"{folder}: {x.shape} images do not go with {y.shape} labels")
    return x, y, title


def _as_floats(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixels to float32 (n,28,28,1) in [0,1], labels to one-hot float32 (n,10)."""
    return x[..., None].astype(np.float32) / np.float32(255), np.eye(10, dtype=np.float32)[y]


def _select(count: int, start: int, size: int) -> slice:
    """The range of `size` images from `start`, checked against the `count` that exist."""
    if start < 0 or size < 1 or start + size > count:
        raise ValueError(f"images {start}..{start + size - 1} asked for, 0..{count - 1} exist")
    return slice(start, start + size)


def load_mnist_test_data(start_batch: int, batch_size: int,
                         dataset: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Test images start_batch .. start_batch + batch_size - 1 and their one-hot labels."""
    x, y, _ = _load(dataset, "t10k")
    chosen = _select(len(x), start_batch, batch_size)
    return _as_floats(x[chosen], y[chosen])


def load_mnist_train_data(dataset: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """All 60,000 training images and their one-hot labels."""
    x, y, _ = _load(dataset, "train")
    return _as_floats(x, y)


# ---- export ----

def export(out: Path, start: int, count: int) -> str:
    """Write x.npy (float32) and y.npy (int64 classes) of test images; returns a summary."""
    x, y, title = _load(None, "t10k")
    chosen = _select(len(x), start, count)
    out.mkdir(parents=True, exist_ok=True)
    np.save(out / "x.npy", _as_floats(x[chosen], y[chosen])[0])
    np.save(out / "y.npy", y[chosen].astype(np.int64))
    return f"{title}: test images {start}..{start + count - 1} in {out}/x.npy, y.npy"


def main() -> None:
    """The command line: python mnist_util.py export ..."""
    parser = argparse.ArgumentParser(description="MNIST files for the examples")
    command = parser.add_subparsers(dest="command", required=True).add_parser(
        "export", help="write test images and labels as .npy files")
    command.add_argument("--out", type=Path, required=True, metavar="DIR")
    command.add_argument("--count", type=int, required=True, metavar="N", help="number of images")
    command.add_argument("--start", type=int, default=0, metavar="S", help="first image")
    flags = parser.parse_args()
    try:
        print(export(flags.out, flags.start, flags.count))
    except (OSError, ValueError) as error:
        sys.exit(f"mnist_util: {error}")


if __name__ == "__main__":
    main()
