"""Requests: which examples are to be forgotten, in which order, from a file or cut from a forget set."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from lethe.errors import ConfigurationError, InputError, nearest
from lethe.examples import Examples

Requests = tuple[tuple[str, ...], ...]
"""The ids of each request, in the order they arrive."""


def read_requests(path: Path) -> Requests:
    """Read a stream: a line a request, a JSON list of ids, as `["digit-7", "digit-12"]`, or `{"ids": [...]}`.

    Raises:
        InputError: the file is missing or empty, a line does not parse, or an id stands twice; file and line are named.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give a file with a request a line") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: is no text; give a file with a request a line, a JSON list of ids") from None
    found, seen = list[tuple[str, ...]](), dict[str, int]()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        ids = _ids(line, f"{path}:{number}")
        for name in ids:
            if name in seen:
                raise InputError(f"{path}:{number}: '{name}' was asked for in line {seen[name]} already; leave it out")
            seen[name] = number
        found.append(ids)
    if not found:
        raise InputError(f"{path}: holds no request; write a JSON list of ids a line")
    return tuple(found)


def _ids(line: str, place: str) -> tuple[str, ...]:
    try:
        value: Any = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(f"{place}: is not JSON ({error.msg}, column {error.colno}); write a list of ids") from None
    if isinstance(value, dict):
        value = value.get("ids")
    if not isinstance(value, list) or not value or not all(isinstance(name, str) and name for name in value):
        raise InputError(f'{place}: is no list of ids; write ["first-id", "second-id"] or {{"ids": [...]}}')
    return tuple(value)


def check_requests(requests: Sequence[Sequence[str]], forget: Examples) -> None:
    """Raise InputError where a request names what is not in the forget set, or names it a second time."""
    if not requests:
        raise InputError("the stream holds no request; give at least one")
    seen = set[str]()
    for number, ids in enumerate(requests, start=1):
        if not ids:
            raise InputError(f"request {number} names no id; name at least one")
        for name in ids:
            if name not in forget.position:
                near = nearest(name, forget.ids) if len(forget) < 10_000 else ""
                raise InputError(f"request {number}: unknown id '{name}'{near}; name examples of the forget set")
            if name in seen:
                raise InputError(f"request {number}: '{name}' was forgotten before; leave it out")
            seen.add(name)


def cut(forget: Examples, count: int, seed: int, order: str = "random") -> Requests:
    """Return the forget set cut into `count` requests of nearly one size.

    Args:
        forget: what is forgotten in the end.
        count: number of requests.
        seed: of the order.
        order: `random`, or `given` for that of the set.

    Raises:
        ConfigurationError: there are fewer examples than requests.
    """
    if not 1 <= count <= len(forget):
        raise ConfigurationError(f"{len(forget)} examples cannot be cut into {count} requests; choose fewer")
    rows = torch.arange(len(forget))
    if order == "random":
        rows = torch.randperm(len(forget), generator=torch.Generator().manual_seed(seed))
    return tuple(tuple(forget.ids[i] for i in part.tolist()) for part in rows.tensor_split(count))
