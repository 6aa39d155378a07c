# SPDX-License-Identifier: Apache-2.0
"""What the tests share: the built program, a server as a process, MNIST images from disk."""
import gzip
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import numpy as np
import pytest

PROJECT = Path(__file__).resolve().parents[2]
MODEL = PROJECT / "examples" / "mnist" / "models" / "cryptonets-relu-mnist.pb"
PATIENCE = 60  # seconds until a process counts as hung


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "tensorflow: needs TensorFlow (make test-all)")
    config.addinivalue_line("markers", "torch: needs PyTorch (make test-all)")
    # A shell starts background jobs with SIGINT ignored, which children would inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def program() -> str:
    """The built program: MP2ML_PROGRAM, or that of the release build."""
    path = Path(os.environ.get("MP2ML_PROGRAM", PROJECT / "build" / "release" / "mp2ml"))
    if not path.exists():
        pytest.skip(f"the program is not built: no {path}")
    return str(path)


class Serving:
    """`mp2ml serve` as a process; its log is collected while it runs."""

    def __init__(self, program: str, *flags: object, model: object = MODEL) -> None:
        words = [program, "serve", str(model), "--port", "0", "--threads", "1", *map(str, flags)]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True)
        self.log: list[str] = []
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        self.summary: list[str] = []
        for line in self.process.stdout:
            self.summary.append(line.rstrip("\n"))
            if line.startswith("listening on "):
                break
        assert self.summary and self.summary[-1].startswith("listening on "), self.log
        self.address = self.summary[-1].removeprefix("listening on ")
        self.port = int(self.address.rsplit(":", 1)[1])

    def _read_log(self) -> None:
        for line in self.process.stderr:
            self.log.append(line.rstrip("\n"))

    def wait_for_log(self, text: str, count: int = 1) -> None:
        """Until `count` lines of the log have the text in them."""
        end = time.monotonic() + PATIENCE
        while sum(text in line for line in self.log) < count:
            assert time.monotonic() < end, f"no '{text}' in {self.log}"
            time.sleep(0.01)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        self.process.stdout.close()
        self.process.stderr.close()
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *ignored: object) -> None:
        try:
            self.stop()
        finally:
            if self.process.poll() is None:
                self.process.kill()


@pytest.fixture(scope="module")
def server(program: str) -> Iterator[Serving]:
    """A server of the bundled network that reveals logits."""
    with Serving(program, "--reveal", "logits") as running:
        yield running


def _idx(folder: Path, name: str) -> np.ndarray | None:
    """One IDX file of bytes, plain or compressed; None if it is not there."""
    for path, opener in ((folder / name, open), (folder / f"{name}.gz", gzip.open)):
        if path.is_file():
            with opener(path, "rb") as file:
                raw = file.read()
            axes = raw[3]
            shape = np.frombuffer(raw, ">i4", axes, 4)
            return np.frombuffer(raw, np.uint8, -1, 4 + 4 * axes).reshape(shape)
    return None


@pytest.fixture(scope="session")
def mnist() -> tuple[np.ndarray, np.ndarray]:
    """MNIST's test images, float32 (10000, 28, 28, 1) from 0 to 1, and their labels."""
    roots = [Path(os.environ["MP2ML_DATA"])] if "MP2ML_DATA" in os.environ else []
    roots.append(PROJECT.parent / "shared" / "data")
    for folder in [place for root in roots for place in (root, root / "mnist")]:
        images = _idx(folder, "t10k-images-idx3-ubyte")
        labels = _idx(folder, "t10k-labels-idx1-ubyte")
        if images is not None and labels is not None:
            return images[..., None].astype(np.float32) / np.float32(255), labels.astype(np.int64)
    pytest.skip("no data")
