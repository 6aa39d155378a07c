# SPDX-License-Identifier: Apache-2.0
"""The published client interface of he-transformer, over mp2ml: old scripts run unchanged.

    client = pyhe_client.HESealClient(hostname, port, batch_size,
                                      {tensor_name: ("encrypt", flat_data)})
    results = client.get_results()
"""
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

import mp2ml

__all__ = ["HESealClient"]

CONNECT_SECONDS = 30  # old scripts start client and server together
MODES = ("encrypt", "plain")


class HESealClient:
    """Connects (for up to 30 s), sends one batch, waits for the results; all in the constructor.

    `inputs` maps each tensor's name, with or without `import/` and `:0`, to (mode, data): mode
    "encrypt" or "plain" (sent in the clear), data `batch_size` samples one after the other, flat
    or of any shape in C order. Further keyword arguments go to mp2ml.Client.
    """

    def __init__(self, hostname: str, port: int, batch_size: int,
                 inputs: Mapping[str, tuple[str, npt.ArrayLike]], **options: Any) -> None:
        self._results: list[float] = []
        self._done = False
        batch = _batch(batch_size)
        given = _modes_and_data(inputs)
        options.setdefault("connect_timeout", CONNECT_SECONDS)
        self._client = mp2ml.Client(hostname, int(port), **options)
        try:
            self._run(batch, given)
        except BaseException:
            self._client.close()
            raise

    def _run(self, batch: int, given: dict[str, tuple[str, npt.NDArray[Any]]]) -> None:
        names = _match(given, [t.name for t in self._client.inputs])
        counts = {t.name: t.size for t in self._client.inputs}
        x, plain = {}, []
        for name, tensor in names.items():
            mode, data = given[name]
            x[tensor] = _samples(name, data, batch, counts[tensor])
            if mode == "plain":
                plain.append(tensor)
        if any(t.integers for t in self._client.outputs):
            warnings.warn("the server reveals labels only, so get_results() gives one label a "
                          "sample; for scores it must be started with reveal logits", stacklevel=3)
        y = self._client.predict(x, plain=plain)
        parts = list(y.values()) if isinstance(y, dict) else [y]
        flat = np.concatenate([part.reshape(batch, -1) for part in parts], axis=1)
        self._results = [float(value) for value in flat.ravel()]
        self._done = True

    def get_results(self) -> list[float]:
        """All outputs, sample after sample, each in C order."""
        return list(self._results)

    def is_done(self) -> bool:
        """True once there are results, which is when the constructor has returned."""
        return self._done

    def close_connection(self) -> None:
        """Ends the connection; the results stay."""
        self._client.close()


def _batch(batch_size: int) -> int:
    """A batch size of at least 1."""
    if isinstance(batch_size, bool) or not isinstance(batch_size, (int, np.integer)):
        raise ValueError(  # noqa: TRY004 - one kind for all wrong arguments
            f"batch_size {batch_size!r}: expected a whole number, at least 1")
    if batch_size < 1:
        raise ValueError(f"batch_size {batch_size}: expected at least 1")
    return int(batch_size)


def _modes_and_data(inputs: Any) -> dict[str, tuple[str, npt.NDArray[Any]]]:
    """The user's dict, checked as far as that goes without the server."""
    if not isinstance(inputs, Mapping) or not inputs:
        raise ValueError(f"inputs: expected a dict from tensor names to (mode, data), "
                         f"not {_short(inputs)}")
    checked = {}
    for name, value in inputs.items():
        if not isinstance(value, (tuple, list)) or len(value) != 2 or not isinstance(value[0], str):
            raise ValueError(f"tensor '{name}': expected a pair (mode, data) with mode 'encrypt' "
                             f"or 'plain', not {_short(value)}")
        mode, data = value
        if mode not in MODES:
            raise ValueError(f"tensor '{name}': unknown mode '{mode}', "
                             "expected 'encrypt' or 'plain'")
        try:
            checked[name] = (mode, np.asarray(data))
        except ValueError as error:
            raise ValueError(f"tensor '{name}': not an array of numbers ({error})") from error
    return checked


def _bare(name: str) -> str:
    """A tensor's name without `import/` and `:0`."""
    return name.removeprefix("import/").removesuffix(":0")


def _match(given: Mapping[str, Any], tensors: list[str]) -> dict[str, str]:
    """From the user's names to the server's; each of the model's inputs exactly once."""
    expected = ", ".join(f"'{name}'" for name in tensors)
    known = {_bare(name): name for name in tensors}
    names: dict[str, str] = {}
    for name in given:
        if not isinstance(name, str) or (name not in tensors and _bare(name) not in known):
            raise ValueError(f"tensor '{name}': the model has no such input, expected {expected}")
        tensor = name if name in tensors else known[_bare(name)]
        if tensor in names.values():
            raise ValueError(f"tensor '{name}' is given twice")
        names[name] = tensor
    for tensor in tensors:
        if tensor not in names.values():
            raise ValueError(f"tensor '{tensor}' is missing: the model has the inputs {expected}")
    return names


def _samples(name: str, data: npt.NDArray[Any], batch: int, count: int) -> npt.NDArray[Any]:
    """The flat data as (batch, count)."""
    if data.size != batch * count:
        raise ValueError(f"tensor '{name}': {data.size} values came, expected {batch * count} "
                         f"(batch_size {batch} times {count} values a sample)")
    return data.reshape(batch, count)


def _short(value: object) -> str:
    """A value for an error message."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
