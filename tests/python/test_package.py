# SPDX-License-Identifier: Apache-2.0
"""The package mp2ml: arrays, options, errors, threads, Ctrl-C, processes that die.

Needs numpy and the package, installed or by PYTHONPATH=BUILD/python; only the MNIST accuracy needs
data. The networks are the bundled ones and small graphs that are written here.
"""
import ast
import gc
import logging
import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import typing
from pathlib import Path

import numpy as np
import pytest

import mp2ml
from mp2ml import _core, _errors, convert
from mp2ml._client import Stats

ROOT = Path(__file__).resolve().parents[2]
CRYPTONETS = ROOT / "examples" / "mnist" / "models" / "cryptonets-relu-mnist.pb"
TIMEOUT = 120  # for what must not hang, on a busy machine


# ---- graphs: just enough of the public GraphDef format ----

def field(number, value):
    """One protobuf field: an int as varint, bytes and str with their length."""
    def varint(n):
        out = b""
        while n > 0x7F:
            out += bytes([n & 0x7F | 0x80])
            n >>= 7
        return out + bytes([n])
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def node(name, op, inputs=(), **attributes):
    """A NodeDef in a GraphDef; attributes are AttrValue bytes."""
    body = field(1, name) + field(2, op) + b"".join(field(3, i) for i in inputs)
    for key, value in attributes.items():
        body += field(5, field(1, key) + field(2, value))
    return field(1, body)


def shape_of(dims):
    unknown = (1 << 64) - 1  # -1
    return b"".join(field(2, field(1, unknown if d is None else d)) for d in dims)


FLOAT = field(6, 1)


def placeholder(name, *dims):
    return node(name, "Placeholder", dtype=FLOAT, shape=field(7, shape_of((None, *dims))))


def constant(name, array):
    array = np.asarray(array, np.float32)
    tensor = field(1, 1) + field(2, shape_of(array.shape)) + field(4, array.tobytes())
    return node(name, "Const", dtype=FLOAT, value=field(8, tensor))


def dense(name, source, weights):
    return constant(name + "/w", weights) + node(name, "MatMul", [source, name + "/w"], T=FLOAT)


RANDOM = np.random.default_rng(7)
W_A, W_B = RANDOM.uniform(-1, 1, (6, 4)), RANDOM.uniform(-1, 1, (3, 4))
TWO_INPUTS = (placeholder("a", 6) + placeholder("b", 3) + dense("da", "a", W_A)
              + dense("db", "b", W_B) + node("sum", "AddV2", ["da", "db"], T=FLOAT)
              + node("output", "Relu", ["sum"], T=FLOAT))
TWO_OUTPUTS = (placeholder("a", 6) + dense("da", "a", W_A)
               + node("r", "Relu", ["da"], T=FLOAT) + dense("one", "r", RANDOM.uniform(-1, 1, (4, 5)))
               + dense("two", "r", RANDOM.uniform(-1, 1, (4, 2))))


# ---- fixtures ----

@pytest.fixture(scope="module")
def images():
    """Drawn digits 0, 1, 7, 8 in black on grey noise, twice: labels with a wide margin."""
    i, j = np.mgrid[:28, :28]
    ring = np.abs(np.hypot((i - 13.5) / 9, (j - 13.5) / 7) - 1) < 0.2
    bar = (np.abs(j - 13.5) < 2) & (np.abs(i - 13.5) < 10)
    seven = ((np.abs(i - 5) < 2) & (np.abs(j - 13.5) < 7)) \
        | ((np.abs(j - 23 + i / 2) < 2) & (i > 4) & (i < 25))
    eight = (np.abs(np.hypot((i - 9) / 5, (j - 13.5) / 5) - 1) < 0.3) \
        | (np.abs(np.hypot((i - 19) / 5, (j - 13.5) / 5) - 1) < 0.3)
    drawn = np.array([ring, bar, seven, eight] * 2, np.float32)[..., None]
    return drawn * 0.9 + np.random.default_rng(1).random(drawn.shape, np.float32) / 10


