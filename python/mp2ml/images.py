# SPDX-License-Identifier: Apache-2.0
"""Pictures as the arrays that models take.

    x = mp2ml.images.read("photos", (96, 96, 3), resize=True)
    python -m mp2ml.images --shape 96x96x3 [--resize] OUT.npy FILE|FOLDER...

Values are uint8, 0 to 255, so the server should do the rest: `mp2ml serve --preprocess`. Needs
Pillow: pip install 'mp2ml[images]'.
"""
import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ._errors import Error, InputError, input_error

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # Pillow's, by the number of channels

StrPath = str | os.PathLike[str]


def read(paths: StrPath | Iterable[StrPath], shape: Sequence[int],
         resize: bool = False) -> npt.NDArray[np.uint8]:
    """All images of `paths` (`files` says which) as uint8, shape (images, *shape).

    `shape` is (height, width), (height, width, channels) or (channels, height, width), with 1, 3 or
    4 channels, to which colours are converted. An image of another size is an InputError, or scaled
    to that size with `resize`, whatever its aspect ratio.
    """
    height, width, channels, first = _layout(shape)
    pillow = _pillow()
    found = files(paths)
    out = np.empty((len(found), *shape), np.uint8)
    for i, path in enumerate(found):
        pixels = _pixels(pillow, path, height, width, channels, resize)
        out[i] = np.moveaxis(pixels, 2, 0) if first else pixels.reshape(tuple(shape))
    return out


def files(paths: StrPath | Iterable[StrPath]) -> list[Path]:
    """The images that `paths` stand for, in order: files as given, of folders all images directly
    in them, sorted by name."""
    found: list[Path] = []
    for path in map(Path, [paths] if isinstance(paths, (str, os.PathLike)) else paths):
        inside = [path]
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if _is_image(p))
            if not inside:
                raise input_error(f"{path}: no images in this folder ({', '.join(SUFFIXES)})")
        found += inside
    if not found:
        raise input_error("no images")
    return found


def are_images(x: Any) -> bool:
    """True for a folder, the name of an image, and a list or tuple of such."""
    if isinstance(x, (list, tuple)):
        return len(x) > 0 and all(are_images(path) for path in x)
    return isinstance(x, (str, os.PathLike)) and (_is_image(Path(x)) or Path(x).is_dir())


def check_range(low: float, high: float, what: str) -> None:
    """InputError unless values from 0 to 255 fit."""
    if low > 0 or high < 254.99:
        raise input_error(
            f"{what}: images hold values from 0 to 255, but the server takes {low:g} to {high:g}; "
            "it should serve with --preprocess scale=1/255, or scale them yourself and give an "
            "array")


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def _layout(shape: Sequence[int]) -> tuple[int, int, int, bool]:
    """(height, width, channels, whether the channels are the first axis) of a model's input."""
    if len(shape) == 2:
        return shape[0], shape[1], 1, False
    for channels in ((1, 3), (4,)):  # 4 is also the side of a tiny image
        if len(shape) == 3 and shape[2] in channels:
            return shape[0], shape[1], shape[2], False
        if len(shape) == 3 and shape[0] in channels:
            return shape[1], shape[2], shape[0], True
    raise input_error(f"the model takes samples of shape ({', '.join(map(str, shape))}), which are "
                      "no images: expected height, width and 1, 3 or 4 channels")


def _pillow() -> Any:
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise Error(f"reading images needs Pillow, which cannot be imported ({error}): "
                    "pip install 'mp2ml[images]'", "ERR_UNSUPPORTED") from error
    return Image, ImageOps


def _pixels(pillow: Any, path: Path, height: int, width: int, channels: int,
            resize: bool) -> npt.NDArray[np.uint8]:
    """One image as (height, width, channels), upright as its camera says."""
    image_module, ops = pillow
    try:
        with image_module.open(path) as file:
            image = ops.exif_transpose(file)
            if image.mode[0] in "IF":
                raise InputError(f"{path}: more than 8 bits a channel, which --preprocess at the "
                                 "server does not expect; give an array", "ERR_INPUT")
            if image.size != (width, height) and not resize:
                raise input_error(f"{path}: {image.width} x {image.height} pixels (width x "
                                  f"height), but the model takes {width} x {height}; --resize, "
                                  "in Python resize=True, scales images")
            image = image.convert(_MODES[channels])
            if image.size != (width, height):
                image = image.resize((width, height), image_module.Resampling.BILINEAR)
            return np.asarray(image, np.uint8).reshape(height, width, channels)
    except (OSError, SyntaxError, ValueError, image_module.DecompressionBombError) as error:
        if isinstance(error, InputError):
            raise
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise input_error(f"{path}: cannot be read as an image: {reason}") from error


def main(arguments: list[str] | None = None) -> int:
    """The command line, which `mp2ml predict --input` calls too; 0 done, 1 failed."""
    parser = argparse.ArgumentParser(prog="python -m mp2ml.images", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", required=True, help="one sample, like 96x96x3",
                        type=lambda text: tuple(map(int, text.split("x"))))
    parser.add_argument("--resize", action="store_true", help="scale images of other sizes")
    parser.add_argument("out", help=".npy file to write")
    parser.add_argument("images", nargs="+", help="image files, or folders of them")
    flags = parser.parse_args(arguments)
    try:
        images = read(flags.images, flags.shape, flags.resize)
        for i, path in enumerate(files(flags.images)):
            print(f"image {i}: {path}")
        with open(flags.out, "wb") as file:
            np.save(file, images)
    except (Error, OSError) as error:
        print(f"mp2ml: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
