#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tools/conformance.sh BUILD_FOLDER [--verbose NAME]
# Runs ONNX's node tests (tests/conformance.c). The archive of them and its list are looked for in
# $MP2ML_DATA and in ../shared/data; ends with 77, "skipped", where they are not.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build=$1
shift
for root in "${MP2ML_DATA:-}" ../shared/data; do
    folder=$root/onnx_conformance
    archive=$(ls "$folder"/onnx-*-tests.tar.gz 2>/dev/null | head -n 1 || true)
    [ -n "$root" ] && [ -n "$archive" ] && break
done
if [ -z "$archive" ]; then
    printf 'conformance: skipped: no data (onnx_conformance in $MP2ML_DATA or ../shared/data)\n'
    exit 77
fi
cases=$build/onnx_conformance
if [ ! -e "$cases/unpacked" ]; then
    mkdir -p "$cases"
    tar -xzf "$archive" -C "$cases"
    touch "$cases/unpacked"
fi
exec "$build/tests/conformance" "$@" "$cases" "$folder/LIST.tsv"
