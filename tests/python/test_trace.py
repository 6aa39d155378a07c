# SPDX-License-Identifier: Apache-2.0
"""Traces of real sessions (--trace): valid JSON, all stages of both parties, spans that nest."""
import json
import re
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import MODEL, PATIENCE, Serving

COMMON = {"set-up", "block", "input", "linear", "relu", "output", "gather", "pack", "unpack",
          "OT extension", "OT digest", "OT check", "hash", "AND", "exchange", "multiplex", "send",
          "receive", "wait"}
OWN = {"server": {"expand c1", "matrix product", "switch"}, "client": {"encrypt", "decode"}}


IDLE = {"ahead"}  # of a server that had time between requests
# The stages that COMMON and OWN list.
GMW = ("--layout", "batch", "--nonlinear", "gmw")


def run(program: str, *words: object) -> subprocess.CompletedProcess:
    return subprocess.run([program, *map(str, words)], capture_output=True, text=True, check=False,
                          timeout=PATIENCE)


def events_of(path: Path) -> dict[str, list[dict]]:
    """The spans of each party, in the order in which they began."""
    events = json.loads(path.read_text())["traceEvents"]
    names = {event["pid"]: event["args"]["name"] for event in events
             if event["name"] == "process_name"}
    spans = {name: [] for name in names.values()}
    for event in events:
        if event["ph"] == "X":
            spans[names[event["pid"]]].append(event)
        else:
            assert event["ph"] == "M"
    for some in spans.values():
        some.sort(key=lambda event: (event["ts"], -event["dur"]))
    return spans


def check_nesting(spans: list[dict]) -> None:
    """A span that begins in another one of its row ends in it too."""
    rows = {}
    for span in spans:
        around = rows.setdefault(span["tid"], [])
        while around and around[-1] <= span["ts"]:
            around.pop()
        end = span["ts"] + span["dur"]
        assert not around or end <= around[-1] + 0.002, span  # printed to the nanosecond
        around.append(end)


def check_party(party: str, spans: list[dict], images: int) -> None:
    other = "client" if party == "server" else "server"
    assert {span["name"] for span in spans} - IDLE == COMMON | OWN[party], OWN[other]
    check_nesting(spans)
    blocks = [span for span in spans if span["name"] == "block"]
    assert [block["args"] for block in blocks] == 2 * [{"size": images}]  # the first is a warm-up
    block = blocks[-1]
    for span in spans:
        assert set(span["args"]) <= {"size", "step"}
        assert all(type(value) is int for value in span["args"].values())
    steps = [span for span in spans if "step" in span["args"] and span["ts"] >= block["ts"]]
    assert [span["args"]["step"] for span in steps] == list(range(len(steps)))
    inside = sum(span["dur"] for span in steps)
    assert 0.5 * block["dur"] < inside <= block["dur"]
    assert sum(span["dur"] for span in spans if span["name"] == "wait") > 0


