# SPDX-License-Identifier: Apache-2.0
"""The program as its users meet it: two processes and a socket, exit codes, messages, files."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import MODEL, PATIENCE, Serving
from graphdef import Graph

COMMANDS = ("serve", "predict", "plan", "bench", "convert")


def run(program: str, *words: object, **more: object) -> subprocess.CompletedProcess:
    return subprocess.run([program, *map(str, words)], capture_output=True, text=True, check=False,
                          timeout=PATIENCE, **more)


def refused(result: subprocess.CompletedProcess, *texts: str) -> None:
    """Exit code 1 and exactly one line that says why."""
    assert result.returncode == 1, result
    assert result.stderr.startswith("mp2ml: ") and result.stderr.count("\n") == 1, result.stderr
    for text in texts:
        assert text in result.stderr, result.stderr


def misused(result: subprocess.CompletedProcess, *texts: str) -> None:
    """Exit code 2, one line, nothing on standard output."""
    assert result.returncode == 2, result
    assert result.stderr.startswith("mp2ml") and result.stderr.count("\n") == 1, result.stderr
    assert result.stdout == ""
    for text in texts:
        assert text in result.stderr, result.stderr


def done(result: subprocess.CompletedProcess) -> str:
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return result.stdout


def predict(program: str, server: Serving, *words: object) -> subprocess.CompletedProcess:
    return run(program, "predict", server.address, "--threads", 1, *words)


def start(program: str, server: Serving, *words: object) -> subprocess.Popen:
    """A client that works in the background."""
    return subprocess.Popen([program, "predict", server.address, *map(str, words)],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def saved(folder: Path, name: str, array: object) -> Path:
    path = folder / name
    np.save(path, array)
    return path


def random_images(count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).random((count, 28, 28, 1), dtype=np.float32)


@pytest.fixture
def x(tmp_path: Path) -> Path:
    return saved(tmp_path, "x.npy", random_images(5))


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """Enough images for a request that lasts for many seconds."""
    return saved(tmp_path, "large.npy", np.zeros((60000, 784), np.uint8))


# ---- help and usage ----------------------------------------------------------------------------

def test_help_lists_the_commands(program: str) -> None:
    text = done(run(program, "--help"))
    for command in COMMANDS:
        assert re.search(rf"^  {command} ", text, re.MULTILINE)
    assert re.fullmatch(r"mp2ml \d+\.\d+\.\d+\n", done(run(program, "--version")))


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command(program: str, command: str) -> None:
    text = done(run(program, command, "--help"))
    assert text.startswith(f"usage: mp2ml {command} ")
    assert max(map(len, text.splitlines())) <= 100
    assert not re.search(r" $", text, re.MULTILINE)


def test_help_has_the_flags_of_the_library(program: str) -> None:
    assert "--port PORT" in done(run(program, "serve", "--help"))
    assert "--tls CERT KEY" in done(run(program, "serve", "--help"))
    assert "--port" not in done(run(program, "predict", "--help"))
    assert "--server-pin HEX" in done(run(program, "predict", "--help"))
    assert "--input-range" in done(run(program, "plan", "--help"))


@pytest.mark.parametrize("words, texts", [
    ((), ("no command",)),
    (("serv",), ("'serve'",)),
    (("frobnicate",), ("no command 'frobnicate'",)),
    (("serve",), ("argument is missing",)),
    (("serve", "a.pb", "b.pb"), ("b.pb", "one argument too many")),
    (("serve", "a.pb", "--prot", "1"), ("--prot", "--port")),
    (("serve", "a.pb", "--server-pin", "00"), ("--server-pin", "not a flag of this command")),
    (("serve", "a.pb", "--port"), ("--port needs PORT",)),
    (("serve", "a.pb", "--port", "70000"), ("--port", "70000")),
    (("serve", "a.pb", "--tls", "cert.pem"), ("--tls needs CERT KEY",)),
    (("serve", "a.pb", "-p", "1"), ("-p", "two dashes")),
    (("serve", "a.pb", "--reveal", "everything"), ("--reveal", "argmax")),
    (("plan", "a.pb", "--batch", "0"), ("--batch", "0")),
    (("plan", "a.pb", "--json=yes"), ("--json takes no value",)),
    (("plan", "a.pb", "--input-range", "1:0"), ("--input-range", "1:0")),
    (("predict", "localhost"), ("--input FILE is missing",)),
    (("predict", "localhost:0", "--input", "x.npy"), ("localhost:0",)),
    (("predict", "[::1", "--input", "x.npy"), ("[::1",)),
    (("predict", "h", "--input", "x.npy", "--reveal", "logits"), ("--require-reveal",)),
    (("predict", "h", "--input", "--labels", "y.npy"), ("--input needs",)),
    (("bench", "--batch", "1,x"), ("--batch", "x")),
    (("bench", "--runs", "0"), ("--runs", "0")),
    (("convert", "a.h5"), ("argument is missing",)),
])
def test_wrong_usage(program: str, words: tuple, texts: tuple) -> None:
    misused(run(program, *words), *texts)


def test_full_disk_is_a_failure(program: str) -> None:
    with open("/dev/full", "w") as full:
        result = subprocess.run([program, "--help"], stdout=full, stderr=subprocess.PIPE,
                                check=False, text=True)
    refused(result, "standard output")


# ---- models ------------------------------------------------------------------------------------

@pytest.mark.parametrize("command", ("serve", "plan", "bench"))
def test_missing_model(program: str, command: str) -> None:
    refused(run(program, command, "/nowhere/model.pb"), "/nowhere/model.pb")


@pytest.mark.parametrize("size", (0, 1, 100, 5000, -1))
def test_truncated_model(program: str, tmp_path: Path, size: int) -> None:
    path = tmp_path / "cut.pb"
    path.write_bytes(MODEL.read_bytes()[:size])
    refused(run(program, "plan", path), "cut.pb")


def test_folder_and_text_as_model(program: str, tmp_path: Path) -> None:
    (tmp_path / "readme.pb").write_text("This is no model.\n" * 100)
    refused(run(program, "plan", tmp_path / "readme.pb"), "readme.pb")
    refused(run(program, "serve", tmp_path, "--port", 0), str(tmp_path))


def test_unknown_node(program: str) -> None:
    refused(run(program, "plan", MODEL, "--output-node", "no/such"), "no/such")


def test_plan(program: str) -> None:
    plan = json.loads(done(run(program, "plan", MODEL, "--json", "--batch", 10)))
    assert {"inputs", "outputs", "layout", "steps", "totals", "leaks"} <= plan.keys()
    assert plan["inputs"][0]["name"] == "input" and plan["inputs"][0]["shape"] == [-1, 28, 28, 1]
    assert plan["layout"] in ("batch", "image", "mixed")
    batch = ("--layout", "batch")
    plan = json.loads(done(run(program, "plan", MODEL, "--json", "--batch", 10, *batch)))
    more = json.loads(done(run(program, "plan", MODEL, "--json", "--batch", 2100, *batch)))
    linear = [step for step in plan["steps"] if step["kind"] == "linear"]
    # 645 weights lie outside of the picture.
    assert [step["products"] for step in linear] == [169 * 5 * 25 - 645, 845 * 100, 100 * 10]
    for totals, blocks, images in ((plan["totals"], 1, 10), (more["totals"], 2, 2100)):
        halves = {"S1": blocks * 2048 + images, "S2": 2 * (blocks * 4096 + images)}
        assert totals["multiply_adds"] == sum(step["products"] * halves[step["set"]]
                                              for step in linear)
    text = done(run(program, "plan", MODEL, "--batch=10"))
    assert "relu" in text and "10 images" in text


def test_unsupported_operators_are_explained(program: str, tmp_path: Path) -> None:
    graph = Graph()
    source = graph.placeholder("x", [4])
    graph.add("Elu", "first", [source])
    graph.add("Relu", "between", ["first"])
    graph.add("LRN", "second", ["between"])
    path = graph.write(tmp_path / "odd.pb")
    result = run(program, "plan", path, "--explain-unsupported")
    assert result.returncode == 1 and result.stderr == ""
    blocks = result.stdout.split("\n\n")
    assert [block.splitlines()[0] for block in blocks[:2]] == ["node 'first' (Elu)",
                                                              "node 'second' (LRN)"]
    assert "instead: train with Relu" in blocks[0] and "2 without a private form" in blocks[2]
    result = run(program, "plan", path, "--explain-unsupported", "--json")
    assert result.returncode == 1
    listed = json.loads(result.stdout)["refusals"]
    assert [(one["node"], one["operator"]) for one in listed] == [("first", "Elu"),
                                                                  ("second", "LRN")]
    assert all({"why", "instead"} <= one.keys() for one in listed)
    refused(run(program, "plan", path), "(LRN)", "--explain-unsupported")
    cut = run(program, "plan", path, "--explain-unsupported", "--input-node", "between:4",
              "--output-node", "between")
    assert done(cut) == "every operator has a private form\n"
    assert done(run(program, "plan", MODEL, "--explain-unsupported")) == done(cut)
    refused(run(program, "plan", tmp_path / "none.pb", "--explain-unsupported"), "none.pb")


# ---- predictions -------------------------------------------------------------------------------

def test_random_images(program: str, server: Serving, tmp_path: Path, x: Path) -> None:
    receipt = tmp_path / "receipt.json"
    text = done(predict(program, server, "--input", x, "--output", tmp_path / "y.npy", "--check",
                        MODEL, "--receipt", receipt))
    y = np.load(tmp_path / "y.npy")
    assert y.shape == (5, 10) and y.dtype == np.float32 and np.isfinite(y).all()
    assert text.count("verdict: good") == 1
    difference = float(re.search(r"float model: largest difference (\S+),", text)[1])
    assert 0 < difference < 1
    for i, row in enumerate(y):
        assert f"  {i}: label {row.argmax()}, values" in text
    assert re.search(r"5 images in [\d.]+ s, [\d.]+ images/s; to server [\d.]+ KB", text)
    keys = {"program", "protocol_version", "server", "transport", "images", "inputs", "traffic",
            "privacy", "setup_seconds", "predict_seconds"}
    stated = json.loads(receipt.read_text())
    assert keys <= stated.keys() and stated["images"] == 5
    assert {"bytes_to_server", "bytes_to_client", "flights"} <= stated["traffic"].keys()
    assert stated["traffic"]["bytes_to_client"] > 10000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["receipt.json", "x.npy", "y.npy"]


def test_shapes_and_types_of_the_same_values(program: str, server: Serving, tmp_path: Path) -> None:
    bits = np.random.default_rng(2).integers(0, 2, (2, 28, 28, 1))
    forms = (bits.astype(np.uint8), bits.reshape(2, 784).astype(np.float64),
             np.asfortranarray(bits.reshape(2, 28, 28).astype(np.int32)), bits.astype(bool))
    outputs = []
    for i, form in enumerate(forms):
        done(predict(program, server, "--input", saved(tmp_path, f"x{i}.npy", form), "--output",
                     tmp_path / "y.npy"))
        outputs.append(np.load(tmp_path / "y.npy"))
    for y in outputs[1:]:
        assert np.abs(y - outputs[0]).max() < 0.5  # the noise of two private runs
        assert (y.argmax(1) == outputs[0].argmax(1)).all()


def test_names_of_inputs(program: str, server: Serving, x: Path) -> None:
    for name in ("input", "import/input:0"):
        done(predict(program, server, "--input", f"{name}={x}"))
    refused(predict(program, server, "--input", f"image={x}"), "image", "inputs are: input")
    refused(predict(program, server, "--input", x, "--input", x), "one too many")


def test_plain_input(program: str, server: Serving, tmp_path: Path, x: Path) -> None:
    receipt = tmp_path / "receipt.json"
    for name in ("all", "input"):
        done(predict(program, server, "--input", x, "--plain", name, "--check", MODEL,
                     "--receipt", receipt))
        assert json.loads(receipt.read_text())["inputs"][0]["sent"] == "in the clear"
    refused(predict(program, server, "--input", x, "--plain", "other"), "other")


def test_mnist(program: str, tmp_path: Path, mnist: tuple[np.ndarray, np.ndarray]) -> None:
    images, labels = mnist[0][:200], mnist[1][:200]
    flags = ["--input", saved(tmp_path, "x.npy", images), "--check", MODEL]
    integers = saved(tmp_path, "y.npy", labels)
    rows = saved(tmp_path, "rows.npy", np.eye(10, dtype=np.float32)[labels])
    with Serving(program) as server:  # the default for vectors: labels only
        text = done(predict(program, server, *flags, "--labels", integers, "--output",
                            tmp_path / "p.npy", "--require-reveal", "argmax"))
        predicted = np.load(tmp_path / "p.npy")
        assert predicted.shape == (200,) and (predicted == labels).mean() >= 0.98
        right = int((predicted == labels).sum())
        assert f"accuracy {right / 2:.2f} % ({right} of 200)" in text
        assert "the first 10 of 200 images: 7 2 1 0 4 1 4 9 5 9" in text
        assert "labels agree" in text and "verdict: good" in text
        refused(predict(program, server, *flags, "--require-reveal", "logits"), "argmax")
        text = done(predict(program, server, *flags, "--labels", rows))
        assert re.search(r"accuracy (9[89]|100)\.", text)


def test_mnist_logits(program: str, server: Serving, tmp_path: Path,
                      mnist: tuple[np.ndarray, np.ndarray]) -> None:
    wrong = (mnist[1][:50] + 1) % 10
    flags = ["--input", saved(tmp_path, "x.npy", mnist[0][:50])]
    right = saved(tmp_path, "y.npy", np.eye(10)[mnist[1][:50]])
    text = done(predict(program, server, *flags, "--labels", right, "--check", MODEL))
    assert "verdict: good" in text and re.search(r"accuracy (9[89]|100)\.", text)
    text = done(predict(program, server, *flags, "--labels", saved(tmp_path, "w.npy", wrong)))
    assert re.search(r"accuracy [0-4]\.", text)


def test_check_finds_another_model(program: str, server: Serving, x: Path) -> None:
    other = MODEL.with_name("mlp-maxpool-mnist.pb")
    result = predict(program, server, "--input", x, "--check", other)
    refused(result, "--check", "farther")
    assert "verdict: BAD" in result.stdout
    refused(predict(program, server, "--input", x, "--check", "/nowhere.pb"), "/nowhere.pb")
    refused(predict(program, server, "--input", x, "--check", MODEL, "--reveal", "argmax"),
            "outputs differ")


# ---- data that do not fit ----------------------------------------------------------------------

@pytest.mark.parametrize("array, texts", [
    (np.zeros((28, 28, 1)), ("(28, 28, 1)", "(n, 28, 28, 1)", "784", "first axis")),
    (np.zeros((3, 783)), ("(3, 783)", "(n, 28, 28, 1)")),
    (np.zeros(()), ("()", "(n, 28, 28, 1)")),
    (np.zeros((0, 784)), ("(0, 784)", "no samples")),
    (np.full((2, 784), np.nan), ("nan",)),
    (np.full((2, 784), -np.inf), ("inf",)),
    (np.full((2, 784), 1.5), ("1.5", "0", "1")),
    (np.full((2, 784), 255, np.uint8), ("255",)),
    (np.full((2, 784), -0.25), ("-0.25",)),
    (np.zeros((2, 784), complex), ("x.npy", "c16")),
    (np.array(["a"]), ("x.npy",)),
])
def test_unfit_arrays(program: str, server: Serving, tmp_path: Path, array: np.ndarray,
                      texts: tuple) -> None:
    result = predict(program, server, "--input", saved(tmp_path, "x.npy", array), "--output",
                     tmp_path / "y.npy")
    refused(result, *texts)
    assert not (tmp_path / "y.npy").exists()


def test_unfit_files(program: str, server: Serving, tmp_path: Path, x: Path) -> None:
    refused(predict(program, server, "--input", "/nowhere.npy"), "/nowhere.npy")
    (tmp_path / "text.npy").write_text("no array")
    refused(predict(program, server, "--input", tmp_path / "text.npy"), "text.npy")
    (tmp_path / "cut.npy").write_bytes(x.read_bytes()[:-1])
    refused(predict(program, server, "--input", tmp_path / "cut.npy"), "cut.npy")
    refused(predict(program, server, "--input", x, "--output", "/nowhere/y.npy"), "/nowhere/y.npy")
    refused(predict(program, server, "--input", x, "--receipt", "/nowhere/r"), "/nowhere/r")


@pytest.mark.parametrize("shape", ((4,), (5, 9), (6, 10), (5, 2, 2), ()))
def test_unfit_labels(program: str, server: Serving, tmp_path: Path, x: Path, shape: tuple) -> None:
    labels = saved(tmp_path, "labels.npy", np.zeros(shape, np.int64))
    refused(predict(program, server, "--input", x, "--labels", labels), "--labels", "labels.npy")


# ---- servers, networks and accidents -----------------------------------------------------------

def test_summary_and_log(program: str, x: Path) -> None:
    with Serving(program) as server:
        summary = "\n".join(server.summary)
        assert str(MODEL) in summary and "input input (n, 28, 28, 1)" in summary
        assert "the label only" in summary and server.address.startswith("127.0.0.1:")
        done(predict(program, server, "--input", x))
        server.wait_for_log("5 images")
        assert server.stop() == 0
        assert "stopped; 5 images answered" in server.log[-1]
        for line in server.log:
            assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ", line)


def test_port_in_use(program: str, server: Serving) -> None:
    refused(run(program, "serve", MODEL, "--port", server.port), str(server.port))


def test_no_server(program: str, x: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = time.monotonic()
    refused(run(program, "predict", f"127.0.0.1:{port}", "--input", x, "--connect-timeout", 1),
            str(port))
    assert time.monotonic() - started < 10
    refused(run(program, "predict", "no-such-host.invalid", "--input", x, "--connect-timeout", 1),
            "no-such-host.invalid")


def test_the_client_waits_for_the_server(program: str, x: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    client = subprocess.Popen([program, "predict", f"localhost:{port}", "--input", x,
                               "--connect-timeout", "30"], stdout=subprocess.PIPE)
    time.sleep(0.3)
    with Serving(program, "--port", port):
        assert b"5 images" in client.communicate(timeout=PATIENCE)[0]
    assert client.returncode == 0


def test_address_that_is_not_loopback(program: str, x: Path) -> None:
    refused(run(program, "serve", MODEL, "--port", 0, "--listen", "0.0.0.0"), "0.0.0.0", "--tls")
    with Serving(program, "--listen", "0.0.0.0", "--insecure-transport") as server:
        server.wait_for_log("warning: --insecure-transport")
        done(run(program, "predict", f"127.0.0.1:{server.port}", "--input", x))


def test_v6(program: str, x: Path) -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("no IPv6 here")
    with Serving(program, "--listen", "::1") as server:
        assert server.address == f"[::1]:{server.port}"
        done(predict(program, server, "--input", x))


def test_garbage_to_the_port(program: str, x: Path) -> None:
    noise = np.random.default_rng(3)
    with Serving(program) as server:
        for sent in (b"", b"\0", b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 70000, noise.bytes(3000)):
            with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as peer:
                try:
                    peer.sendall(sent)
                    peer.shutdown(socket.SHUT_WR)
                    while peer.recv(4096):
                        pass
                except OSError:
                    pass  # the server may have hung up
        done(predict(program, server, "--input", x))
        assert server.stop() == 0


def test_idle_peers_keep_nobody_waiting(program: str, x: Path) -> None:
    with Serving(program) as server:
        idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(5)]
        done(predict(program, server, "--input", x))
        started = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - started < 10
        for peer in idle:
            peer.close()


def test_batch_too_large_for_the_server(program: str, x: Path) -> None:
    with Serving(program, "--max-batch", 4) as server:
        refused(predict(program, server, "--input", x))
        assert server.stop() == 0


def test_server_killed_in_the_middle(program: str, tmp_path: Path, large: Path) -> None:
    with Serving(program) as server:
        client = start(program, server, "--input", large, "--output", tmp_path / "y.npy",
                       "--receipt", tmp_path / "r.json")
        server.wait_for_log("connected")
        time.sleep(1)
        assert client.poll() is None
        server.process.kill()
        out, error = client.communicate(timeout=PATIENCE)
    refused(subprocess.CompletedProcess([], client.returncode, out, error), server.address)
    assert [path.name for path in tmp_path.iterdir()] == ["large.npy"]


def test_client_killed_in_the_middle(program: str, large: Path, x: Path) -> None:
    with Serving(program) as server:
        client = start(program, server, "--input", large)
        server.wait_for_log("connected")
        time.sleep(1)
        assert client.poll() is None
        client.kill()
        client.communicate()
        server.wait_for_log("client 1: ")
        done(predict(program, server, "--input", x))
        assert server.stop() == 0


def test_control_c_of_the_client(program: str, tmp_path: Path, large: Path, x: Path) -> None:
    with Serving(program) as server:
        client = start(program, server, "--input", large, "--output", tmp_path / "y.npy")
        server.wait_for_log("connected")
        time.sleep(1)
        client.send_signal(signal.SIGINT)
        started = time.monotonic()
        out, error = client.communicate(timeout=PATIENCE)
        assert time.monotonic() - started < 5
        refused(subprocess.CompletedProcess([], client.returncode, out, error), "interrupted")
        assert not list(tmp_path.glob("y.npy*"))
        server.wait_for_log("client 1: ")
        done(predict(program, server, "--input", x))


def test_control_c_while_connecting(program: str, x: Path) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()  # accepts, but never says a word
        client = subprocess.Popen(
            [program, "predict", f"127.0.0.1:{deaf.getsockname()[1]}", "--input", x],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        time.sleep(0.5)
        client.send_signal(signal.SIGINT)
        out, error = client.communicate(timeout=10)
    refused(subprocess.CompletedProcess([], client.returncode, out, error), "interrupted")


@pytest.mark.parametrize("number", (signal.SIGINT, signal.SIGTERM))
def test_control_c_of_the_server(program: str, large: Path, number: int) -> None:
    with Serving(program) as server:
        client = start(program, server, "--input", large)
        server.wait_for_log("connected")
        time.sleep(0.5)
        started = time.monotonic()
        assert server.stop(number) == 0
        assert time.monotonic() - started < 10
        out, error = client.communicate(timeout=PATIENCE)
        refused(subprocess.CompletedProcess([], client.returncode, out, error), server.address)


# ---- TLS ---------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    if not shutil.which("openssl"):
        pytest.skip("no openssl command")
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout",
                    folder / "key.pem", "-out", folder / "cert.pem"], check=True,
                   capture_output=True)
    return folder / "cert.pem", folder / "key.pem"


def test_tls(program: str, tmp_path: Path, x: Path, certificate: tuple[Path, Path]) -> None:
    with Serving(program, "--tls", *certificate) as server:
        pin = re.search(r"--server-pin ([0-9a-f]{64})", "\n".join(server.summary))[1]
        receipt = tmp_path / "r.json"
        done(predict(program, server, "--input", x, "--server-pin", pin, "--receipt", receipt))
        assert "TLS" in json.loads(receipt.read_text())["transport"]
        done(predict(program, server, "--input", x, "--tls", "--ca", certificate[0]))
        other = ("0" if pin[0] != "0" else "1") + pin[1:]
        refused(predict(program, server, "--input", x, "--server-pin", other))
        refused(predict(program, server, "--input", x, "--timeout", 5))  # speaks no TLS
        refused(predict(program, server, "--input", x, "--tls"), "--server-pin", "--ca")
        done(predict(program, server, "--input", x, "--server-pin", pin))
        assert server.stop() == 0


def test_tls_files_that_do_not_fit(program: str, tmp_path: Path,
                                   certificate: tuple[Path, Path]) -> None:
    serve = ("serve", MODEL, "--port", 0)
    refused(run(program, *serve, "--tls", "/nowhere.pem", certificate[1]), "/nowhere.pem")
    refused(run(program, *serve, "--tls", certificate[0], certificate[0]), "cert.pem")
    refused(run(program, *serve, "--tls-cert", certificate[0]), "key")


# ---- bench and convert -------------------------------------------------------------------------

def test_bench(program: str, tmp_path: Path) -> None:
    saved_lines = tmp_path / "lines.json"
    lines = done(run(program, "bench", MODEL, "--batch", "1,3", "--runs", 2, "--json", "--save",
                     saved_lines)).splitlines()
    assert len(lines) == 2 and saved_lines.read_text().splitlines() == lines
    for batch, line in zip((1, 3), lines):
        row = json.loads(line)
        assert row["model"] == str(MODEL) and row["batch"] == batch and row["runs"] == 2
        assert row["layout"] in ("batch", "image", "mixed")
        assert row["engine"] in ("gmw", "yao", "mixed") and row["network"] == "loopback"
        assert row["warmup_seconds"] > 0
        assert row["images_per_second"] == pytest.approx(batch / row["seconds"], rel=1e-6)
        for key in ("setup_seconds", "bytes_to_server", "bytes_to_client", "flights"):
            assert row[key] > 0
        for key in ("client_peak_rss_bytes", "server_peak_rss_bytes"):
            assert 1e6 < row[key] < 2e9
        assert 0 < row["max_error"] < 1 and 0 <= row["label_agreement"] <= 1
        assert row["seconds_fastest"] <= row["seconds"] <= row["seconds_slowest"]
        for key in ("copy_bytes", "loopback_bytes"):
            assert 1e7 < row[f"limit_{key}_per_second"] < 1e13
        # Nothing is faster than its limit; an unknown one (without AES instructions) is null.
        for key in ("aes_share", "multiply_add_share", "socket_share"):
            assert row[key] is None or 0 < row[key] < 1
    table = done(run(program, "bench", MODEL, "--runs", 1, "--reveal", "argmax", "--input",
                     saved(tmp_path, "x.npy", random_images(2))))
    assert "images/s" in table and re.search(r"^ +2 ", table, re.MULTILINE)
    run(program, "bench", MODEL, "--batch", 1, "--runs", 1, "--save", saved_lines)
    assert len(saved_lines.read_text().splitlines()) == 3  # appended


def test_bench_over_a_simulated_link(program: str) -> None:
    link = "30ms:200mbit"
    row = json.loads(done(run(program, "bench", MODEL, "--batch", 1, "--runs", 3, "--json",
                              "--simulate-network", link)))
    assert row["network"] == link
    assert row["setup_seconds"] >= 2 * 0.03 and row["seconds_fastest"] >= 3 * 0.03
    # What the plan says of bytes is exact for the steps of the first request.
    plan = json.loads(done(run(program, "plan", MODEL, "--batch", 1, "--json", "--reveal", "logits",
                               "--network", link)))
    assert (plan["layout"], plan["engine"]) == (row["layout"], row["engine"])
    for party in ("server", "client"):
        assert row[f"first_bytes_to_{party}"] == plan["totals"][f"bytes_to_{party}"]
    forced = json.loads(done(run(program, "bench", MODEL, "--batch", 1, "--runs", 1, "--json",
                                 "--layout", "batch", "--nonlinear", "gmw", "--simulate-network",
                                 "40ms:400mbit")))
    assert (forced["layout"], forced["engine"], forced["network"]) == ("batch", "gmw", "wan")
    table = done(run(program, "bench", MODEL, "--batch", 1, "--runs", 1, "--simulate-network",
                     "lan"))
    assert "simulated lan (0.3 ms, 3000 Mbit/s)" in table
    misused(run(program, "bench", MODEL, "--simulate-network", "slow"), "--simulate-network",
            "40ms:100mbit")


def test_predict_over_a_simulated_link(program: str, server: Serving, x: Path,
                                       tmp_path: Path) -> None:
    receipt = tmp_path / "receipt.json"
    out = done(predict(program, server, "--input", x, "--simulate-network", "fibre", "--receipt",
                       receipt))
    assert "simulated network: fibre (15 ms, 100 Mbit/s)\n" in out
    written = json.loads(receipt.read_text())
    assert written["simulated_network"] == "fibre (15 ms, 100 Mbit/s)"
    assert written["predict_seconds"] >= 3 * 0.015
    assert "simulated" not in done(predict(program, server, "--input", x))


def test_bench_refuses(program: str, tmp_path: Path) -> None:
    few = saved(tmp_path, "few.npy", random_images(2))
    refused(run(program, "bench", MODEL, "--batch", 3, "--input", few), "few.npy", "2 samples")
    refused(run(program, "bench", MODEL, "--input", saved(tmp_path, "w.npy", np.zeros((2, 5)))),
            "(2, 5)", "(n, 28, 28, 1)")
    refused(run(program, "bench", MODEL, "--output-node", "no/such"), "no/such")
    refused(run(program, "bench", MODEL, "--save", tmp_path), "--save", str(tmp_path))


def test_bench_leaves_no_server_behind(program: str) -> None:
    bench = subprocess.Popen([program, "bench", str(MODEL), "--batch", "60000"],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    children = Path(f"/proc/{bench.pid}/task/{bench.pid}/children")
    end = time.monotonic() + PATIENCE
    while children.exists() and not children.read_text() and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(1.5)
    server = int(children.read_text())
    bench.send_signal(signal.SIGINT)
    out, error = bench.communicate(timeout=PATIENCE)
    refused(subprocess.CompletedProcess([], bench.returncode, out, error), "interrupted")
    with pytest.raises(ProcessLookupError):
        os.kill(server, 0)


def test_convert(program: str, tmp_path: Path) -> None:
    words = ("convert", "model.h5", "out.pb", "--flag")
    refused(run(program, *words, env={"MP2ML_PYTHON": "/nowhere/python"}), "/nowhere/python")
    python = tmp_path / "python"
    for found in (False, True):
        python.write_text(f'#!/bin/sh\n[ "$1" = -c ] && exit {0 if found else 1}\necho "$@"\n'
                          "exit 7\n")
        python.chmod(0o755)
        result = run(program, *words, env={"MP2ML_PYTHON": str(python)})
        if found:
            assert result.returncode == 7
            assert result.stdout == "-m mp2ml.convert model.h5 out.pb --flag\n"
        else:
            refused(result, "Python package mp2ml", str(python))
