"""Sealing: a digest over everything an evidence says, and a signature for whoever holds the key."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lethe.auditing.evidence import DIGEST, SIGNATURE, digest_of
from lethe.errors import ConfigurationError

SHORTEST_KEY = 16


def read_key(path: Path) -> bytes:
    """Return the bytes of a key file.

    Raises:
        ConfigurationError: it cannot be read, or holds fewer than 16 bytes.
    """
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise ConfigurationError(f"--key {path}: cannot be read ({error.strerror}); give a file with the key") from None
    if len(key) < SHORTEST_KEY:
        raise ConfigurationError(
            f"--key {path}: holds {len(key)} bytes, fewer than {SHORTEST_KEY}; make one with: openssl rand -hex 32"
        )
    return key


def signed(value: Mapping[str, Any], key: bytes) -> dict[str, Any]:
    """Return an evidence as plain data with the HMAC-SHA-256 of its digest, which nobody without the key can make."""
    return {**value, SIGNATURE: _signature(digest_of(value), key)}


def is_whole(value: Mapping[str, Any]) -> bool:
    """Return whether an evidence as plain data still says what its digest was made from."""
    return hmac.compare_digest(str(value.get(DIGEST)), digest_of(value))


def is_signed(value: Mapping[str, Any], key: bytes) -> bool:
    """Return whether its signature was made with this key, of what it says now."""
    return hmac.compare_digest(str(value.get(SIGNATURE)), _signature(digest_of(value), key))


def _signature(digest: str, key: bytes) -> str:
    return hmac.new(key, digest.encode(), hashlib.sha256).hexdigest()
