#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The demonstration: a server process with a bundled network, a client process with test images,
# and a TCP connection between them. MP2ML_DEMO_IMAGES=N sets how many images (default 1,000).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

program=build/release/mp2ml
images=${MP2ML_DEMO_IMAGES:-1000}
folder=$(mktemp -d "${TMPDIR:-/tmp}/mp2ml-demo.XXXXXX")
server=

finish() {
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$folder"
}
trap finish EXIT
trap 'exit 130' INT TERM

export_images() {
    .venv/bin/python examples/mnist/mnist_util.py export --out "$folder" --count "$images"
}

# MNIST from disk or network, else Fashion-MNIST as Debian packages it.
if ! found=$(export_images 2>"$folder/export.err"); then
    tools/setup.sh fashion
    found=$(export_images 2>"$folder/export.err") || {
        cat "$folder/export.err" >&2
        exit 1
    }
fi
case $found in
Fashion-MNIST:*) data=Fashion-MNIST model=examples/mnist/models/cryptonets-relu-fashion.pb ;;
*) data=MNIST model=examples/mnist/models/cryptonets-relu-mnist.pb ;;
esac
printf 'data    %s, %s test images\n' "$data" "$images"
if [ "$data" = Fashion-MNIST ] && [ -z "${MP2ML_DATASET:-}" ]; then
    printf '        (no MNIST on this machine and none to download; MP2ML_DATA names its folder)\n'
fi
printf 'model   %s\n\n' "$model"

printf '$ %s serve %s --port 0 --reveal argmax &\n' "$program" "$model"
"$program" serve "$model" --port 0 --reveal argmax \
    >"$folder/server.out" 2>"$folder/server.err" </dev/null &
server=$!
for _ in $(seq 600); do # planning takes a second or two
    address=$(sed -n 's/^listening on //p' "$folder/server.out")
    [ -z "$address" ] || break
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
done
cat "$folder/server.out"
if [ -z "$address" ]; then
    cat "$folder/server.err" >&2
    exit 1
fi

printf '\n$ %s predict %s --input x.npy --labels y.npy --check %s --receipt receipt.json\n' \
    "$program" "$address" "$(basename "$model")"
"$program" predict "$address" --input "$folder/x.npy" --labels "$folder/y.npy" \
    --check "$model" --receipt "$folder/receipt.json"

printf '\n'
.venv/bin/python tools/show_receipt.py "$folder/receipt.json"
