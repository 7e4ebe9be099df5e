"""The ledger of a service: true to the examples that are left, whatever comes and goes, and cheap to keep so."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lethe.errors import StorageError
from lethe.examples import Examples
from lethe.methods.exact import ledger as ledgers
from lethe.methods.exact.ledger import Ledger, content_of


def examples(prefix: str = "a", count: int = 12) -> Examples:
    generator = torch.Generator().manual_seed(len(prefix))
    return Examples.of(prefix=prefix, image=torch.randn(count, 3, generator=generator), label=torch.arange(count))


@given(st.lists(st.sampled_from(examples().ids), unique=True, max_size=11), st.booleans())
def test_after_any_deletions_it_says_what_is_left(gone: list[str], learn: bool) -> None:
    everything = examples()
    ledger, more = Ledger(everything.ids, everything), examples("bb", 4)
    assert ledger.content == content_of(everything)
    for name in gone:
        ledger.write([name])
    if learn:
        ledger.write(learnt=more)
    left = [content_of(everything.select([name])) for name in everything.ids if name not in gone]
    assert ledger.content == (sum(left) + learn * content_of(more)) % ledgers.MODULUS


def test_a_request_reads_its_own_examples_and_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger.opened(examples(), tmp_path, {})
    ledger.write()
    read = list[str]()

    def counted(some: Examples) -> int:
        read.extend(some.ids)
        return content_of(some)

    monkeypatch.setattr(ledgers, "content_of", counted)
    ledger.write(["a3", "a5"])
    assert read == ["a3", "a5"]


def test_examples_that_changed_are_told_and_those_that_are_gone_need_not_be_there(tmp_path: Path) -> None:
    everything = examples()
    Ledger.opened(everything, tmp_path, {}).write(["a3"])
    left = everything.select(name for name in everything.ids if name != "a3")
    assert Ledger.opened(left, tmp_path, {}).live == left.ids
    with pytest.raises(StorageError, match="other data"):
        Ledger.opened(left.with_column("label", left.tensor("label") + 1), tmp_path, {})


def test_a_request_that_cannot_be_written_did_not_happen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger.opened(examples(), tmp_path, {})

    def full(*_: object) -> None:
        raise StorageError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(ledgers, "write_json", full)
        with pytest.raises(StorageError, match="full"):
            ledger.write(["a3"])
    assert ledger.content == content_of(examples())
    assert ledger.live == examples().ids
