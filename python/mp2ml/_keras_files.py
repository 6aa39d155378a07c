# SPDX-License-Identifier: Apache-2.0
"""Keras models from files, old ones too.

Keras 3 reads .keras files and most .h5 files. The architecture in an .h5 file is JSON, and what
Keras 1 and 2 wrote there has fields that Keras 3 knows no more or takes for something else. Such a
file is tried again with its architecture brought up to date (`_modern`), and then with tf_keras,
which is Keras 2, where that is installed.
"""
import inspect
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ._errors import ModelError

HDF5_SUFFIXES = (".h5", ".hdf5")
SUFFIXES = (".keras", *HDF5_SUFFIXES)

# Layers' arguments that do not matter to a trained network.
_TRAINING_ONLY = ("_initializer", "_regularizer", "_constraint")
# Arguments that got another name.
_RENAMED = {("LeakyReLU", "alpha"): "negative_slope"}
# Values with which an argument says nothing; with any other one it stays, and Keras refuses it.
_NEUTRAL: dict[str, Any] = {"groups": 1}


def load(tf: Any, path: str) -> Any:
    """The Keras model in a file; ModelError says what was tried."""
    if Path(path).suffix.lower() in HDF5_SUFFIXES:
        return _load_hdf5(tf, path)
    return tf.keras.models.load_model(path, compile=False)


def _load_hdf5(tf: Any, path: str) -> Any:
    config, version = architecture(path)
    ways: list[tuple[str, Callable[[], Any]]] = [
        (f"Keras {tf.keras.__version__}",
         lambda: tf.keras.models.load_model(path, compile=False)),
        ("the same with its fields brought up to date", lambda: load_modernised(tf, path, config))]
    try:
        import tf_keras
        ways.append((f"tf_keras {tf_keras.__version__}",
                     lambda: tf_keras.models.load_model(path, compile=False)))
        hint = ""
    except ImportError:
        hint = "; pip install tf_keras, which is Keras 2 and reads older files"
    failures = []
    for name, way in ways:
        try:
            return way()
        except Exception as error:  # noqa: BLE001 - Keras raises what it likes
            failures.append(f"{name} says: {_reason(error)}")
    raise ModelError(f"{path}: written by Keras {version}; {'; '.join(failures)}{hint}",
                     "ERR_MODEL")


def _reason(error: Exception) -> str:
    """What Keras says in the end, without the whole architecture before it."""
    words = " ".join(str(error).split()).split("Exception encountered: ")[-1]
    return words if len(words) <= 240 else words[:240] + "..."


def architecture(path: str) -> tuple[dict[str, Any], str]:
    """The architecture in an HDF5 file, and the version of Keras that wrote it."""
    import h5py  # comes with keras
    with h5py.File(path, "r") as file:
        text, version = file.attrs.get("model_config"), file.attrs.get("keras_version", "?")
    if text is None:
        raise ModelError(
            f"{path}: the file holds weights only, not the network that they belong to: build the "
            "network in Python, call its load_weights() with this file, and pass the model itself "
            "to mp2ml.Server or mp2ml.convert.graph_def", "ERR_MODEL")
    return json.loads(text), version.decode() if isinstance(version, bytes) else str(version)


def load_modernised(tf: Any, path: str, config: dict[str, Any]) -> Any:
    """The model from a copy of the file with the architecture brought up to date."""
    import h5py
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "model.h5"
        shutil.copyfile(path, copy)
        with h5py.File(copy, "r+") as file:
            file.attrs["model_config"] = json.dumps(_modern(tf.keras.layers, config))
        return tf.keras.models.load_model(copy, compile=False)


# ---- bringing an architecture up to date ----

def _modern(layers: Any, config: Any) -> Any:
    """`config` with every layer in it, however deep, as Keras 3 takes it."""
    if isinstance(config, list):
        return [_modern(layers, part) for part in config]
    if not isinstance(config, dict):
        return config
    new = {key: _modern(layers, value) for key, value in config.items()}
    if not isinstance(new.get("config"), (dict, list)):
        return new
    kind = new.get("class_name")
    if kind == "Sequential":
        new["config"] = _with_input(new["config"])
    elif isinstance(kind, str) and inspect.isclass(getattr(layers, kind, None)):
        new["config"] = _modern_arguments(kind, getattr(layers, kind), new["config"])
    return new


def _with_input(config: Any) -> Any:
    """A Sequential whose shape stood in its first layer begins with an InputLayer instead; until
    Keras 2.2 its configuration was the list of layers alone."""
    stack = list(config["layers"] if isinstance(config, dict) else config)
    shape = stack[0]["config"].get("batch_input_shape") if stack else None
    if shape and stack[0].get("class_name") != "InputLayer":
        name = f"{stack[0]['config'].get('name', 'layer')}_input"
        stack.insert(0, {"class_name": "InputLayer",
                         "config": {"batch_shape": shape, "dtype": "float32", "name": name}})
    for layer in stack[1:]:
        layer["config"].pop("batch_input_shape", None)
    old = config if isinstance(config, dict) else {"name": "sequential"}
    return {**old, "layers": stack}


def _modern_arguments(kind: str, layer: type, config: dict[str, Any]) -> dict[str, Any]:
    """A layer's arguments without those for training and those that say nothing."""
    if kind == "InputLayer":
        return config
    known = {"batch_input_shape", *_arguments(layer)}
    new = {}
    for key, value in config.items():
        key = _RENAMED.get((kind, key), key)
        if key == "dtype":
            value = "float32"  # also for policies, which were written in several ways
        neutral = value is None or value is False or _NEUTRAL.get(key) == value
        if not key.endswith(_TRAINING_ONLY) and (key in known or not neutral):
            new[key] = value
    return new


def _arguments(layer: type) -> Iterator[str]:
    """The names of the arguments that a class of layers takes, its bases included."""
    for base in layer.__mro__:
        if "__init__" in vars(base):
            yield from inspect.signature(vars(base)["__init__"]).parameters
