#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every check that `make check` promises; goes on after a failure, so that one run shows all.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
failed=()

run() {
    "$@" || failed+=("$(basename "$1") ${*:2}")
}

run tools/check_format.sh
for check in layers sizes docs; do
    run "tools/check_$check.py"
done
run tools/make_models_doc.py --check
run tools/build.sh release mp2ml
run tools/build.sh python
run tools/check_symbols.py build/release
run tools/build.sh warnings-gcc all
run tools/build.sh warnings-clang all

if [ ${#failed[@]} -gt 0 ]; then
    printf 'check: failed: %s\n' "${failed[@]}" >&2
    exit 1
fi
