#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# All tracked C files must be as clang-format would write them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
format=.venv/bin/clang-format
wrong=()
while IFS= read -r -d '' file; do
    "$format" --dry-run -Werror "$file" >/dev/null 2>&1 || wrong+=("$file")
done < <(git ls-files -z '*.c' '*.h')
if [ ${#wrong[@]} -gt 0 ]; then
    printf 'format: run %s -i %s\n' "$format" "${wrong[*]}" >&2
    exit 1
fi
printf 'format: %d C files\n' "$(git ls-files '*.c' '*.h' | wc -l)"
