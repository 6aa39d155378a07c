# SPDX-License-Identifier: Apache-2.0
"""The client: connect, predict, account."""
import contextlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, NamedTuple, Self

from tqdm import tqdm

from . import _core, _options
from ._arrays import Data, Result, Tensor, collect, empty, finish
from ._errors import InputError, input_error

Progress = bool | Callable[[float], object]
"""True for a bar, or a function that is called with the fraction done, 0 to 1."""


class Stats(NamedTuple):
    """A connection so far; bytes count whole frames, set-up and asking (request and plan) included."""

    images: int
    bytes_to_server: int
    bytes_to_client: int
    setup_bytes_to_server: int
    setup_bytes_to_client: int
    asking_bytes_to_server: int
    asking_bytes_to_client: int
    flights: int
    setup_flights: int
    setup_seconds: float
    predict_seconds: float
    layout: str
    """Of the last request: "batch", "image", "mixed" or "none"; empty before one."""
    engine: str
    """Of the last request: "gmw", "yao", "mixed" or "none"; empty before one."""
    simulated_network: str
    """The link of `simulate_network` by name ("wan"), empty without."""
    simulated_text: str
    """The same for people: "wan (40 ms, 400 Mbit/s)"."""
    prepare_seconds: float
    prepare_bytes_to_server: int
    prepare_bytes_to_client: int
    prepare_flights: int
    requests: int
    prepared: int
    prepared_used: int
    prepared_left: int
    precomputed: int


class Client:
    """A connection to a server, for any number of predictions; one thread at a time.

    The server learns how many samples came and when, not what they are; the client learns the
    results, not the model. An address that is not loopback needs TLS (`server_pin`, the hex digits
    that the server prints, or `ca`, a PEM file) or `insecure_transport=True`.

    `connect_timeout` is for how many seconds connecting is tried, `timeout` how long the server may
    be silent later. Further keyword arguments are options of the program by the same name, with
    underscores: threads, max_memory, model_name, require_reveal, precompute, simulate_network
    (the connection then behaves as over that link: "lan", "wan", "fibre", "cable" or RTT:RATE such
    as "40ms:100mbit").
    """

    def __init__(self, host: str, port: int = 34000, *, timeout: float | None = None,
                 connect_timeout: float | None = None, server_pin: str | None = None,
                 ca: str | os.PathLike[str] | None = None, tls: bool = False,
                 insecure_transport: bool = False, **options: Any) -> None:
        given = dict(timeout=timeout, connect_timeout=connect_timeout, server_pin=server_pin,
                     ca=ca, tls=tls, insecure_transport=insecure_transport, **options)
        pairs = _options.pairs(given, _core.FOR_CLIENT, "Client")
        if not 0 < port < 65536:
            raise InputError(f"port {port}: expected 1 to 65535", "ERR_ARGUMENT")
        self._core = _core.Client(host, port, pairs)
        self._inputs = tuple(Tensor(*t) for t in self._core.inputs())
        self._outputs = tuple(Tensor(*t) for t in self._core.outputs())

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """The model's inputs, as the server describes them."""
        return self._inputs

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """The model's outputs as this client will get them."""
        return self._outputs

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, by position on the last axis; empty if the server gave none."""
        return tuple(self._core.classes())

    @property
    def stats(self) -> Stats:
        """Images, bytes, flights and seconds so far."""
        return Stats(*self._core.stats())

    def predict(self, x: Data | Mapping[str, Data], progress: Progress = False,
                plain: bool | Iterable[str] = False) -> Result:
        """The model's answers for samples `x`.

        `x` is an array of real numbers whose first axis counts samples, or names files: .npy, CSV,
        an image, a folder or list of images (mp2ml.images.read has more to choose); for a model
        with several inputs, a dict from names to these. The answer has shape (samples, ...):
        float32 values or int64 labels, as the server reveals; for several outputs a dict.
        `plain=True`, or a list of input names, sends these inputs in the clear. Ctrl-C ends the
        call and the connection.
        """
        arrays = collect(x, self._inputs, self._core.find_input)
        for i, sent_plain in enumerate(self._plain_flags(plain)):
            self._core.set_plain(i, sent_plain)
        samples = len(arrays[0])
        outputs = empty(self._outputs, samples)
        with _reporter(progress, samples) as report:
            self._core.predict(samples, arrays, outputs, report)
        return finish(outputs, self._outputs)

    def prepare(self, n: int, batch: int = 1, plain: bool | Iterable[str] = False) -> int:
        """Does ahead what `n` coming predictions of `batch` samples need, whatever the samples are.

        With Client(precompute=True) that includes the linear steps, so that predict() is fastest.
        What is there already and unused counts: only what lacks is made. Returns for how many
        predictions it is enough, which may be fewer where the server has no room; those beyond work
        as always. When it returns, both sides are done. All of it belongs to this connection, which
        the server ends when nothing is asked for longer than its --timeout (120 s unless it says
        otherwise).
        """
        for i, sent_plain in enumerate(self._plain_flags(plain)):
            self._core.set_plain(i, sent_plain)
        return int(self._core.prepare(n, batch))

    def _plain_flags(self, plain: bool | Iterable[str]) -> list[bool]:
        """For each input, whether it goes in the clear."""
        if isinstance(plain, bool):
            return [plain] * len(self._inputs)
        flags = [False] * len(self._inputs)
        for name in [plain] if isinstance(plain, str) else plain:
            i = self._core.find_input(name)
            if i < 0:
                raise input_error(f"plain: the model has no input '{name}', it has "
                                  + ", ".join(f"'{t.name}'" for t in self._inputs))
            flags[i] = True
        return flags

    def receipt(self) -> dict[str, Any]:
        """What was agreed and sent, and what each side could learn."""
        receipt: dict[str, Any] = json.loads(self._core.receipt())
        return receipt

    def close(self) -> None:
        """Ends the connection; a predict() that runs in another thread fails."""
        self._core.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self.close()


@contextlib.contextmanager
def _reporter(progress: Progress, samples: int) -> Iterator[Callable[[float], object] | None]:
    """What the library calls with the fraction done."""
    if callable(progress):
        yield progress
    elif not progress:
        yield None
    else:
        with tqdm(total=samples, unit="image") as bar:
            yield lambda fraction: bar.update(int(fraction * samples) - bar.n)
            bar.update(samples - bar.n)