def test_both_parties_in_one_file(program: str, tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    result = run(program, "bench", MODEL, "--batch", 5, "--runs", 1, *GMW, "--trace", path)
    assert result.returncode == 0 and result.stderr == "", result.stderr
    assert [entry.name for entry in tmp_path.iterdir()] == ["t.json"]
    spans = events_of(path)
    assert set(spans) == {"server", "client"}
    for party, some in spans.items():
        check_party(party, some, 5)
    blocks = [next(span for span in spans[party] if span["name"] == "block") for party in spans]
    assert abs(blocks[0]["ts"] - blocks[1]["ts"]) < blocks[0]["dur"] + blocks[1]["dur"]  # one clock

    table = dict(re.findall(r"^(\w[\w ]*?) +[\d.]+ +([\d.]+) %", result.stdout, re.MULTILINE))
    assert {"wait", "hash", "OT extension", "matrix product"} <= set(table)
    assert sum(map(float, table.values())) == pytest.approx(100, abs=2)


def test_table_agrees_with_the_file(program: str, tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    out = run(program, "bench", MODEL, "--batch", "2,3", "--runs", 2, *GMW, "--trace", path).stdout
    spans = events_of(path)
    waited = re.search(r"^wait +([\d.]+) +[\d.]+ % +([\d.]+)", out, re.MULTILINE)
    for column, party in enumerate(("server", "client"), 1):
        blocks = [span for span in spans[party] if span["name"] == "block"]
        assert sorted(span["args"]["size"] for span in blocks) == [2, 2, 2, 3, 3, 3]
        inside = sum(span["dur"] for span in spans[party] if span["name"] == "wait" and any(
            block["ts"] <= span["ts"] < block["ts"] + block["dur"] for block in blocks
            if block["tid"] == span["tid"]))
        # The client's rows of both batches have the same number and do not overlap.
        assert float(waited[column]) == pytest.approx(inside / 1e6, abs=0.001)


def test_json_lines_stay_alone(program: str, tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    out = run(program, "bench", MODEL, "--batch", 1, "--runs", 1, "--json", "--trace", path).stdout
    assert json.loads(out)["batch"] == 1
    assert set(events_of(path)) == {"server", "client"}


def test_each_party_alone(program: str, tmp_path: Path) -> None:
    x = np.random.default_rng(1).random((4, 28, 28, 1), dtype=np.float32)
    np.save(tmp_path / "x.npy", x)
    mine, theirs = tmp_path / "client.json", tmp_path / "server.json"
    words = "--input", tmp_path / "x.npy", "--threads", 1
    with Serving(program, *GMW, "--trace", theirs) as server:
        assert events_of(theirs) == {"server": []}  # whole from the beginning
        assert run(program, "predict", server.address, *words, "--trace", mine).returncode == 0
        server.wait_for_log("done")
        assert run(program, "predict", server.address, *words).returncode == 0  # without one
        server.wait_for_log("done", 2)
        rows = {span["tid"] for span in events_of(theirs)["server"]}
        assert rows == {1, 2}
        assert server.stop() == 0
    argmax = {"argmax"}
    assert {span["name"] for span in events_of(mine)["client"]} == COMMON | OWN["client"] | argmax
    spans = events_of(theirs)["server"]
    assert {span["name"] for span in spans} - IDLE == COMMON | OWN["server"] | argmax
    check_nesting(spans)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [
        "client.json", "server.json", "x.npy"]


def test_interrupted(program: str, tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    bench = subprocess.Popen(
        [program, "bench", str(MODEL), "--batch", "60000", "--trace", str(path)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + PATIENCE
    part = tmp_path / "t.json.part1"  # the client's: connected when there is a span in it
    while not (part.exists() and "set-up" in part.read_text()) and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(2)  # past the making of images, into the request
    bench.send_signal(signal.SIGINT)
    _, error = bench.communicate(timeout=PATIENCE)
    assert bench.returncode == 1 and "interrupted" in error
    spans = events_of(path)
    for party in ("server", "client"):
        check_nesting(spans[party])
        assert "block" in {span["name"] for span in spans[party]}
    assert [entry.name for entry in tmp_path.iterdir()] == ["t.json"]


def test_no_such_place(program: str) -> None:
    for command in (("serve", MODEL, "--port", 0), ("bench", MODEL)):
        result = run(program, *command, "--trace", "/no/such/t.json")
        assert result.returncode == 1 and result.stderr.count("\n") == 1
        assert "--trace /no/such/t.json" in result.stderr


def test_python_keywords(program: str, tmp_path: Path) -> None:
    mp2ml = pytest.importorskip("mp2ml")
    x = np.random.default_rng(2).random((3, 28, 28, 1), dtype=np.float32)
    mine, theirs = tmp_path / "client.json", tmp_path / "server.json"
    with mp2ml.Server(str(MODEL), port=0, trace=str(theirs)) as server, \
            mp2ml.Client("localhost", server.port, trace=str(mine)) as client:
        client.predict(x)
        sizes = [span["args"]["size"] for span in events_of(mine)["client"]
                 if span["name"] == "block"]
        assert sizes == [3]  # there at once
    assert [span["args"]["size"] for span in events_of(theirs)["server"]
            if span["name"] == "block"] == [3]
