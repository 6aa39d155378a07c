# SPDX-License-Identifier: Apache-2.0
"""Running whole models privately and comparing with the float model, for the tests of models."""
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from conftest import PROJECT

import mp2ml

Inputs = np.ndarray | Mapping[str, np.ndarray]


def model_file(name: str) -> Path:
    """A file of the collection of models: MP2ML_MODELS, or shared/models beside the project."""
    root = Path(os.environ.get("MP2ML_MODELS", PROJECT.parent / "shared" / "models"))
    if not (root / name).exists():
        pytest.skip("no data")
    return root / name


def predict(model: mp2ml.Model, x: Inputs, plain: bool | list[str] = False) -> list[np.ndarray]:
    """The outputs of a private run over loopback, one thread a party."""
    with mp2ml.Server(model, port=0, threads=1) as server, \
            mp2ml.Client("localhost", server.port, threads=1) as client:
        return listed(client.predict(x, plain=plain))


def listed(outputs: np.ndarray | Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Outputs in the model's order."""
    return list(outputs.values()) if isinstance(outputs, Mapping) else [outputs]


def labels(y: np.ndarray) -> np.ndarray:
    """Classes of rows of values; the sign of a single logit."""
    rows = y.reshape(len(y), -1)
    return rows.argmax(1) if rows.shape[1] > 1 else rows[:, 0] > 0


def agreement(y: np.ndarray, expected: np.ndarray, margin: float = 0) -> float:
    """The part of the samples with the same label, of those whose two best values differ by more
    than `margin`."""
    rows = np.sort(expected.reshape(len(expected), -1), axis=1)
    sure = rows[:, -1] - rows[:, -2] > margin if margin else np.ones(len(y), bool)
    assert sure.sum() >= len(y) / 2
    return float((labels(y) == labels(expected))[sure].mean())


def compare(name: str, model: mp2ml.Model, x: Inputs, expected: list[np.ndarray],
            plain: bool | list[str] = False, classes: bool = True,
            margin: float = 0) -> list[np.ndarray]:
    """Run privately; values must be within the error that the plan expects, labels (of `classes`)
    equal on 99 %; `margin` leaves out samples that the float model does not decide. The line that
    is printed shows with pytest -rP."""
    outputs = predict(model, x, plain)
    assert len(outputs) == len(expected) == len(model.expected_errors)
    for i, (y, want, bound) in enumerate(zip(outputs, expected, model.expected_errors)):
        assert y.shape == want.shape
        worst = float(np.abs(y - want).max())
        print(f"{name}[{i}]: {len(y)} samples, labels {100 * agreement(y, want):.1f} %, largest "
              f"error {worst:.4g} of {bound:.4g} expected, values up to {np.abs(want).max():.4g}")
        assert worst <= bound, (name, i)
        assert not classes or agreement(y, want, margin) >= 0.99, (name, i)
    return outputs
