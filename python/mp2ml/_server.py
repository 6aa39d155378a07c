# SPDX-License-Identifier: Apache-2.0
"""The server: listen, serve in the background, stop."""
import logging
import os
import threading
import weakref
from types import TracebackType
from typing import Any, Self

from . import _core, _options
from ._model import load_core

logger = logging.getLogger("mp2ml.server")


class _Service:
    """The thread that serves; holds nothing of the Server, so that one can be collected."""

    def __init__(self, core: _core.Server) -> None:
        self.core = core
        self.done = threading.Event()
        self.failure: BaseException | None = None
        self.thread: threading.Thread | None = None
        self.images = 0  # after the end

    def start(self) -> None:
        """Once."""
        self.thread = threading.Thread(target=self._run, name="mp2ml-server", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.core.run()
        except Exception as error:  # noqa: BLE001 - wait() raises it
            self.failure = error
        finally:
            self.done.set()

    def stop(self) -> None:
        """Ends all sessions, waits for their threads, closes the port."""
        self.core.stop()
        if self.thread is not None:
            self.done.wait()
            self.thread.join()
        self.images = self.core.images()
        self.core.close()
        self.done.set()


class Server:
    """Serves a model to any number of clients, without seeing their data.

    It listens as soon as it exists and serves from start() on, or inside a `with` block. `model`
    and `example_input` are whatever Model takes, or a Model. `port=0` takes any free port. `reveal`
    is what clients learn: "argmax" (the label) or "logits". `tls=(certificate, key)`, two PEM
    files, is needed on an address that is not loopback, unless `insecure_transport=True`. Further
    keyword arguments are options of the program: listen, input_range, threads, max_clients,
    max_batch, ... Log lines go to the logger "mp2ml.server".
    """

    def __init__(self, model: Any, example_input: Any = None, *, port: int = 34000,
                 reveal: str | None = None,
                 tls: tuple[str | os.PathLike[str], str | os.PathLike[str]] | None = None,
                 **options: Any) -> None:
        options.update(port=port, reveal=reveal)
        if tls is not None:
            options["tls_cert"], options["tls_key"] = tls
        users = _core.FOR_MODEL | _core.FOR_SERVER
        _options.pairs(options, users, "Server")  # unknown names, before anything is loaded
        for_model = _options.split(options, _core.FOR_MODEL)
        for_server = {k: v for k, v in options.items() if k not in for_model}
        pairs = _options.pairs(for_server, _core.FOR_SERVER, "Server")
        core = _core.Server(load_core(model, example_input, for_model, "Server"), pairs, logger.info)
        self._port, self._pin = core.port(), core.pin()
        self._service = _Service(core)
        # Also at exit, while threads can still take the interpreter's lock.
        self._finish = weakref.finalize(self, self._service.stop)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._port

    @property
    def pin(self) -> str:
        """What clients give as server_pin: 64 hex digits, or "" without TLS."""
        return self._pin

    @property
    def images(self) -> int:
        """Images answered so far, of clients that have left."""
        return self._service.core.images() if self._finish.alive else self._service.images

    def start(self) -> Self:
        """Serves in the background; does nothing when it does already."""
        if not self._finish.alive:
            raise RuntimeError("the server was stopped; make a new one")
        if self._service.thread is None:
            self._service.start()
        return self

    def wait(self) -> None:
        """Serves until stop() or Ctrl-C, which raises KeyboardInterrupt here as anywhere."""
        if self._finish.alive:
            self.start()
        self._service.done.wait()
        if self._service.failure is not None:
            raise self._service.failure

    def stop(self) -> None:
        """Ends all sessions and stops listening; any number of times, from any thread."""
        self._finish()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self.stop()
