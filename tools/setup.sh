#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what a target of the Makefile lacks, and nothing else. For Debian 12 and later.
#
#   tools/setup.sh SET...      SET: build, python, check, fashion (Debian packages)
#                              or venv, format, plots, training, torch (Python packages in .venv)
#
# Debian packages come from apt-get, through sudo unless root; one line says which. Nothing asks a
# question. Without apt-get the line names what is taken for granted.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv=.venv

say() { printf 'setup: %s\n' "$*"; }
fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        env DEBIAN_FRONTEND=noninteractive "$@"
    elif command -v sudo >/dev/null; then
        sudo -n true 2>/dev/null || [ -t 0 ] || fail "needs root for: $*"
        sudo env DEBIAN_FRONTEND=noninteractive "$@"
    else
        fail "not root and no sudo; run as root: $*"
    fi
}

apt_install() {
    as_root apt-get install -y -q --no-install-recommends "$@" >build/apt.log 2>&1 </dev/null
}

# The Debian packages among the arguments that are not installed get installed.
need_packages() {
    local missing=() name
    if ! command -v apt-get >/dev/null; then
        say "no apt-get here; taking for granted: $*"
        return
    fi
    for name in "$@"; do
        if [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" != installed ]; then
            missing+=("$name")
        fi
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing Debian packages: ${missing[*]}"
    mkdir -p build
    # The lists may be old or empty (fresh containers): fetch them only when needed.
    if ! apt_install "${missing[@]}"; then
        as_root apt-get update -q >build/apt-update.log 2>&1 </dev/null ||
            say "apt-get update failed, see build/apt-update.log"
        apt_install "${missing[@]}" || {
            tail -n 5 build/apt.log >&2
            fail "apt-get failed, see build/apt.log"
        }
    fi
}

# A Python >= 3.11 that can make a venv and compile extensions.
python_is_good() {
    python3 - <<'PY' 2>/dev/null
import os, sys, sysconfig, venv, ensurepip
header = os.path.join(sysconfig.get_path("include"), "Python.h")
sys.exit(sys.version_info < (3, 11) or not os.path.exists(header))
PY
}

need_python() {
    python_is_good || need_packages python3 python3-venv python3-dev
    python_is_good || fail "needs Python 3.11 or later, with venv and headers"
}

pip_install() {
    "$venv/bin/python" -m pip install -q --disable-pip-version-check "$@" </dev/null
}

# pip distributions (NAME or NAME==VERSION) into .venv, those that are missing.
need_venv() {
    local missing=() want
    need_python
    if ! "$venv/bin/python" -c 'import pip' 2>/dev/null; then
        say "making $venv"
        python3 -m venv --clear "$venv"
    fi
    for want in "$@"; do
        "$venv/bin/python" - "$want" <<'PY' || missing+=("$want")
import importlib.metadata as metadata, sys
name, _, version = sys.argv[1].partition("==")
try:
    sys.exit(metadata.version(name) != (version or metadata.version(name)))
except metadata.PackageNotFoundError:
    sys.exit(1)
PY
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing into $venv: ${missing[*]}"
    pip_install "${missing[@]}"
}

# PyTorch for CPUs, 200 MB, from its makers' index. What PyPI has for Linux does not start without the
# libraries of CUDA, 3 GB in all; it is taken where that index cannot be reached.
need_torch() {
    need_venv onnx onnxscript
    "$venv/bin/python" -c 'import torch' 2>/dev/null && return
    mkdir -p build
    say "installing torch into $venv"
    pip_install --retries 0 --timeout 10 torch --index-url https://download.pytorch.org/whl/cpu \
        2>build/torch.log && return
    say "no wheels for CPUs in reach (build/torch.log); installing those with CUDA, 3 GB"
    pip_install torch
}

need() {
    case $1 in
    build)
        need_packages build-essential cmake ninja-build pkg-config libsodium-dev libssl-dev \
            libprotobuf-c-dev protobuf-c-compiler protobuf-compiler libjansson-dev libcmocka-dev
        ;;
    python) need_python ;;
    check) need_packages clang libclang-rt-dev libomp-dev ;;
    fashion) need_packages dataset-fashion-mnist ;;
    venv) need_venv numpy tqdm pytest scikit-build-core Pillow ;;
    format) # one version, since each formats a little differently
        need_venv clang-format==14.0.6
        ;;
    plots) need_venv matplotlib ;;
    training) need_venv tensorflow-cpu ;;
    torch) need_torch ;;
    *) fail "unknown set '$1'" ;;
    esac
}

for set in "$@"; do
    need "$set"
done
