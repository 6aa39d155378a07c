# SPDX-License-Identifier: Apache-2.0
"""Private neural-network inference between two parties.

    with mp2ml.Server("model.pb", port=34000) as server:   # one machine
        server.wait()

    y = mp2ml.Client("localhost", 34000).predict(x)         # another

The server never sees x, the client never sees the model.
"""
from . import _load  # noqa: F401, first of all
from ._arrays import Tensor, read_array
from ._client import Client, Stats
from ._core import VERSION as __version__
from ._errors import ConnectionError, Error, InputError, ModelError, PlanError, ProtocolError
from ._model import Model, plan
from ._server import Server

__all__ = ["Client", "ConnectionError", "Error", "InputError", "Model", "ModelError", "PlanError",
           "ProtocolError", "Server", "Stats", "Tensor", "__version__", "plan",
           "read_array"]
