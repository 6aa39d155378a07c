# SPDX-License-Identifier: Apache-2.0
"""From a SavedModel folder, a .keras or .h5 file or a Keras model to a frozen GraphDef.

    python -m mp2ml.convert SAVED_MODEL|FILE.keras|FILE.h5 OUT.pb

Needs tensorflow, which is imported when something is converted and never otherwise.
"""
import argparse
import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import _keras_files
from ._errors import ModelError


def graph_def(model: Any) -> bytes:
    """The frozen GraphDef of a path or of a Keras model, as the bytes of a file."""
    what = str(model) if isinstance(model, (str, os.PathLike)) else type(model).__name__
    if isinstance(model, (str, os.PathLike)) and not Path(model).exists():
        raise ModelError(f"{what}: there is no such file or folder", "ERR_IO")
    tf = _tensorflow(what)
    try:
        if isinstance(model, (str, os.PathLike)) and Path(model).is_dir():
            function = _saved_model(tf, str(model))
        elif isinstance(model, (str, os.PathLike)):
            function = _keras(tf, _keras_files.load(tf, str(model)))
        else:
            function = _keras(tf, model)
        return _freeze(tf, function)
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(f"{what}: tensorflow {tf.__version__} cannot convert it: {error}",
                         "ERR_MODEL") from error


def _tensorflow(what: str) -> Any:
    """The user's tensorflow; it is no dependency of this package."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        import tensorflow
    except ImportError as error:
        raise ModelError(
            f"{what}: converting it needs tensorflow, which cannot be imported ({error}); pip "
            "install tensorflow-cpu, or give a frozen GraphDef (.pb)", "ERR_UNSUPPORTED") from error
    return tensorflow


def _saved_model(tf: Any, path: str) -> Any:
    """The serving function of a SavedModel."""
    if not (Path(path) / "saved_model.pb").is_file():
        raise ModelError(f"{path}: a folder without saved_model.pb is no SavedModel", "ERR_MODEL")
    loaded = tf.saved_model.load(path)
    functions = loaded.signatures
    function = functions.get("serving_default") or next(iter(functions.values()), None)
    if function is None:
        raise ModelError(f"{path}: the SavedModel has no signature to serve", "ERR_MODEL")
    function._mp2ml_keeps = loaded  # the variables live as long as the loaded object
    return function


def _keras(tf: Any, model: Any) -> Any:
    """A Keras model as one function whose inputs and outputs have the model's names."""
    specs = [tf.TensorSpec([None, *x.shape[1:]], x.dtype, name=x.name.split(":")[0])
             for x in model.inputs]

    @tf.function(input_signature=specs)  # type: ignore[untyped-decorator]
    def forward(*inputs: Any) -> Any:
        results = tf.nest.flatten(model(inputs[0] if len(inputs) == 1 else list(inputs),
                                        training=False))
        if len(results) == 1:
            return tf.identity(results[0], name="output")
        return [tf.identity(y, name=f"output_{i}") for i, y in enumerate(results)]

    return forward.get_concrete_function()


def _unmark_calls(graph: Any) -> None:
    """Functions marked for XLA, as Keras' grouped convolutions are, stay calls: the marks go, and
    tensorflow wants another name for what is another function then."""
    functions = graph.library.function
    for function in functions:
        function.signature.name += "_unmarked"
    for part in (graph.node, functions, *(function.node_def for function in functions)):
        for owner in part:
            for mark in ("_XlaMustCompile", "_noinline"):
                owner.attr.pop(mark, None)
            for value in owner.attr.values():
                if value.HasField("func"):
                    value.func.name += "_unmarked"


def _freeze(tf: Any, function: Any) -> bytes:
    """Variables become constants, calls what they call."""
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )
    frozen = convert_variables_to_constants_v2(function)
    graph = frozen.graph.as_graph_def()
    if graph.library.function:
        _unmark_calls(graph)
        whole = tf.compat.v1.wrap_function(lambda: tf.graph_util.import_graph_def(graph, name=""),
                                           [])
        names = [[t.name for t in tensors] for tensors in (frozen.inputs, frozen.outputs)]
        graph = convert_variables_to_constants_v2(whole.prune(*names)).graph.as_graph_def()
    return bytes(graph.SerializeToString(deterministic=True))


@contextlib.contextmanager
def _without_chatter() -> Iterator[None]:
    """What tensorflow writes to standard error goes nowhere; its errors come as exceptions."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def main(arguments: list[str] | None = None) -> int:
    """The command line; 0 done, 1 failed."""
    parser = argparse.ArgumentParser(prog="python -m mp2ml.convert", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="SavedModel folder, .keras or .h5 file")
    parser.add_argument("out", type=Path, help="frozen GraphDef to write")
    flags = parser.parse_args(arguments)
    try:
        with _without_chatter():
            graph = graph_def(flags.model)
        flags.out.write_bytes(graph)
    except (ModelError, OSError) as error:
        print(f"mp2ml convert: {error}", file=sys.stderr)
        return 1
    print(f"wrote {flags.out}, {len(graph):,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
