#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# All tracked C files must be as clang-format would write them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
git ls-files -z '*.c' '*.h' | xargs -0 -r .venv/bin/clang-format --dry-run -Werror
printf 'format: %d C files\n' "$(git ls-files '*.c' '*.h' | wc -l)"