@pytest.fixture(scope="module")
def model():
    return mp2ml.Model(CRYPTONETS, reveal="logits")


@pytest.fixture(scope="module")
def server(model):
    with mp2ml.Server(model, port=0) as running:
        yield running


@pytest.fixture
def client(server):
    with mp2ml.Client("localhost", server.port) as connected:
        yield connected


def run_python(code, *arguments):
    """A child Python with pipes."""
    return subprocess.Popen([sys.executable, "-u", "-c", code, *map(str, arguments)],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def wait_until(condition):
    end = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def tolerance(model):
    return model.expected_errors[0]


# ---- predictions ----

def test_predict_equals_the_float_model(client, model, images):
    y = client.predict(images)
    expected = model.eval_float(images)
    assert y.shape == (8, 10) and y.dtype == np.float32
    assert np.abs(y - expected).max() <= tolerance(model) < np.abs(expected).max() / 4
    assert np.abs(y - model.eval_fixed(images)).max() <= tolerance(model)


def test_several_predictions_on_one_connection(client, model, images):
    for n in (1, 3, 2):
        y = client.predict(images[:n])
        assert np.abs(y - model.eval_float(images[:n])).max() <= tolerance(model)
    assert client.stats.images == 6
    assert client.stats.flights > client.stats.setup_flights > 0
    assert client.stats.bytes_to_client > client.stats.setup_bytes_to_client > 0


def test_work_ahead_changes_no_result(server, model, images):
    with mp2ml.Client("127.0.0.1", server.port, precompute=True) as client:
        assert client.prepare(2, batch=3) == 2
        for _ in range(3): # the third as if nothing had been prepared
            y = client.predict(images[:3])
            assert np.abs(y - model.eval_float(images[:3])).max() <= tolerance(model)
        stats = client.stats
        assert (stats.requests, stats.precomputed, stats.prepared_used) == (3, 2, 2)
        assert client.receipt()["ahead"]["prepared_left"] == stats.prepared_left == 0
        with pytest.raises(ValueError):
            client.prepare(-1)
    with mp2ml.Client("127.0.0.1", server.port) as client:
        assert client.prepare(4) == 4
        assert client.stats.precomputed == 0 < client.stats.prepare_bytes_to_server


def test_stub_follows_extension():
    """The stub names every method of the extension's classes, and of stats() every field's type."""
    stub = ast.parse((ROOT / "python" / "mp2ml" / "_core.pyi").read_text())
    for declared in (n for n in stub.body if isinstance(n, ast.ClassDef)):
        names = {f.name for f in declared.body if isinstance(f, ast.FunctionDef)} - {"__new__"}
        real = {n for n in vars(getattr(_core, declared.name)) if not n.startswith("_")}
        assert names == real, declared.name
        for method in declared.body:
            if isinstance(method, ast.FunctionDef) and method.name == "stats":
                types = [n.id for n in method.returns.slice.elts]
    assert types == [t.__name__ for t in typing.get_type_hints(Stats).values()]


def test_simulated_network(server, model, images):
    rtt = 0.08
    with mp2ml.Client("localhost", server.port) as client:
        client.predict(images)
        near, near_receipt = client.stats, client.receipt()
    with mp2ml.Client("localhost", server.port, simulate_network="80ms:1gbit") as far:
        y = far.predict(images)
        stats, receipt = far.stats, far.receipt()
    assert np.abs(y - model.eval_float(images)).max() <= tolerance(model)
    # TCP and hello; the request, its plan, and every linear step wait for the other side.
    assert stats.setup_seconds >= 2 * rtt and stats.predict_seconds >= 3 * rtt
    # The server has seen the round trip: few flights, and no more is lost than one way for each.
    assert stats.engine == "yao"
    assert stats.flights - stats.setup_flights <= near.flights - near.setup_flights
    flights = stats.flights - stats.setup_flights
    assert near.predict_seconds < 3 * rtt
    assert stats.predict_seconds <= flights * rtt / 2 + 2 * near.predict_seconds + 1
    assert stats.simulated_network == "80ms:1000mbit"
    assert receipt["simulated_network"] == stats.simulated_text == "80 ms, 1000 Mbit/s"
    assert near.simulated_network == "" and "simulated_network" not in near_receipt
    assert (receipt["layout"], receipt["engine"]) == (stats.layout, stats.engine)
    assert stats.layout in ("batch", "image", "mixed") and stats.engine in ("gmw", "yao", "mixed")
    with pytest.raises(mp2ml.InputError, match="40ms:100mbit"):
        mp2ml.Client("localhost", server.port, simulate_network="slow")


@pytest.mark.parametrize("convert_to", [
    np.float64, np.float16, np.uint8, np.int64, bool, ">f4",
    pytest.param(lambda x: np.asfortranarray(x.astype(np.float32)), id="fortran"),
    pytest.param(lambda x: np.repeat(x, 2, axis=0)[::2].astype(np.float32), id="strided"),
    pytest.param(lambda x: x.reshape(2, -1), id="flat"),
    pytest.param(lambda x: x.tolist(), id="list")])
def test_any_real_array_gives_the_same(client, model, convert_to):
    x = (np.random.default_rng(3).random((2, 28, 28, 1)) > 0.7).astype(np.int32)
    converted = convert_to(x) if not isinstance(convert_to, (type, str)) else x.astype(convert_to)
    y = client.predict(converted)
    assert np.abs(y - model.eval_float(x)).max() <= tolerance(model)


def test_a_dict_for_one_input_and_its_names(client, model, images):
    for name in ("input", "import/input", "input:0", "import/input:0"):
        y = client.predict({name: images[:1]})
        assert np.abs(y - model.eval_float({name: images[:1]})).max() <= tolerance(model)


def test_plain_is_stated_and_does_not_stick(images):
    model = mp2ml.Model(CRYPTONETS, reveal="logits", layout="batch", nonlinear="gmw")
    with mp2ml.Server(model, port=0) as server, \
            mp2ml.Client("localhost", server.port) as client:
        check_plain(client, model, images)


def check_plain(client, model, images):
    received = [client.stats.bytes_to_client]
    for plain in (False, True, ["import/input"], False, True, []):
        y = client.predict(images[:1], plain=plain)
        assert np.abs(y - model.eval_float(images[:1])).max() <= tolerance(model)
        received.append(client.stats.bytes_to_client)
        # What once was sent in the clear stays in the receipt.
        assert client.receipt()["inputs"][0]["sent"] == (
            "encrypted" if len(received) == 2 else "in the clear")
    # An encrypted input brings the answer of the first layer in ciphertexts, megabytes more.
    many = [after - before > 3e6 for before, after in zip(received, received[1:])]
    assert many == [True, False, False, True, False, True]
    with pytest.raises(mp2ml.InputError, match="no input 'x', it has 'input'"):
        client.predict(images[:1], plain=["x"])


def test_labels_are_the_default(images):
    labels = mp2ml.Model(CRYPTONETS)
    with mp2ml.Server(labels, port=0) as server, \
            mp2ml.Client("localhost", server.port) as client:
        y = client.predict(images)
        assert y.dtype == np.int64 == client.outputs[0].dtype and y.shape == (8,)
        assert client.outputs[0].integers and client.outputs[0].shape == ()
        assert y.tolist() == labels.eval_float(images).tolist() == [0, 1, 7, 8] * 2
        assert client.receipt()["policy"] == "argmax"


def test_several_inputs():
    a, b = np.random.default_rng(5).random((4, 6)), np.random.default_rng(6).random((4, 3))
    expected = np.maximum(a @ W_A + b @ W_B, 0)
    model = mp2ml.Model(TWO_INPUTS, reveal="logits")
    assert np.allclose(model.eval_float({"b": b, "a": a}), expected, atol=1e-5)
    with mp2ml.Server(model, port=0) as server, mp2ml.Client("localhost", server.port) as client:
        assert sorted(t.name for t in client.inputs) == ["a", "b"]
        for plain in (False, ["b"], True):
            y = client.predict({"b": b, "import/a:0": a}, plain=plain)
            assert np.abs(y - expected).max() <= tolerance(model)
        for x, words in (({"a": a}, "'b' is missing"), (a, "2 inputs: pass a dict"),
                         ({"a": a, "b": b, "c": b}, "no input 'c'"),
                         ({"a": a, "b": b[:3]}, "number of samples: 4 in 'a', 3 in 'b'"),
                         ({"a": a, "a:0": a, "b": b}, "'a' is given twice")):
            with pytest.raises(mp2ml.InputError, match=words):
                client.predict(x)
        assert client.predict({"a": a, "b": b}).shape == (4, 4)  # none of these cost the session


def test_several_outputs():
    a = np.random.default_rng(5).random((4, 6))
    model = mp2ml.Model(TWO_OUTPUTS, reveal="logits", output_node=["one", "two"])
    expected = model.eval_float(a)
    assert expected["one"].shape == (4, 5) and expected["two"].shape == (4, 2)
    with mp2ml.Server(model, port=0) as server, mp2ml.Client("localhost", server.port) as client:
        y = client.predict(a)
        assert list(y) == [t.name for t in client.outputs]
        for i, t in enumerate(client.outputs):
            assert np.abs(y[t.name] - expected[t.name]).max() <= model.expected_errors[i]


# ---- data that do not fit ----

@pytest.mark.parametrize(("x", "words"), [
    (np.zeros((2, 28, 27, 1)), r"shape \(2, 28, 27, 1\) has 2 samples of 756 values, expected 784"),
    (np.zeros((28, 28, 1)), r"28 samples of 28 values, expected 784 .*\(samples, 28, 28, 1\)"),
    (np.zeros((0, 28, 28, 1)), "no samples"),
    (np.float32(1), "a single number"),
    (np.zeros((1, 784), complex), "type complex128"),
    (np.full((1, 784), "1"), "expected real numbers"),
    ([[0.0], [0.0, 1.0]], "not an array"),
    (np.full((1, 784), np.nan), "(?i)nan|not finite"),
    (np.full((1, 784), 1e300), "(?i)inf|not finite|range"),
    (np.full((1, 784), 255), "255"),
    (np.full((1, 784), -0.5), "-0.5")])
def test_bad_data_cost_nothing(client, images, x, words):
    before = client.stats
    with pytest.raises(mp2ml.InputError, match=words) as caught:
        client.predict(x)
    assert isinstance(caught.value, ValueError) and caught.value.status == "ERR_INPUT"
    assert client.stats == before, "something was sent"
    assert client.predict(images[:1]).shape == (1, 10)


# ---- options ----

def test_unknown_options_name_near_misses():
    with pytest.raises(TypeError, match="unexpected keyword argument 'input_rang'.*input_range"):
        mp2ml.Model(CRYPTONETS, input_rang=(0, 1))
    with pytest.raises(TypeError, match="'input_range', it belongs to Model"):
        mp2ml.Client("localhost", 1, input_range=(0, 1))
    with pytest.raises(TypeError, match="did you mean max_clients"):
        mp2ml.Server(CRYPTONETS, port=0, max_client=3)
    with pytest.raises(TypeError, match="it takes .*threads"):
        mp2ml.Client("localhost", 1, zzz=1)


def test_options_take_python_values(model):
    assert mp2ml.Model(CRYPTONETS, input_range=(0, 255)).inputs[0].high == 255
    assert mp2ml.Model(CRYPTONETS, input_range="-1:1").inputs[0].low == -1
    assert mp2ml.Model(CRYPTONETS, input_range=(np.float32(-0.5), 2.0)).inputs[0].low == -0.5
    assert mp2ml.Model(CRYPTONETS, bits=np.int64(14), reveal=None).outputs[0].integers
    for wrong in ({"bits": 99}, {"bits": True}, {"reveal": "everything"}, {"input_range": (1, 0)},
                  {"input_range": {}}, {"ranges": "a\0b"}):
        with pytest.raises(mp2ml.InputError) as caught:
            mp2ml.Model(CRYPTONETS, **wrong)
        assert caught.value.status == "ERR_ARGUMENT"
    with pytest.raises(mp2ml.InputError, match="tls is a switch"):
        mp2ml.Client("localhost", 1, tls="maybe")
    with pytest.raises(TypeError, match="planned already"):
        mp2ml.Server(model, port=0, reveal="argmax")


# ---- models ----

def test_models_from_file_bytes_and_objects(images):
    class Graph:
        def SerializeToString(self):
            return CRYPTONETS.read_bytes()

    expected = mp2ml.Model(CRYPTONETS, reveal="logits").eval_float(images)
    for source in (str(CRYPTONETS), CRYPTONETS.read_bytes(), bytearray(CRYPTONETS.read_bytes()),
                   Graph()):
        got = mp2ml.Model(source, reveal="logits").eval_float(images)
        assert np.array_equal(got, expected)
    with pytest.raises(TypeError, match="got a int; a model is .*GraphDef"):
        mp2ml.Model(3)


def test_models_that_cannot_be(tmp_path):
    for source, status in (
            (b"no graph", "ERR_MODEL"), (b"", "ERR_MODEL"), (tmp_path / "none.pb", "ERR_IO"),
            (CRYPTONETS.read_bytes()[:-100], "ERR_MODEL"),
            (placeholder("a", 6) + node("output", "Frobnicate", ["a"], T=FLOAT),
             "ERR_UNSUPPORTED")):
        with pytest.raises(mp2ml.ModelError) as caught:
            mp2ml.Model(source)
        assert caught.value.status == status, source
        assert not isinstance(caught.value, ValueError)
    with pytest.raises(mp2ml.ModelError, match="none.pb"):
        mp2ml.Model(tmp_path / "none.pb")


def test_plan():
    plan = mp2ml.plan(CRYPTONETS, batch=16, reveal="logits")
    assert plan["inputs"][0]["shape"] == [-1, 28, 28, 1] and plan["outputs"][0]["dtype"]
    assert {"layout", "steps", "totals", "leaks"} <= set(plan)
    assert "relu" in mp2ml.Model(CRYPTONETS).plan_text(1)
    with pytest.raises(mp2ml.InputError):
        mp2ml.plan(CRYPTONETS, batch=0)


def test_conversion_without_tensorflow(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    (tmp_path / "m.keras").write_bytes(b"")
    for source in (tmp_path / "m.keras", tmp_path):
        with pytest.raises(mp2ml.ModelError, match="needs tensorflow.*GraphDef") as caught:
            mp2ml.Model(source)
        assert caught.value.status == "ERR_UNSUPPORTED"
    assert convert.main([str(tmp_path / "m.keras"), str(tmp_path / "out.pb")]) == 1
    assert convert.main([str(tmp_path / "no.h5"), str(tmp_path / "out.pb")]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and "tensorflow" in lines[0] and "no.h5" in lines[1]
    assert not (tmp_path / "out.pb").exists()


@pytest.mark.tensorflow
def test_conversion_with_tensorflow(tmp_path):
    tf = pytest.importorskip("tensorflow")
    keras = tf.keras.Sequential([tf.keras.layers.Input((6,), name="in"),
                                 tf.keras.layers.Dense(4, activation="relu"),
                                 tf.keras.layers.Dense(3)])
    x = np.random.default_rng(2).random((5, 6), np.float32)
    expected = keras(x).numpy()
    keras.save(tmp_path / "m.keras")
    tf.saved_model.save(keras, str(tmp_path / "saved"))
    assert convert.main([str(tmp_path / "m.keras"), str(tmp_path / "m.pb")]) == 0
    for source in (tmp_path / "m.pb", tmp_path / "m.keras", tmp_path / "saved", keras):
        got = mp2ml.Model(source, reveal="logits").eval_float(x)
        assert np.allclose(got, expected, atol=1e-5), source


# ---- errors by kind ----

def test_every_status_has_its_class():
    kinds = {
        mp2ml.ConnectionError: "TIMEOUT CLOSED CONNECT TLS REFUSED FAILED IO",
        mp2ml.ProtocolError: "PROTOCOL ABORTED", mp2ml.ModelError: "MODEL UNSUPPORTED",
        mp2ml.PlanError: "PLAN", mp2ml.InputError: "INPUT ARGUMENT",
        mp2ml.Error: "MEMORY RANDOM CANCELLED CRYPTO"}
    for kind, names in kinds.items():
        for name in names.split():
            error = _errors.make("ERR_" + name, "some words", "network")
            assert type(error) is kind and isinstance(error, mp2ml.Error)
            assert str(error) == "some words" and error.status == "ERR_" + name
            assert str(pickle.loads(pickle.dumps(error))) == "some words"
    assert type(_errors.make("ERR_IO", "x", "model")) is mp2ml.ModelError
    assert issubclass(mp2ml.ConnectionError, ConnectionError)


def serve_socket(behave):
    """A listener for one connection, which goes to behave() in a thread; its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept():
        with listener, listener.accept()[0] as connection:
            behave(connection)
    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def test_no_server():
    start = time.monotonic()
    with pytest.raises(ConnectionError) as caught:
        mp2ml.Client("localhost", closed_port(), connect_timeout=1)
    assert caught.value.status == "ERR_CONNECT" and time.monotonic() - start < 30


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_wrong_port(port):
    with pytest.raises(mp2ml.InputError, match="expected 1 to 65535"):
        mp2ml.Client("localhost", port)


def test_silent_server():
    release = threading.Event()
    port = serve_socket(lambda connection: release.wait(TIMEOUT))
    with pytest.raises(mp2ml.ConnectionError) as caught:
        mp2ml.Client("localhost", port, timeout=1)
    release.set()
    assert caught.value.status == "ERR_TIMEOUT"


def test_babbling_server():
    def babble(connection):
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 8)
        while connection.recv(65536):
            pass
    with pytest.raises(mp2ml.ProtocolError) as caught:
        mp2ml.Client("localhost", serve_socket(babble), timeout=10)
    assert caught.value.status == "ERR_PROTOCOL"


def test_server_that_leaves():
    port = serve_socket(lambda connection: connection.recv(1))
    with pytest.raises(mp2ml.ConnectionError) as caught:
        mp2ml.Client("localhost", port, timeout=10)
    assert caught.value.status in ("ERR_CLOSED", "ERR_IO")


def test_refusals(model, server):
    with mp2ml.Server(model, port=0, max_clients=1, max_batch=2) as small, \
            mp2ml.Client("localhost", small.port) as first:
        with pytest.raises(mp2ml.ConnectionError) as caught:
            mp2ml.Client("localhost", small.port)
        assert caught.value.status == "ERR_REFUSED"
        with pytest.raises(mp2ml.ConnectionError) as caught:
            first.predict(np.zeros((3, 784)))
        assert caught.value.status == "ERR_REFUSED"
        assert first.predict(np.zeros((2, 784))).shape == (2, 10)
    with pytest.raises(mp2ml.Error, match="(?i)logits"):
        mp2ml.Client("localhost", server.port, require_reveal="argmax")


def test_server_stopped_under_a_client(model, images):
    server = mp2ml.Server(model, port=0).start()
    client = mp2ml.Client("localhost", server.port)
    server.stop()
    with pytest.raises((mp2ml.ConnectionError, mp2ml.ProtocolError)):
        client.predict(images)
    with pytest.raises(mp2ml.ConnectionError) as caught:
        client.predict(images)
    assert caught.value.status == "ERR_FAILED"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl program")
def test_tls(model, images, tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                    "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                    "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    with mp2ml.Server(model, port=0, tls=(certificate, key)) as server:
        assert len(server.pin) == 64
        for trust in ({"server_pin": server.pin}, {"ca": certificate}):
            with mp2ml.Client("localhost", server.port, **trust) as client:
                assert client.predict(images[:1]).shape == (1, 10)
                assert client.receipt()["transport"] == "TLS 1.3"
        wrong = ("0" if server.pin[0] != "0" else "1") + server.pin[1:]
        with pytest.raises(mp2ml.ConnectionError) as caught:
            mp2ml.Client("localhost", server.port, server_pin=wrong)
        assert caught.value.status == "ERR_TLS"


# ---- threads, progress, closing ----

def test_progress(client, images, capsys):
    fractions = []
    client.predict(np.repeat(images, 16, axis=0), progress=fractions.append)
    assert fractions == sorted(fractions) and all(0 <= f <= 1 for f in fractions)
    assert len(fractions) >= 1
    client.predict(images[:2], progress=True)
    assert "2/2" in capsys.readouterr().err


def test_progress_that_raises_ends_the_call(client, images):
    def fail(fraction):
        raise KeyError(fraction)
    with pytest.raises(KeyError):
        client.predict(np.repeat(images, 64, axis=0), progress=fail)
    with pytest.raises(mp2ml.ConnectionError):
        client.predict(images)


def test_other_threads_go_on_during_predict(client, images):
    ticks, stop = [], threading.Event()

    def count():
        while not stop.wait(0.005):
            ticks.append(time.monotonic())
    thread = threading.Thread(target=count)
    thread.start()
    start = time.monotonic()
    client.predict(np.repeat(images, 16, axis=0))
    end = time.monotonic()
    stop.set()
    thread.join()
    within = [t for t in ticks if start < t < end]
    assert len(within) >= 5
    assert max(np.diff([start, *within, end])) < 0.6 * (end - start)


def test_close_from_another_thread(client, images):
    started, errors = threading.Event(), []

    def predict():
        try:
            client.predict(np.repeat(images, 256, axis=0), progress=lambda f: started.set())
        except mp2ml.Error as error:
            errors.append(error)
    thread = threading.Thread(target=predict)
    thread.start()
    assert started.wait(TIMEOUT)
    with pytest.raises(RuntimeError, match="one thread at a time"):
        client.predict(images)
    client.close()
    thread.join(TIMEOUT)
    assert not thread.is_alive()
    assert errors[0].status == "ERR_CANCELLED"
    with pytest.raises(ValueError, match="closed"):
        client.predict(images)
    client.close()


def test_clients_at_the_same_time(server, model, images):
    results = {}

    def predict(i):
        with mp2ml.Client("localhost", server.port) as client:
            results[i] = client.predict(images[i:i + 2])
    threads = [threading.Thread(target=predict, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
    expected = model.eval_float(images)
    for i in range(4):
        assert np.abs(results[i] - expected[i:i + 2]).max() <= tolerance(model)


# ---- the server's life ----

def test_server_life(model, images, caplog):
    caplog.set_level(logging.INFO, "mp2ml.server")
    server = mp2ml.Server(model, port=0)
    port = server.port
    with server:
        assert server.start() is server
        with pytest.raises(ConnectionError):
            mp2ml.Server(model, port=port)
        with mp2ml.Client("localhost", port) as client:
            client.predict(images[:3])
        wait_until(lambda: server.images == 3)
    assert (server.images, server.port, server.pin) == (3, port, "")
    assert any("3 images" in line for line in caplog.messages)
    server.stop()
    server.wait()
    with pytest.raises(RuntimeError, match="was stopped"):
        server.start()
    with mp2ml.Server(model, port=port) as again:  # the port is free
        assert again.port == port
    with pytest.raises(ConnectionError):
        mp2ml.Client("localhost", port, connect_timeout=0)


def test_wait_ends_with_stop(model):
    server = mp2ml.Server(model, port=0)
    threading.Timer(0.2, server.stop).start()
    server.wait()


def test_forgotten_server_closes_its_port(model):
    server = mp2ml.Server(model, port=0).start()
    port = server.port
    del server
    gc.collect()
    with pytest.raises(ConnectionError):
        mp2ml.Client("localhost", port, connect_timeout=0)


def test_exit_with_a_running_server():
    child = run_python("import mp2ml, sys; s = mp2ml.Server(sys.argv[1], port=0).start();"
                       "c = mp2ml.Client('localhost', s.port); print('up')", CRYPTONETS)
    out, err = child.communicate(timeout=TIMEOUT)
    assert (child.returncode, out, err) == (0, "up\n", "")


# ---- processes ----

SERVE = """
import mp2ml, sys
server = mp2ml.Server(sys.argv[1], port=0, reveal="logits")
print(server.port)
try:
    server.wait()
except KeyboardInterrupt:
    server.stop()
    print("stopped")
"""
PREDICT = """
import mp2ml, numpy, sys
client = mp2ml.Client("localhost", int(sys.argv[1]))
client.predict(numpy.zeros((4096, 784)), progress=print)
"""
CONNECT = """
import mp2ml, sys
print("connecting")
mp2ml.Client("localhost", int(sys.argv[1]), connect_timeout=3600)
"""


def test_server_in_another_process(model, images):
    child = run_python(SERVE, CRYPTONETS)
    port = int(child.stdout.readline())
    with mp2ml.Client("localhost", port) as client:
        assert np.abs(client.predict(images) - model.eval_float(images)).max() <= tolerance(model)
        child.send_signal(signal.SIGINT)  # with a client connected
        out, err = child.communicate(timeout=TIMEOUT)
    assert (child.returncode, out, err) == (0, "stopped\n", "")


def interrupted(child):
    """Sends Ctrl-C; the seconds until the child ended by it."""
    start = time.monotonic()
    child.send_signal(signal.SIGINT)
    err = child.communicate(timeout=TIMEOUT)[1]
    assert err.rstrip().endswith("KeyboardInterrupt")
    assert child.returncode in (130, -signal.SIGINT)
    return time.monotonic() - start


def test_ctrl_c_in_predict(server, images):
    child = run_python(PREDICT, server.port)
    assert child.stdout.readline()  # the first progress
    assert interrupted(child) < 20
    with mp2ml.Client("localhost", server.port) as client:
        assert client.predict(images[:1]).shape == (1, 10)


def test_ctrl_c_while_connecting():
    child = run_python(CONNECT, closed_port())
    assert child.stdout.readline() == "connecting\n"
    time.sleep(0.3)
    assert interrupted(child) < 20


def test_server_survives_a_killed_client(server, images):
    child = run_python(PREDICT, server.port)
    assert child.stdout.readline()
    child.kill()
    child.communicate(timeout=TIMEOUT)
    with mp2ml.Client("localhost", server.port) as client:
        assert client.predict(images[:1]).shape == (1, 10)


# ---- the extension ----

def test_extension_checks_lengths(server):
    core = _core.Client("localhost", server.port, [])
    x, y = np.zeros(784, np.float32), np.zeros(10, np.float32)
    for arguments in ((1, [x[:-1]], [y]), (1, [x], [y[:-1]]), (2, [x], [y]), (1, [], [y]),
                      (1, [x, x], [y]), (1, [x], []), (-1, [x], [y]), (2**62, [x], [y])):
        with pytest.raises(ValueError, match="buffer|negative"):
            core.predict(*arguments, None)
    frozen = y.copy()
    frozen.flags.writeable = False
    with pytest.raises((ValueError, BufferError)):
        core.predict(1, [x], [frozen], None)
    core.predict(1, [x], [y], None)
    assert np.any(y)


def test_extension_exports_one_symbol_and_uses_the_stable_abi():
    assert _core.__file__.endswith(".abi3.so")
    if shutil.which("nm") is None:
        pytest.skip("needs nm")
    listing = subprocess.run(["nm", "-D", "--defined-only", _core.__file__], check=True, text=True,
                             capture_output=True).stdout
    assert [line.split()[-1] for line in listing.splitlines()] == ["PyInit__core"]


def test_package_is_typed():
    assert (Path(mp2ml.__file__).parent / "py.typed").is_file()
    assert os.path.exists(Path(mp2ml.__file__).parent / "_core.pyi")
