#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Print what a client's receipt (mp2ml predict --receipt FILE) says, for people."""
import json
import sys
from pathlib import Path


def main() -> None:
    """Traffic, time and who could learn what."""
    if len(sys.argv) != 2:
        sys.exit("usage: show_receipt.py RECEIPT.json")
    receipt = json.loads(Path(sys.argv[1]).read_text())
    traffic, privacy = receipt["traffic"], receipt["privacy"]
    images = max(receipt["images"], 1)
    total = traffic["bytes_to_server"] + traffic["bytes_to_client"]
    print(f"{receipt['images']} images over {receipt['transport']}: set-up "
          f"{receipt['setup_seconds']:.2f} s, predicting {receipt['predict_seconds']:.2f} s "
          f"({images / receipt['predict_seconds']:.0f} images/s)")
    print(f"{total / 1e6:.1f} MB ({total / images / 1e3:.1f} KB an image) in "
          f"{traffic['flights']} flights: {traffic['bytes_to_server'] / 1e6:.1f} MB to the server, "
          f"{traffic['bytes_to_client'] / 1e6:.1f} MB to the client")
    sent = ", ".join(f"{item['name']} {item['sent']}" for item in receipt["inputs"])
    print(f"inputs: {sent}")
    for title, key in (("The server could learn", "server_could_learn"),
                       ("The client could learn", "client_could_learn"),
                       ("Nobody promises", "not_promised")):
        print(f"{title}:")
        for line in privacy[key]:
            print(f"  - {line}")


if __name__ == "__main__":
    main()
