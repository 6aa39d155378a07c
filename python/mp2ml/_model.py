# SPDX-License-Identifier: Apache-2.0
"""Models: load from any source, plan, run without privacy."""
import json
import os
from collections.abc import Mapping
from typing import Any

from . import _core, _options
from ._arrays import Data, Result, Tensor, collect, empty, finish

ACCEPTED = ("an ONNX or TensorFlow Lite file or a frozen GraphDef (path, bytes or an object with "
            "SerializeToString), a SavedModel folder, a .keras, .h5, .pt2 or .pt file, a Keras model "
            "or a PyTorch module")


def load_core(model: Any, example: Any, options: Mapping[str, Any], caller: str) -> _core.Model:
    """The library's model from whatever a user may hold; `options` are checked here."""
    from . import convert  # not at the top: `python -m mp2ml.convert` runs it as a program
    pairs = _options.pairs(options, _core.FOR_MODEL, caller)
    if convert.can_convert(model):
        name = str(model) if isinstance(model, (str, os.PathLike)) else type(model).__name__
        data, outputs = convert.converted(model, example)
        if not options.get("output_node"):
            pairs += [("output-node", output) for output in outputs]
        return _core.Model(data, pairs, name)
    if example is not None:
        raise TypeError(f"{caller}() takes an example_input with a PyTorch or Keras model only"
                        + ("; a port is given as port=" if isinstance(example, int) else ""))
    if isinstance(model, Model):
        if pairs:
            raise TypeError(f"{caller}() takes no '{pairs[0][0].replace('-', '_')}' with a Model, "
                            "which was planned already: give it to Model()")
        return model._core
    if isinstance(model, (str, os.PathLike)):
        return _core.Model(os.fspath(model), pairs)
    if isinstance(model, (bytes, bytearray, memoryview)):
        return _core.Model(model, pairs, "model")
    if hasattr(model, "SerializeToString"):
        return _core.Model(model.SerializeToString(), pairs, type(model).__name__)
    raise TypeError(f"{caller}() got a {type(model).__name__}; a model is {ACCEPTED}")


class Model:
    """A trained network with its plan, for looking at it and for running it without privacy.

    `model` is an ONNX or TensorFlow Lite file or a frozen GraphDef (path, bytes or an object with
    SerializeToString); where tensorflow is installed, a SavedModel folder, a .keras or .h5 file or
    a Keras model; where torch is installed, a PyTorch module with `example_input`, a tensor or
    array (several inputs: a tuple of them) such as it takes, whose first axis counts samples, or a
    .pt2 file. The module itself is not changed. Keyword arguments are options of the program:
    reveal, input_range, input_node, bits, ...
    """

    def __init__(self, model: Any, example_input: Any = None, **options: Any) -> None:
        self._core = load_core(model, example_input, options, "Model")

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """The inputs, for one sample."""
        return tuple(Tensor(*t) for t in self._core.inputs())

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """The outputs as a client gets them."""
        return tuple(Tensor(*t) for t in self._core.outputs())

    @property
    def expected_errors(self) -> tuple[float, ...]:
        """For each output, the largest difference to the float model that the plan expects."""
        return tuple(self._core.expected_error(i) for i in range(len(self.outputs)))

    def plan(self, images: int = 1) -> dict[str, Any]:
        """What a run with so many images would do: steps, bytes, flights, memory, errors."""
        plan: dict[str, Any] = json.loads(self._core.plan(images, True))
        return plan

    def plan_text(self, images: int = 1) -> str:
        """The same for people."""
        return self._core.plan(images, False)

    def eval_float(self, x: Data | Mapping[str, Data]) -> Result:
        """The network in floats, without privacy."""
        return self._eval(x, False, 0)

    def eval_fixed(self, x: Data | Mapping[str, Data], seed: int = 0) -> Result:
        """The fixed-point twin that the private run follows; `seed` is for its noise."""
        return self._eval(x, True, seed)

    def _eval(self, x: Data | Mapping[str, Data], fixed: bool,
              seed: int) -> Result:
        inputs, outputs = self.inputs, self.outputs
        arrays = collect(x, inputs, lambda name: _find(name, inputs))
        results = empty(outputs, len(arrays[0]))
        self._core.eval(fixed, len(arrays[0]), arrays, results, seed)
        return finish(results, outputs)


def _bare(name: str) -> str:
    """A tensor's name without `import/` and `:0`."""
    return name.removeprefix("import/").removesuffix(":0")


def _find(name: str, tensors: tuple[Tensor, ...]) -> int:
    """The number of the tensor called `name`, exactly or but for these, -1 if there is none."""
    names = [t.name for t in tensors]
    if name in names:
        return names.index(name)
    return next((i for i, other in enumerate(names) if _bare(other) == _bare(name)), -1)


def plan(model: Any, batch: int = 1, *, example_input: Any = None,
         **options: Any) -> dict[str, Any]:
    """What a private run of `model` with `batch` images would do, without running it."""
    return Model(model, example_input, **options).plan(batch)
