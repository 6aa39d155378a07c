#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tools/bench.sh [long]   runs the benchmarks of build/release: kernels, protocols, whole networks.
# Tables go to standard output, JSON lines and traces to build/bench (docs/performance.md).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build=build/release
out=build/bench
models=examples/mnist/models
runs=5
many=1 # of batches that take long
long=()
if [ "${1:-}" = long ]; then
    runs=9
    many=5
    long=(--long)
fi

mkdir -p "$out"
rm -f "$out"/*.json
printf '\n== kernels ==\n'
"$build/bench/bench_micro" "${long[@]}" --save "$out/micro.json"
printf '\n== protocols ==\n'
"$build/bench/bench_protocol" "${long[@]}" --save "$out/protocol.json"
for name in cryptonets-relu-mnist mlp-maxpool-mnist; do
    printf '\n== network %s ==\n' "$name"
    "$build/mp2ml" bench "$models/$name.pb" --batch 1,64,512,2048 --runs "$runs" \
        --save "$out/network.json"
    "$build/mp2ml" bench "$models/$name.pb" --batch 8192,20000 --runs "$many" \
        --save "$out/network.json"
    printf '\n'
    "$build/mp2ml" bench "$models/$name.pb" --batch 2048 --runs 3 --trace "$out/$name.trace.json"
done
if [ "${1:-}" = long ]; then
    printf '\n== fewer instructions ==\n'
    MP2ML_CPU=avx2 "$build/mp2ml" bench --batch 2048 --runs 3 --save "$out/network.json"
    MP2ML_CPU=portable "$build/mp2ml" bench --batch 256 --runs 1 --save "$out/network.json"
fi
printf '\n== latency over simulated links ==\n'
python3 tools/bench_latency.py short --save "$out/latency_short.json"
