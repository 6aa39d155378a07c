# SPDX-License-Identifier: Apache-2.0
"""Loads the extension so that it finds its own OpenSSL, not the names that tensorflow brings along."""
import os
import sys

_flags = sys.getdlopenflags()
sys.setdlopenflags(_flags | getattr(os, "RTLD_DEEPBIND", 0))
try:
    from . import _core  # noqa: F401
finally:
    sys.setdlopenflags(_flags)
