#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Serve one of the example networks for private inference until Ctrl-C."""
import mp2ml
from mnist_util import server_argument_parser


def main() -> None:
    """Serve the model; clients learn its logits."""
    flags = server_argument_parser().parse_args()
    with mp2ml.Server(flags.model, port=flags.port, reveal="logits") as server:
        print(f"serving {flags.model} on port {flags.port}, Ctrl-C to stop", flush=True)
        try:
            server.wait()
        except KeyboardInterrupt:
            print("stopped")


if __name__ == "__main__":
    main()
