#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Print who could learn what, from a client's receipt (mp2ml predict --receipt FILE)."""
import json
import sys
from pathlib import Path


def main() -> None:
    """Who could learn what."""
    if len(sys.argv) != 2:
        sys.exit("usage: show_receipt.py RECEIPT.json")
    receipt = json.loads(Path(sys.argv[1]).read_text())
    privacy = receipt["privacy"]
    print(f"Transport: {receipt['transport']}")
    if "simulated_network" in receipt:
        print(f"Simulated network: {receipt['simulated_network']}")
    for item in receipt["inputs"]:
        print(f"Input '{item['name']}' was sent {item['sent']}")
    for title, key in (("The server could learn", "server_could_learn"),
                       ("The client could learn", "client_could_learn"),
                       ("Nobody promises", "not_promised")):
        print(f"{title}:")
        for line in privacy[key]:
            print(f"  - {line}")


if __name__ == "__main__":
    main()
