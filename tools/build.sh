#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tools/build.sh PRESET TARGET...  configures and builds build/PRESET, quietly unless it fails
# tools/build.sh python             builds the Python package and installs it in .venv, when needed
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mkdir -p build

# Runs a command with its output in a log; shows the end of the log when it fails.
quietly() {
    local log=$1
    shift
    "$@" >"$log" 2>&1 </dev/null || {
        tail -n 60 "$log" >&2
        printf 'build: failed, whole output in %s\n' "$log" >&2
        exit 1
    }
}

build_preset() {
    local preset=$1
    shift
    printf 'build: %s (%s)\n' "build/$preset" "$*"
    quietly "build/$preset-configure.log" cmake --preset "$preset"
    quietly "build/$preset-build.log" cmake --build "build/$preset" --target "$@"
}

build_python() {
    local stamp=build/python.stamp
    if [ -e "$stamp" ] && .venv/bin/python -c 'import mp2ml' 2>/dev/null &&
        [ -z "$(find src include python cmake CMakeLists.txt pyproject.toml -newer "$stamp" \
            -not -name '*.pyc' -not -type d -print -quit)" ]; then
        return
    fi
    printf 'build: Python package into .venv\n'
    quietly build/python-build.log .venv/bin/python -m pip install --no-deps \
        --no-build-isolation --disable-pip-version-check --force-reinstall .
    touch "$stamp"
}

case $1 in
python) build_python ;;
*) build_preset "$@" ;;
esac
