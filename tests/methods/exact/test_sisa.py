"""SISA: deletions leave, bit for bit, what training without the deleted examples gives, and cost a part of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lethe.errors import ConfigurationError, InputError, StorageError
from lethe.examples import Examples
from lethe.methods.exact import ledger as ledgers
from lethe.methods.exact.sharded import ShardedService
from lethe.methods.exact.sisa import Sisa
from lethe.models import fingerprint
from lethe.pool import Local
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import Classification
from lethe.worlds.digits import load_digits

TASK = Classification(classes=10, input="image", scale=1 / 16)
SISA = Sisa(shards=3, slices=2, epochs=3, batch_size=8)


def small() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))


BASE = small()
DIGITS = load_digits().take(range(60))


def fitted(examples: Examples = DIGITS, **more: object) -> ShardedService:
    service = SISA.fit(BASE, TASK, examples, **more)  # type: ignore[arg-type]
    assert isinstance(service, ShardedService)
    return service


@settings(max_examples=8)
@given(st.lists(st.sampled_from(DIGITS.ids), min_size=1, max_size=12, unique=True), st.integers(1, 4))
def test_any_deletions_leave_what_training_without_them_gives(gone: list[str], each: int) -> None:
    service = fitted()
    for first in range(0, len(gone), each):
        service.delete(gone[first : first + each])
    assert set(service.live) == set(DIGITS.ids) - set(gone)
    assert fingerprint(service.model()) == fingerprint(fitted(DIGITS.without(gone)).model())


def test_other_examples_in_the_place_of_the_deleted_change_nothing() -> None:
    """Nothing of a deleted example is left: had another stood there, the same weights would have come out."""
    gone = DIGITS.ids[:3]
    images = DIGITS.tensor("image").clone()
    images[:3] = 16 - images[:3]
    one, other = fitted(), fitted(DIGITS.with_column("image", images))
    assert fingerprint(one.model()) != fingerprint(other.model())
    for service in (one, other):
        service.delete(gone)
    assert fingerprint(one.model()) == fingerprint(other.model())


def test_a_deletion_retrains_one_shard_from_its_slice_on() -> None:
    service = dataclasses.replace(SISA, shards=5, slices=4).fit(BASE, TASK, DIGITS)
    assert isinstance(service, ShardedService)
    whole = service.trained.examples
    took = [service.delete([name]).examples for name in DIGITS.ids[:20]]
    assert max(took) <= whole / 2
    assert sum(took) / len(took) <= whole / 5


def test_worker_processes_give_the_same_bits() -> None:
    assert fingerprint(fitted(pool=Local(2)).model()) == fingerprint(fitted().model())


def test_it_learns_and_a_shard_less_is_a_vote_less() -> None:
    digits = load_digits()
    service = Sisa(shards=3, epochs=10, batch_size=16).fit(BASE, TASK, digits.take(range(900)))
    test = digits.take(range(1200, 1500)).batch(torch.arange(300))
    right = service.model()(TASK.pixels(test)).argmax(-1) == TASK.labels(test)
    assert float(right.float().mean()) > 0.8


def test_a_service_goes_on_in_its_folder(tmp_path: Path) -> None:
    service = fitted(folder=tmp_path)
    service.delete(DIGITS.ids[:2])
    # The rows that were deleted may be gone from the data by then.
    again = fitted(DIGITS.without(DIGITS.ids[:2]), folder=tmp_path)
    assert again.trained.steps == 0
    assert fingerprint(again.model()) == fingerprint(service.model())
    with pytest.raises(StorageError, match="other settings"):
        dataclasses.replace(SISA, epochs=4).fit(BASE, TASK, DIGITS, folder=tmp_path)
    with pytest.raises(StorageError, match="other data"):
        fitted(DIGITS.take(range(50)), folder=tmp_path)


def test_a_crash_leaves_the_service_before_the_request_or_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = fitted(folder=tmp_path)
    before = fingerprint(service.model())

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ledgers, "write_json", crash)
    with pytest.raises(KeyboardInterrupt):
        service.delete(DIGITS.ids[:1])
    monkeypatch.undo()
    opened = fitted(folder=tmp_path)
    assert opened.live == DIGITS.ids
    assert fingerprint(opened.model()) == before
    opened.delete(DIGITS.ids[:1])
    assert fingerprint(opened.model()) == fingerprint(fitted(DIGITS.take(range(1, 60))).model())


def test_nothing_of_a_deleted_example_stays_on_the_disk(tmp_path: Path) -> None:
    service = fitted(folder=tmp_path)
    before = {path.name for path in tmp_path.rglob("*.safetensors")}
    service.delete([DIGITS.ids[0]])
    after = {path.name for path in tmp_path.rglob("*.safetensors")}
    assert len(after) == len(before)
    assert before - after


def test_requests_that_cannot_be_are_refused(tmp_path: Path) -> None:
    service = fitted(DIGITS.take(range(10)), folder=tmp_path)
    ids = DIGITS.ids
    service.delete([ids[0]])
    for request, message in (
        ([], "names no id"),
        (["digit-9999"], "unknown id 'digit-9999'"),
        ([ids[0]], "was deleted before"),
        ([ids[1], ids[1]], "stands twice"),
        (list(ids[1:10]), "all that is left"),
    ):
        with pytest.raises(InputError, match=message):
            service.delete(request)
    with service._ledger.request(), pytest.raises(StorageError, match="another request is in progress"):
        service.delete([ids[1]])
    with pytest.raises(ConfigurationError, match="shards must be at least 1"):
        Sisa(shards=0).fit(BASE, TASK, DIGITS)


def test_the_last_of_a_class_or_of_a_shard_is_said() -> None:
    some = DIGITS.take(range(12))
    service = fitted(some)
    label = int(some.tensor("label")[0])
    gone = [name for name, own in zip(some.ids, some.tensor("label").tolist(), strict=True) if own == label]
    assert f"class {label} has no examples left" in service.delete(gone).notes
    left = list(service.live)
    notes = [note for name in left[:-1] for note in service.delete([name]).notes]
    assert sum("no longer votes" in note for note in notes) == 2
    assert len(service.model().members) == 1  # type: ignore[arg-type]


def test_as_a_method_it_forgets_what_is_to_be_forgotten() -> None:
    problem = Problem(model=BASE, task=TASK, forget=DIGITS.take(range(10)), retain=DIGITS.take(range(10, 60)))
    assert fingerprint(SISA.unlearn(problem, Run())) == fingerprint(fitted(DIGITS.take(range(10, 60))).model())
