# SPDX-License-Identifier: Apache-2.0
"""PyTorch networks to ONNX, by the user's own torch, which is imported when such a network came.

Torch has two exporters. The newer needs onnx and onnxscript and follows shapes as symbols; the older
needs nothing, records what one run does, and also takes TorchScript. Whichever is there is used, the
newer first.
"""
import contextlib
import importlib.util
import inspect
import logging
import os
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ._errors import ModelError, input_error

SUFFIXES = (".pt", ".pth", ".pt2")
KINDS = ("torch.nn.modules.module.Module", "torch.export.exported_program.ExportedProgram")
# What both exporters of many releases write and the importer reads.
OPSET, OPSET_OLDER = 18, 17

EXAMPLE = ("example_input, a tensor or array (several inputs: a tuple of them) such as the network "
           "takes, whose first axis counts samples: torch.zeros(1, 3, 32, 32)")


class Call(NamedTuple):
    """A network with what one call takes and gives."""

    model: Any
    tensors: tuple[Any, ...]
    inputs: list[str]
    outputs: list[str]


def is_torch(model: Any) -> bool:
    """True for a torch module or exported program; imports nothing."""
    return any(f"{base.__module__}.{base.__qualname__}" in KINDS for base in type(model).__mro__)


def onnx_model(model: Any, example: Any) -> bytes:
    """The ONNX file of a torch module, an exported program or a file with one of these."""
    is_file = isinstance(model, (str, os.PathLike))
    what = str(model) if is_file else type(model).__name__
    if is_file:
        _check_file(Path(model))
    torch = _torch(what)
    if is_file:
        model = _load(torch, Path(model))
    if hasattr(model, "graph_signature"):  # an exported program has its inputs' shapes in it
        if example is not None:
            raise TypeError(f"{what}: an exported program takes no example_input")
        outputs = _names(len(model.graph_signature.user_outputs))
        return _first_that_works(torch, what, [("torch.onnx.export", lambda path: torch.onnx.export(
            model, f=path, output_names=outputs, opset_version=OPSET, external_data=False,
            verbose=False))])
    if example is None:
        raise TypeError(f"{what}: a PyTorch network needs {EXAMPLE}")
    tensors = _tensors(torch, model, example)
    with _evaluating(torch, model):
        return _export(torch, what, _call(torch, what, model, tensors))


def _torch(what: str) -> Any:
    """The user's torch; it is no dependency of this package."""
    try:
        import torch
        import torch.onnx
    except ImportError as error:
        raise ModelError(f"{what}: converting it needs torch, which cannot be imported ({error}); "
                         "pip install torch onnx onnxscript, or give an ONNX file",
                         "ERR_UNSUPPORTED") from error
    return torch


# ---- files ----

def _check_file(path: Path) -> None:
    """Refuses what has no network in it, before anything is loaded."""
    if not path.is_file():
        raise ModelError(f"{path}: there is no such file", "ERR_IO")
    names = zipfile.ZipFile(path).namelist() if zipfile.is_zipfile(path) else []
    if not _is_exported(names) and not _is_script(names):
        raise ModelError(
            f"{path}: neither TorchScript nor an exported program; a state dict holds weights only, "
            "not the network that they belong to, and a pickled module can run any code: build the "
            "network in Python, call its load_state_dict() with what torch.load() reads, and pass "
            "the module and an example input to mp2ml.Server, or save it with torch.export.save()",
            "ERR_MODEL")


def _is_exported(names: Sequence[str]) -> bool:
    """By the names in the archive."""
    return any(name.endswith(("models/model.json", "serialized_exported_program.json"))
               for name in names)


def _is_script(names: Sequence[str]) -> bool:
    return any("/code/" in name for name in names)


def _load(torch: Any, path: Path) -> Any:
    with zipfile.ZipFile(path) as archive:
        exported = _is_exported(archive.namelist())
    try:
        with _quiet():
            return torch.export.load(path) if exported else torch.jit.load(path, "cpu")
    except Exception as error:
        raise ModelError(f"{path}: torch {torch.__version__} cannot read it: {_reason(error)}",
                         "ERR_MODEL") from error


# ---- the example ----

def _tensors(torch: Any, model: Any, example: Any) -> tuple[Any, ...]:
    """The example as tensors of the network's type of numbers, where it has its weights."""
    weights = next((p for p in model.parameters() if p.is_floating_point()), None)
    like = weights if weights is not None else torch.zeros(1)
    parts = example if isinstance(example, (tuple, list)) else (example,)
    tensors = []
    for part in parts:
        if not isinstance(part, (np.ndarray, torch.Tensor)):
            raise TypeError(f"example_input: a {type(part).__name__}, expected {EXAMPLE}")
        tensor = part if isinstance(part, torch.Tensor) else torch.tensor(part)
        if tensor.ndim == 0 or tensor.shape[0] == 0:
            raise input_error(f"example_input: a tensor of shape {tuple(tensor.shape)} has no "
                              f"samples, expected {EXAMPLE}")
        kind = like.dtype if tensor.is_floating_point() else tensor.dtype
        tensors.append(tensor.detach().to(like.device, kind))
    if len({tensor.shape[0] for tensor in tensors}) != 1:
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in tensors)
        raise input_error(f"example_input: tensors of shapes {shapes} differ in their number of "
                          "samples, which the first axis counts")
    return tuple(tensors)


