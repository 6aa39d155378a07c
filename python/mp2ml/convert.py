# SPDX-License-Identifier: Apache-2.0
"""From what people train with to files that mp2ml reads.

    python -m mp2ml.convert SAVED_MODEL|FILE.keras|FILE.h5 OUT.pb
    python -m mp2ml.convert FILE.pt2|FILE.pt OUT.onnx

A SavedModel folder, a .keras or .h5 file or a Keras model becomes a frozen GraphDef, by tensorflow; a
PyTorch network, an exported program (.pt2) or TorchScript (.pt, with --input-shape) an ONNX file, by
torch. Either is imported when such a model is converted and never otherwise.
"""
import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from . import _keras_files, _torch_models
from ._errors import Error, ModelError


class Converted(NamedTuple):
    """A file as bytes, and, if the format does not say so, which nodes are the outputs."""

    data: bytes
    outputs: tuple[str, ...] = ()


def graph_def(model: Any, example_input: Any = None) -> bytes:
    """The frozen GraphDef of a path or of a Keras model, as the bytes of a file.

    A Keras model that does not know its inputs yet (a subclass of Model) needs `example_input`, an
    array or a list of them whose first axis counts samples.
    """
    return _by_tensorflow(model, example_input).data


def onnx_model(model: Any, example_input: Any = None) -> bytes:
    """The ONNX file of a torch module with an example of its input (a tensor or array, or a tuple
    of them), of an exported program, or of a .pt2 or .pt file."""
    return _torch_models.onnx_model(model, example_input)


def can_convert(model: Any) -> bool:
    """True for what converted() takes; imports nothing."""
    if isinstance(model, (str, os.PathLike)):
        path = Path(model)
        return path.is_dir() or path.suffix.lower() in (*_keras_files.SUFFIXES,
                                                        *_torch_models.SUFFIXES)
    return _is_keras(model) or _torch_models.is_torch(model)


def converted(model: Any, example_input: Any = None) -> Converted:
    """The model in the format that is nearest to it."""
    is_file = isinstance(model, (str, os.PathLike))
    if Path(model).suffix.lower() in _torch_models.SUFFIXES if is_file else not _is_keras(model):
        return Converted(onnx_model(model, example_input))
    return _by_tensorflow(model, example_input)


# ---- by tensorflow ----

def _is_keras(model: Any) -> bool:
    """True for a Keras model, of tensorflow or of keras alone."""
    return any(base.__module__.split(".")[0] in ("keras", "tf_keras", "tensorflow")
               and base.__name__ == "Model" for base in type(model).__mro__)


def _by_tensorflow(model: Any, example: Any) -> Converted:
    what = str(model) if isinstance(model, (str, os.PathLike)) else type(model).__name__
    if isinstance(model, (str, os.PathLike)):
        if not Path(model).exists():
            raise ModelError(f"{what}: there is no such file or folder", "ERR_IO")
        if example is not None:
            raise TypeError(f"{what}: this file takes no example_input")
    elif _backend(model) != "tensorflow":
        return _by_another_process(model, what)
    tf = _tensorflow(what)
    try:
        if isinstance(model, (str, os.PathLike)) and Path(model).is_dir():
            function, names = _saved_model(tf, str(model))
        elif isinstance(model, (str, os.PathLike)):
            function, names = _keras(tf, _keras_files.load(tf, str(model)), None)
        else:
            function, names = _keras(tf, model, example)
        return _freeze(tf, function, names)
    except (ModelError, TypeError):
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


def _backend(model: Any) -> str:
    """What a Keras model computes with."""
    keras = sys.modules.get("keras")
    is_keras_3 = any(base.__module__.split(".")[0] == "keras" for base in type(model).__mro__)
    return str(keras.backend.backend()) if is_keras_3 and keras is not None else "tensorflow"


