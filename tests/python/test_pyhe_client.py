# SPDX-License-Identifier: Apache-2.0
"""The published client interface, and the MNIST example's scripts as they are."""
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import mp2ml
import pyhe_client

MNIST = Path(__file__).resolve().parents[2] / "examples" / "mnist"
CRYPTONETS = MNIST / "models" / "cryptonets-relu-mnist.pb"
TIMEOUT = 120


@pytest.fixture(scope="module")
def model():
    return mp2ml.Model(CRYPTONETS, reveal="logits")


@pytest.fixture(scope="module")
def port(model):
    with mp2ml.Server(model, port=0) as server:
        yield server.port


@pytest.fixture(scope="module")
def images():
    """Nothing, a ring and a bar; the last two are a 0 and a 1 to any network."""
    i, j = np.mgrid[:28, :28]
    ring = np.abs(np.hypot((i - 13.5) / 9, (j - 13.5) / 7) - 1) < 0.2
    bar = (np.abs(j - 13.5) < 2) & (np.abs(i - 13.5) < 10)
    return np.array([np.zeros((28, 28)), ring, bar], np.float32)[..., None]


def agrees(results, model, images):
    expected = model.eval_float(images).ravel()
    return (len(results) == len(expected)
            and np.abs(np.asarray(results) - expected).max() <= model.expected_errors[0])


# ---- the class ----

@pytest.mark.parametrize("name", ["input", "import/input", "input:0", "import/input:0"])
def test_results_are_flat_floats(port, model, images, name):
    client = pyhe_client.HESealClient("localhost", port, 3, {name: ("encrypt", images.flatten("C"))})
    results = client.get_results()
    assert client.is_done() and type(results) is list
    assert all(type(value) is float for value in results)
    assert agrees(results, model, images)
    client.close_connection()
    assert client.get_results() == results and client.is_done()


@pytest.mark.parametrize("form", [
    lambda x: x.flatten().tolist(), lambda x: x, lambda x: x.reshape(3, 784).astype(np.float64)],
    ids=["list", "any shape", "float64"])
@pytest.mark.parametrize("mode", ["encrypt", "plain"])
def test_forms_of_data_and_modes(port, model, images, form, mode):
    for pair in ((mode, form(images)), [mode, form(images)]):
        client = pyhe_client.HESealClient("localhost", port, 3, {"import/input": pair})
        assert agrees(client.get_results(), model, images)


@pytest.mark.parametrize(("batch", "inputs", "words"), [
    (0, {"input": ("encrypt", [])}, "batch_size 0: expected at least 1"),
    (-2, {"input": ("encrypt", [])}, "batch_size -2: expected at least 1"),
    (1.5, {"input": ("encrypt", [0] * 784)}, "batch_size 1.5: expected a whole number"),
    (2, {"input": ("encrypt", [0] * 784)}, "784 values came, expected 1568 .batch_size 2 times 784"),
    (1, {"input": ("encrypt", [0] * 1568)}, "1568 values came, expected 784"),
    (1, {"input": ("encrypted", [0] * 784)}, "unknown mode 'encrypted', expected 'encrypt' or"),
    (1, {"image": ("encrypt", [0] * 784)}, "'image': the model has no such input, expected 'input'"),
    (1, {"input": ("encrypt", [0] * 784), "input:0": ("plain", [0] * 784)}, "given twice"),
    (1, {"input": [0.0] * 784}, "expected a pair .mode, data."),
    (1, {"input": ("encrypt", [[0], [0, 1]])}, "not an array"),
    (1, {"input": ("encrypt", ["a"] * 784)}, "expected real numbers"),
    (1, {"input": ("encrypt", [2.0] * 784)}, "2"),
    (1, {}, "expected a dict"),
    (1, [0.0] * 784, "expected a dict")])
def test_wrong_arguments(port, batch, inputs, words):
    with pytest.raises(ValueError, match=words):
        pyhe_client.HESealClient("localhost", port, batch, inputs)


def test_it_waits_for_a_server_that_is_still_starting(model, images):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    servers = []
    timer = threading.Timer(1.5, lambda: servers.append(mp2ml.Server(model, port=port).start()))
    timer.start()
    try:
        client = pyhe_client.HESealClient("localhost", port, 3, {"input": ("encrypt", images)})
        assert agrees(client.get_results(), model, images)
    finally:
        timer.join()
        servers[0].stop()


def test_labels_come_with_a_warning(images):
    with mp2ml.Server(CRYPTONETS, port=0) as server, pytest.warns(UserWarning, match="labels only"):
        client = pyhe_client.HESealClient("localhost", server.port, 3, {"input": ("encrypt", images)})
    assert client.get_results()[1:] == [0.0, 1.0] and len(client.get_results()) == 3


def test_no_server(images):
    start = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(mp2ml.ConnectionError):
        pyhe_client.HESealClient("localhost", port, 3, {"input": ("encrypt", images)},
                                 connect_timeout=1)
    assert time.monotonic() - start < 20


# ---- the example's scripts, unchanged ----

def has_mnist():
    """True when MNIST is on this machine where the example looks; nothing is downloaded."""
    roots = [MNIST.parents[1].parent / "shared" / "data"]
    if os.environ.get("MP2ML_DATA"):
        roots.insert(0, Path(os.environ["MP2ML_DATA"]))
    name = "t10k-images-idx3-ubyte"
    return any((folder / (name + end)).is_file() and "fashion" not in folder.name
               for root in roots for folder in (root / "mnist", root) for end in ("", ".gz"))


def example(script, *flags):
    """The script in its own folder; as a process with pipes."""
    return subprocess.Popen([sys.executable, "-u", script, *map(str, flags)], cwd=MNIST,
                            env={**os.environ, "MP2ML_DATASET": "mnist"}, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def right_of_64(port, *flags):
    """How many of 64 test images client.py gets right."""
    child = example("client.py", "--port", port, "--batch_size", 64, *flags)
    out, err = child.communicate(timeout=TIMEOUT)
    assert child.returncode == 0, err
    words = out.split()  # accuracy: R of N = ...
    assert words[0] == "accuracy:" and words[3] == "64"
    return int(words[1])


needs_mnist = pytest.mark.skipif(not has_mnist(), reason="no data")


@needs_mnist
@pytest.mark.parametrize("mode", ["encrypt", "plain"])
def test_client_script(port, mode):
    assert right_of_64(port, "--encrypt_data_str", mode, "--start_batch", 100) >= 62


@needs_mnist
def test_both_scripts():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    server = example("server.py", "--port", port)
    try:
        assert right_of_64(port) >= 62
        server.send_signal(signal.SIGINT)
        out, err = server.communicate(timeout=TIMEOUT)
    finally:
        server.kill()
    assert (server.returncode, err) == (0, "")
    assert f"on port {port}" in out and out.endswith("stopped\n")
