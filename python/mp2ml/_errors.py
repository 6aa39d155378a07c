# SPDX-License-Identifier: Apache-2.0
"""What can go wrong, as exceptions. Each carries `status`, the name of the C library's status."""
import builtins


class Error(Exception):
    """Base of all errors of this package."""

    status: str

    def __init__(self, text: str, status: str = "ERR_FAILED") -> None:
        super().__init__(text)
        self.status = status


class ConnectionError(Error, builtins.ConnectionError):
    """No connection, a connection that broke, TLS that failed, or a server that refused."""


class ModelError(Error):
    """The model cannot be read, or uses something that has no private form."""


class ProtocolError(Error):
    """The peer broke the protocol or ended the session."""


class PlanError(Error):
    """No plan within the limits."""


class InputError(Error, ValueError):
    """Data or options do not fit; the text says what came and what was expected."""


_CLASSES: dict[str, type[Error]] = {
    "ERR_TIMEOUT": ConnectionError,
    "ERR_CLOSED": ConnectionError,
    "ERR_CONNECT": ConnectionError,
    "ERR_TLS": ConnectionError,
    "ERR_REFUSED": ConnectionError,
    "ERR_FAILED": ConnectionError,
    "ERR_PROTOCOL": ProtocolError,
    "ERR_ABORTED": ProtocolError,
    "ERR_MODEL": ModelError,
    "ERR_UNSUPPORTED": ModelError,
    "ERR_PLAN": PlanError,
    "ERR_INPUT": InputError,
    "ERR_ARGUMENT": InputError,
}


def make(status: str, text: str, origin: str) -> Error:
    """The exception for a status; `origin` ("network", "model" or "file") says what I/O was."""
    if status == "ERR_IO":
        kinds = {"network": ConnectionError, "model": ModelError, "file": InputError}
        return kinds[origin](text, status)
    return _CLASSES.get(status, Error)(text, status)


def input_error(text: str) -> InputError:
    """Data do not fit, found before the library saw them."""
    return InputError(text, "ERR_INPUT")