def _by_another_process(model: Any, what: str) -> Converted:
    """A Keras model over torch or jax: saved, and converted where Keras is over tensorflow."""
    script = ("import json, sys; from mp2ml import convert; c = convert.converted(sys.argv[1]); "
              "open(sys.argv[2], 'wb').write(c.data); print(json.dumps(c.outputs))")
    with tempfile.TemporaryDirectory() as folder:
        saved, frozen = Path(folder) / "model.keras", Path(folder) / "model.pb"
        model.save(saved)
        run = subprocess.run([sys.executable, "-c", script, saved, frozen], text=True, check=False,
                             env={**os.environ, "KERAS_BACKEND": "tensorflow"},
                             capture_output=True)
        if run.returncode != 0:
            reason = (run.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise ModelError(f"{what}: over {_backend(model)} Keras cannot freeze a network, and "
                             "saved and read again over tensorflow: "
                             f"{reason.replace(str(saved), what)}", "ERR_MODEL")
        return Converted(frozen.read_bytes(), tuple(json.loads(run.stdout.splitlines()[-1])))


def _saved_model(tf: Any, path: str) -> tuple[Any, list[str]]:
    """The serving function of a SavedModel, and its outputs' names."""
    if not (Path(path) / "saved_model.pb").is_file():
        raise ModelError(f"{path}: a folder without saved_model.pb is no SavedModel", "ERR_MODEL")
    loaded = tf.saved_model.load(path)
    functions = loaded.signatures
    function = functions.get("serving_default") or next(iter(functions.values()), None)
    if function is None:
        raise ModelError(f"{path}: the SavedModel has no signature to serve", "ERR_MODEL")
    function._mp2ml_keeps = loaded  # the variables live as long as the loaded object
    return function, sorted(function.structured_outputs)  # as tensorflow flattens them


def _keras(tf: Any, model: Any, example: Any) -> tuple[Any, list[str]]:
    """A Keras model as one function whose inputs have the model's names; its outputs' names."""
    specs = _input_specs(tf, model, example)
    names: list[str] = []

    @tf.function(input_signature=specs)  # type: ignore[untyped-decorator]
    def forward(*inputs: Any) -> Any:
        results = model(inputs[0] if len(inputs) == 1 else list(inputs), training=False)
        values = list(results.values()) if isinstance(results, dict) else tf.nest.flatten(results)
        names[:] = _output_names(model, results, len(values))
        return values

    return forward.get_concrete_function(), names


def _input_specs(tf: Any, model: Any, example: Any) -> list[Any]:
    if getattr(model, "inputs", None):
        if example is not None:
            raise TypeError("this Keras model knows its inputs: it takes no example_input")
        return [tf.TensorSpec([None, *x.shape[1:]], x.dtype, name=x.name.split(":")[0])
                for x in model.inputs]
    if example is None:
        raise TypeError(f"a {type(model).__name__} does not know the shapes of its inputs: give "
                        "example_input, an array (several inputs: a list of them) such as it takes, "
                        "whose first axis counts samples")
    arrays = example if isinstance(example, (tuple, list)) else [example]
    return [tf.TensorSpec([None, *np.shape(x)[1:]], tf.float32,
                          name="input" if len(arrays) == 1 else f"input_{i}")
            for i, x in enumerate(arrays)]


def _output_names(model: Any, results: Any, count: int) -> list[str]:
    """Of one output "output"; of several the keys or the layers that make them."""
    if count == 1:
        return ["output"]
    if isinstance(results, dict):
        return list(results)
    names = list(getattr(model, "output_names", None) or [])
    return names if len(set(names)) == count else [f"output_{i}" for i in range(count)]


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


def _freeze(tf: Any, function: Any, names: Sequence[str]) -> Converted:
    """Variables become constants, calls what they call, the nodes at the ends get `names`."""
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )
    frozen = convert_variables_to_constants_v2(function)
    graph = frozen.graph.as_graph_def()
    ends = [[t.name for t in tensors] for tensors in (frozen.inputs, frozen.outputs)]
    if graph.library.function:
        _unmark_calls(graph)
        whole = tf.compat.v1.wrap_function(lambda: tf.graph_util.import_graph_def(graph, name=""),
                                           [])
        graph = convert_variables_to_constants_v2(whole.prune(*ends)).graph.as_graph_def()
    outputs = _rename(graph, [name.split(":")[0] for name in ends[1]], names)
    return Converted(bytes(graph.SerializeToString(deterministic=True)), tuple(outputs))


def _rename(graph: Any, ends: Sequence[str], names: Sequence[str]) -> list[str]:
    """Gives the nodes `ends`, which nothing takes values of, their names; returns what they got."""
    taken = {node.name for node in graph.node} - set(ends)
    used = {name.lstrip("^").split(":")[0] for node in graph.node for name in node.input}
    names = names if len(names) == len(ends) and len(set(ends)) == len(ends) else ends
    new = {old: name for old, name in zip(ends, names) if name not in taken and old not in used}
    for node in graph.node:
        node.name = new.get(node.name, node.name)
    return [new.get(old, old) for old in ends]


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


def _shape(text: str) -> tuple[int, ...]:
    """1,3,32,32"""
    return tuple(int(part) for part in text.split(","))


def main(arguments: list[str] | None = None) -> int:
    """The command line; 0 done, 1 failed."""
    parser = argparse.ArgumentParser(prog="python -m mp2ml.convert", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="SavedModel folder, .keras, .h5, .pt2 or .pt file")
    parser.add_argument("out", type=Path, help="file to write: a frozen GraphDef or ONNX")
    parser.add_argument("--input-shape", type=_shape, action="append", metavar="N,C,...",
                        help="TorchScript: shape of an input, samples first; for each input once")
    flags = parser.parse_args(arguments)
    example = tuple(np.zeros(shape, np.float32) for shape in flags.input_shape or []) or None
    try:
        with _without_chatter():
            result = converted(flags.model, example)
        flags.out.write_bytes(result.data)
    except (Error, TypeError, OSError) as error:
        text = str(error).replace("example_input", "--input-shape")
        print(f"mp2ml convert: {text}", file=sys.stderr)
        return 1
    print(f"wrote {flags.out}, {len(result.data):,} bytes")
    if len(result.outputs) > 1:
        print("outputs:", " ".join(f"--output-node {name}" for name in result.outputs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
