# SPDX-License-Identifier: Apache-2.0
"""Between numpy arrays of any kind and the float32 buffers of the C library."""
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from . import _core
from ._errors import InputError, input_error

Floats = npt.NDArray[np.float32]
Data = npt.ArrayLike | os.PathLike[str]
"""An array, or the name of a file with one."""
Result = npt.NDArray[Any] | dict[str, npt.NDArray[Any]]
"""One array, or one a name when the model has several outputs."""


class Tensor(NamedTuple):
    """An input or output of a model, for one sample."""

    name: str
    shape: tuple[int, ...]
    low: float  # inputs: the declared range
    high: float
    integers: bool  # outputs: labels

    @property
    def size(self) -> int:
        """Values of one sample."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the array that predict() takes or returns."""
        return np.dtype(np.int64 if self.integers else np.float32)


def read_array(path: str | os.PathLike[str]) -> Floats:
    """The numbers in a .npy or CSV file; a CSV file gives shape (lines, fields)."""
    shape, values = _core.read_array(os.fspath(path))
    return np.frombuffer(values, np.float32).reshape(shape)


def _from_files(x: Any, tensor: Tensor) -> Any:
    """What is in the files that `x` names; anything else as it is."""
    from . import images  # not at the top: `python -m mp2ml.images` runs it as a program
    if images.are_images(x):
        images.check_range(tensor.low, tensor.high, f"input '{tensor.name}'")
        return images.read(x, tensor.shape)
    return read_array(x) if isinstance(x, (str, os.PathLike)) else x


def _transposed(came: Sequence[int], wanted: Sequence[int]) -> bool:
    """True for the same sizes in another order, as pictures with the channels first or last; axes
    of size 1 do not matter."""
    a, b = [n for n in came if n != 1], [n for n in wanted if n != 1]
    return a != b and sorted(a) == sorted(b)


def to_floats(x: Any, tensor: Tensor) -> Floats:
    """`x` as contiguous float32 of shape (samples, count); InputError when it does not fit."""
    try:
        array = np.asarray(_from_files(x, tensor))
    except InputError:
        raise
    except ValueError as error:
        raise input_error(f"input '{tensor.name}': not an array ({error})") from error
    expected = f"(samples, {', '.join(map(str, tensor.shape))})"
    if array.dtype.kind not in "biuf":
        raise input_error(f"input '{tensor.name}': values of type {array.dtype}, "
                          "expected real numbers")
    if array.ndim == 0:
        raise input_error(f"input '{tensor.name}': a single number, expected an array {expected}")
    samples = array.shape[0]
    if samples == 0:
        raise input_error(f"input '{tensor.name}': no samples, expected an array {expected}")
    if array.size != samples * tensor.size:
        raise input_error(
            f"input '{tensor.name}': an array of shape {array.shape} has {samples} samples of "
            f"{array.size // samples} values, expected {tensor.size} values a sample: {expected}")
    if _transposed(array.shape[1:], tensor.shape):
        raise input_error(f"input '{tensor.name}': an array of shape {array.shape} has its axes in "
                          f"another order, expected {expected}: numpy.transpose it")
    with np.errstate(over="ignore"):  # an infinity is reported as out of range
        flat = np.ascontiguousarray(array, dtype=np.float32)
    return flat.reshape(samples, tensor.size)


def collect(x: Data | Mapping[str, Data], tensors: Sequence[Tensor],
            find: Callable[[str], int]) -> list[Floats]:
    """An array for each of `tensors`, all with as many samples. `find` gives a name's number."""
    arrays: list[Floats | None] = [None] * len(tensors)
    names = ", ".join(f"'{t.name}'" for t in tensors)
    if not isinstance(x, Mapping):
        if len(tensors) != 1:
            raise input_error(f"the model has {len(tensors)} inputs: pass a dict with {names}")
        return [to_floats(x, tensors[0])]
    for name, values in x.items():
        i = find(name)
        if i < 0:
            raise input_error(f"the model has no input '{name}', it has {names}")
        if arrays[i] is not None:
            raise input_error(f"input '{tensors[i].name}' is given twice")
        arrays[i] = to_floats(values, tensors[i])
    missing = [t.name for t, a in zip(tensors, arrays) if a is None]
    if missing:
        raise input_error(f"input '{missing[0]}' is missing; the model has {names}")
    found = [a for a in arrays if a is not None]
    if len({len(a) for a in found}) != 1:
        counts = ", ".join(f"{len(a)} in '{t.name}'" for t, a in zip(tensors, found))
        raise input_error(f"the inputs differ in their number of samples: {counts}")
    return found


def empty(tensors: Sequence[Tensor], samples: int) -> list[Floats]:
    """Room for the outputs of `samples` samples."""
    return [np.empty((samples, *t.shape), np.float32) for t in tensors]


def finish(outputs: Sequence[Floats], tensors: Sequence[Tensor]) -> Result:
    """What the caller gets: labels as integers, a single output without a dict."""
    arrays = {t.name: a.astype(np.int64) if t.integers else a for t, a in zip(tensors, outputs)}
    return next(iter(arrays.values())) if len(tensors) == 1 else arrays
