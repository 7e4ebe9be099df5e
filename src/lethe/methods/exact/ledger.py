"""Ledger: what a deletion service was trained on, and what was deleted since, in which order."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from lethe.errors import InputError, StorageError, nearest
from lethe.examples import Examples, concatenate
from lethe.store import RunFolder, read_json, write_json

LEDGER = "ledger.json"
MODULUS = 2**256


@dataclass
class Ledger:
    """The ids a service knows and the requests it has carried out.

    A request counts from the moment it is written, atomically: whatever was made for one that did not come so far
    belongs to nobody.

    Args:
        ids: everything the service was ever trained on.
        examples: at least those that are left.
        requests: the ids of each deletion, oldest first.
        rounds: how often everything was trained again because of them.
        since: the number of requests at the last of these.
        folder: where the ledger is kept, one `ledger.json`; None keeps it in memory.
        facts: what belongs to the service beside it, as plain data.
    """

    ids: tuple[str, ...]
    examples: Examples = field(repr=False)
    requests: list[tuple[str, ...]] = field(default_factory=list)
    folder: Path | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    rounds: int = 0
    since: int = 0
    _busy: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @classmethod
    def opened(cls, examples: Examples, folder: Path | None, facts: Mapping[str, Any]) -> Ledger:
        """Return the ledger in a folder, or a new one where there is none yet.

        Examples that were deleted need not be there any more; those that are left must be as they were.

        Raises:
            StorageError: the folder holds that of another service, or a damaged one.
        """
        new = cls(examples.ids, examples, [], folder, facts)
        if folder is None or not (folder / LEDGER).exists():
            return new
        found = read_json(folder / LEDGER)
        try:
            same, content = found["facts"] == dict(facts), found["content"]
            requests = [tuple(one) for one in found["requests"]]
            old = cls(tuple(found["ids"]), examples, requests, folder, facts, found["rounds"], found["since"])
        except (KeyError, TypeError):
            raise StorageError(f"{folder / LEDGER}: is no ledger; choose another folder") from None
        if not same:
            raise StorageError(f"{folder}: holds a service of other settings; choose another folder")
        given = set(examples.ids)
        if not set(old.live) <= given <= set(old.ids) or f"{old.content:x}" != content:
            raise StorageError(f"{folder}: holds a service of other data; choose another folder, or restore the data")
        return old

    @cached_property
    def content(self) -> int:
        """The sum of the fingerprints of all examples that are left: a deletion takes off its own, and reads no other.

        Source: Clarke et al. 2003, Incremental multiset hash functions, ASIACRYPT, MSet-Add-Hash; without its key, so
            that it tells data that changed, and no forger.
        """
        return content_of(self.examples.select(self.live))

    @property
    def deleted(self) -> frozenset[str]:
        """The ids that are gone."""
        return frozenset(name for request in self.requests for name in request)

    @property
    def live(self) -> tuple[str, ...]:
        """The ids that are left, in their order."""
        gone = self.deleted
        return tuple(name for name in self.ids if name not in gone)

    def deleted_since(self) -> frozenset[str]:
        """Return the ids that were deleted since everything was last trained."""
        return frozenset(name for request in self.requests[self.since :] for name in request)

    def ids_of_round(self) -> tuple[str, ...]:
        """Return the ids that everything was last trained on."""
        gone = {name for request in self.requests[: self.since] for name in request}
        return tuple(name for name in self.ids if name not in gone)

    def check(self, ids: Sequence[str]) -> None:
        """Raise InputError where these ids cannot be deleted: none, one unknown, one twice, or all that is left."""
        if not ids:
            raise InputError("a deletion names no id; name at least one")
        known, gone, seen = set(self.ids), self.deleted, set[str]()
        for name in ids:
            if name not in known:
                raise InputError(f"unknown id '{name}': nothing of that name was learnt{nearest(name, self.ids)}")
            if name in gone:
                raise InputError(f"'{name}' was deleted before; leave it out")
            if name in seen:
                raise InputError(f"'{name}' stands twice in one request; name every id once")
            seen.add(name)
        if len(gone) + len(ids) == len(self.ids):
            raise InputError("the request deletes all that is left; nothing would remain to answer with")

    def check_new(self, examples: Examples) -> None:
        """Raise InputError where an id is known already, deleted or not."""
        known = set(self.ids)
        twice = next((name for name in examples.ids if name in known), None)
        if twice is not None:
            raise InputError(f"'{twice}' was learnt before; give new examples ids of their own")

    def write(self, ids: Sequence[str] = (), trained_again: bool = False, learnt: Examples | None = None) -> None:
        """Add a request, none where there are no ids, and keep the ledger; it stays as it was where that fails.

        Args:
            ids: what was deleted.
            trained_again: whether everything was trained again without it.
            learnt: what was learnt beside what is known.
        """
        before = dict(vars(self))
        try:
            if ids:
                self.requests = [*self.requests, tuple(ids)]
                self._count(self.examples.select(ids), -1)
            if trained_again:
                self.rounds, self.since = self.rounds + 1, len(self.requests)
            if learnt is not None:
                self.ids, self.examples = (*self.ids, *learnt.ids), concatenate(self.examples, learnt)
                self._count(learnt, 1)
            if self.folder is not None:
                write_json(self.folder / LEDGER, self._plain())
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise

    def _count(self, examples: Examples, sign: int) -> None:
        """Keep the content, where it is known, true to examples that come or go."""
        if "content" in vars(self):
            self.content = (self.content + sign * content_of(examples)) % MODULUS

    def _plain(self) -> dict[str, Any]:
        return {
            "ids": self.ids,
            "requests": self.requests,
            "rounds": self.rounds,
            "since": self.since,
            "content": f"{self.content:x}",
            "facts": dict(self.facts),
        }

    @contextmanager
    def request(self) -> Iterator[None]:
        """Hold the service for one request.

        Raises:
            StorageError: another request is in progress, in this process or in another.
        """
        if not self._busy.acquire(blocking=False):
            raise StorageError("another request is in progress; send this one when it is done")
        try:
            with ExitStack() as stack:
                if self.folder is not None:
                    stack.enter_context(RunFolder(self.folder).owned())
                yield
        finally:
            self._busy.release()


def content_of(examples: Examples) -> int:
    """Return the sum of the fingerprints of the examples, modulo 2²⁵⁶, in whatever order they stand."""
    return sum(int(row.fingerprint, 16) for row in (examples.take([i]) for i in range(len(examples)))) % MODULUS
