#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# All tracked C files must be as clang-format would write them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
format=.venv/bin/clang-format
wrong=$(git ls-files -z '*.c' '*.h' | xargs -0 -r "$format" --dry-run 2>&1 |
    sed -n 's/^\([^:]*\):.*-Wclang-format-violations.*/\1/p' | sort -u | tr '\n' ' ')
if [ -n "$wrong" ]; then
    printf 'format: run %s -i %s\n' "$format" "$wrong" >&2
    exit 1
fi
printf 'format: %d C files\n' "$(git ls-files '*.c' '*.h' | wc -l)"
