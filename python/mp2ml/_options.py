# SPDX-License-Identifier: Apache-2.0
"""Keyword arguments to options of the C library, whose table says which there are."""
import difflib
import operator
import os
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from . import _core
from ._errors import InputError

Pairs = list[tuple[str, str]]
"""Names and values as the C library takes them."""


class Option(NamedTuple):
    """One row of the table."""

    name: str
    argument: str | None  # None: a switch
    default: str | None
    help: str
    users: int  # bits _core.FOR_*
    repeatable: bool


TABLE = {row[0].replace("-", "_"): Option(*row) for row in _core.options()}
_USERS = ((_core.FOR_MODEL, "Model"), (_core.FOR_SERVER, "Server"), (_core.FOR_CLIENT, "Client"))


def pairs(arguments: Mapping[str, Any], users: int, caller: str) -> Pairs:
    """The options in `arguments` that any of `users` takes; TypeError for any other name.

    None leaves an option at its default. True and False are for switches, a list gives a repeatable
    option several values, a tuple is joined with colons: input_range=(0, 1).
    """
    result: Pairs = []
    for key, value in arguments.items():
        option = TABLE.get(key)
        if option is None or not option.users & users:
            raise TypeError(_unknown(key, users, caller))
        if value is not None:
            result.extend((option.name, text) for text in _texts(key, option, value))
    return result


def split(arguments: Mapping[str, Any], users: int) -> dict[str, Any]:
    """Those of `arguments` whose option one of `users` takes."""
    return {k: v for k, v in arguments.items() if k in TABLE and TABLE[k].users & users}


def _unknown(key: str, users: int, caller: str) -> str:
    """Why `key` is not accepted, with names that come near."""
    if key in TABLE:
        of = " and ".join(name for bit, name in _USERS if TABLE[key].users & bit)
        return f"{caller}() takes no option '{key}', it belongs to {of}"
    known = [name for name, option in TABLE.items() if option.users & users]
    near = difflib.get_close_matches(key, known)
    hint = f"did you mean {' or '.join(near)}?" if near else f"it takes {', '.join(sorted(known))}"
    return f"{caller}() got an unexpected keyword argument '{key}'; {hint}"


def _texts(key: str, option: Option, value: Any) -> Iterable[str]:
    """The value or values of one option as strings."""
    if option.repeatable and isinstance(value, list):
        return [_text(key, option, one) for one in value]
    return [_text(key, option, value)]


def _text(key: str, option: Option, value: Any) -> str:
    if option.argument is None:
        return _switch(key, value)
    if isinstance(value, (tuple, list)):
        return ":".join(_scalar(key, part) for part in value)
    return _scalar(key, value)


def _switch(key: str, value: Any) -> str:
    if value not in (True, False, "0", "1"):
        raise InputError(f"{key} is a switch: True or False, not {value!r}", "ERR_ARGUMENT")
    return str(int(value))


def _scalar(key: str, value: Any) -> str:
    """A number, string or path; booleans belong to switches only."""
    if isinstance(value, (str, os.PathLike)):
        text = os.fspath(value)
        if isinstance(text, str) and "\0" not in text:
            return text
    elif not isinstance(value, bool):
        try:
            return str(operator.index(value))
        except TypeError:
            pass
        try:
            number = float(value)
            return str(int(number)) if number.is_integer() else repr(number)
        except (TypeError, ValueError):
            pass
    raise InputError(f"{key}: expected a number, string or path, not {value!r}", "ERR_ARGUMENT")