def _call(torch: Any, what: str, model: Any, tensors: tuple[Any, ...]) -> Call:
    """Runs the network once, to see that it takes the example and what comes out."""
    try:
        result = model(*tensors)
    except Exception as error:
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in tensors)
        raise input_error(f"{what}: the network does not take an example_input of shape {shapes}: "
                          f"{_reason(error)}") from error
    if isinstance(result, Mapping):
        values, outputs = list(result.values()), [str(key) for key in result]
    else:
        values = list(result) if isinstance(result, (tuple, list)) else [result]
        outputs = _names(len(values))
    for value in values:
        if not isinstance(value, torch.Tensor):
            raise ModelError(f"{what}: the network gives a {type(value).__name__}, expected a "
                             "tensor, or a tuple, list or dict of tensors", "ERR_UNSUPPORTED")
    # Of one sample, torch would take the 1 for a constant of the network.
    tensors = tuple((t if t.shape[0] > 1 else torch.cat([t, t])).clone(
        memory_format=torch.contiguous_format) for t in tensors)
    return Call(model, tensors, _input_names(model, len(tensors)), outputs)


def _names(outputs: int) -> list[str]:
    return ["output"] if outputs == 1 else [f"output_{i}" for i in range(outputs)]


def _input_names(model: Any, count: int) -> list[str]:
    """As the arguments of forward() are called."""
    try:
        names = [p.name for p in inspect.signature(model.forward).parameters.values()
                 if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    except (TypeError, ValueError):  # TorchScript has none
        names = []
    if len(names) < count:
        names = ["input"] if count == 1 else [f"input_{i}" for i in range(count)]
    return names[:count]


@contextlib.contextmanager
def _evaluating(torch: Any, model: Any) -> Iterator[None]:
    """Every part in eval mode, and after it as it was."""
    modes = [(part, part.training) for part in model.modules()]
    try:
        model.eval()
        with torch.no_grad():
            yield
    finally:
        for part, training in modes:
            part.training = training


# ---- exporting ----

def _export(torch: Any, what: str, call: Call) -> bytes:
    """By the exporters that are there, in order."""
    takes = inspect.signature(torch.onnx.export).parameters
    ways: list[tuple[str, Callable[[Path], Any]]] = []
    is_script = isinstance(call.model, torch.jit.ScriptModule)
    newer = "dynamic_shapes" in takes and not is_script
    missing = [name for name in ("onnx", "onnxscript") if importlib.util.find_spec(name) is None]
    if newer and not missing:
        ways.append(("torch's exporter", lambda path: _by_newer(torch, call, path)))
    ways.append(("torch's older exporter", lambda path: _by_older(torch, call, path, takes)))
    hint = f"; pip install {' '.join(missing)} for its newer exporter" if newer and missing else ""
    return _first_that_works(torch, what, ways, hint)


def _by_newer(torch: Any, call: Call, path: Path) -> None:
    batch = torch.export.Dim("batch")
    program = torch.onnx.export(
        call.model, call.tensors, path, input_names=call.inputs, output_names=call.outputs,
        opset_version=OPSET, dynamo=True, verbose=False, external_data=False,
        dynamic_shapes=tuple({0: batch} for _ in call.tensors))
    # A pool over weights with the channels last in memory becomes arithmetic with addresses.
    if any("as_strided" in str(node.target) for node in program.exported_program.graph.nodes):
        raise ValueError("the network depends on how its values lie in memory; give it with "
                         ".to(memory_format=torch.contiguous_format)")


def _by_older(torch: Any, call: Call, path: Path, takes: Mapping[str, Any]) -> None:
    axes = {name: {0: "batch"} for name in (*call.inputs, *call.outputs)}
    torch.onnx.export(call.model, call.tensors, str(path), input_names=call.inputs,
                      output_names=call.outputs, opset_version=OPSET_OLDER, dynamic_axes=axes,
                      **({"dynamo": False} if "dynamo" in takes else {}))


def _first_that_works(torch: Any, what: str, ways: list[tuple[str, Callable[[Path], Any]]],
                      hint: str = "") -> bytes:
    """The file that the first of `ways` writes."""
    failures = []
    for name, way in ways:
        try:
            with tempfile.TemporaryDirectory() as folder, _quiet():
                path = Path(folder) / "model.onnx"
                way(path)
                return path.read_bytes()
        except Exception as error:  # noqa: BLE001 - torch raises what it likes
            failures.append(f"{name} says: {_reason(error)}")
    raise ModelError(f"{what}: torch {torch.__version__} cannot write it as ONNX; "
                     f"{'; '.join(failures)}{hint}", "ERR_MODEL")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without torch's remarks about its exporters."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _reason(error: Exception) -> str:
    """What torch says first, on one line."""
    words = " ".join(str(error).split()) or type(error).__name__
    return words if len(words) <= 300 else words[:300] + "..."
