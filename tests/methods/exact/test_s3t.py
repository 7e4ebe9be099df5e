"""S3T: a deletion switches off what saw the example and trains nothing; what is left never saw it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from transformers import ViTConfig, ViTForImageClassification

from lethe.errors import ConfigurationError
from lethe.examples import Examples
from lethe.methods.exact.s3t import S3T, S3TService, blocks_of
from lethe.methods.exact.sharded import place
from lethe.models import fingerprint
from lethe.tasks import Classification
from lethe.worlds.digits import load_digits

TASK = Classification(classes=10, input="image", scale=1 / 16, mean=(0.305,), std=(0.376,))
QUICK = S3T(shards=2, slices=3, orders=3, epochs=1, rank=2, alpha=2.0, batch_size=16, learning_rate=1e-2)
DIGITS = load_digits()
SOME = DIGITS.take(range(48))


def network(layers: int = 3, width: int = 16) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return ViTForImageClassification(
            ViTConfig(
                image_size=8, patch_size=4, num_channels=1, hidden_size=width, num_hidden_layers=layers,
                num_attention_heads=2, intermediate_size=2 * width, num_labels=10, hidden_dropout_prob=0.0,
                attention_probs_dropout_prob=0.0,
            )
        )  # fmt: skip


BASE = network()


def fitted(examples: Examples = SOME, system: S3T = QUICK, **more: object) -> S3TService:
    return system.fit(BASE, TASK, examples, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def whole() -> tuple[S3TService, str]:
    service = fitted()
    return service, fingerprint(service.model())


def where(name: str) -> tuple[int, int]:
    return place(name, 0, QUICK.shards, "shard"), place(name, 0, QUICK.slices, "slice")


@settings(max_examples=4)
@given(st.sampled_from(SOME.ids))
def test_what_is_left_never_saw_the_slice(name: str) -> None:
    """Had quite other data stood in the slice, the weights that answer after its deletion would be the same bits."""
    images = SOME.tensor("image").clone()
    same = [i for i, other in enumerate(SOME.ids) if where(other) == where(name)]
    images[same] = 16 - images[same]
    one, other = fitted(), fitted(SOME.with_column("image", images))
    assert fingerprint(one.model()) != fingerprint(other.model())
    for service in (one, other):
        took = service.delete([name])
        assert (took.steps, took.examples) == (0, 0)
    assert fingerprint(one.model()) == fingerprint(other.model())


def test_a_stage_moves_its_block_and_the_head_alone(whole: tuple[S3TService, str]) -> None:
    model = whole[0].model()
    start = dict(BASE.named_parameters())
    moved = {name for name, value in model.members[0].named_parameters() if not value.equal(start[name])}  # type: ignore[index,union-attr]
    blocks = {f"{name}.weight" for block in blocks_of(BASE, QUICK.targets) for name in block}
    assert moved <= blocks | {"classifier.weight", "classifier.bias"}
    assert len(moved & blocks) == 6


def test_it_learns_and_stays_good_after_a_deletion() -> None:
    system = dataclasses.replace(QUICK, shards=1, slices=2, orders=2, epochs=12, rank=8, alpha=8.0, dropout=0.0)
    base = network(2, 32)
    service = system.fit(base, TASK, DIGITS.take(range(600)))
    test = DIGITS.take(range(1200, 1500)).batch(torch.arange(300))

    def accuracy() -> float:
        with torch.no_grad():
            hits = TASK.outputs(service.model(), test).argmax(-1) == TASK.labels(test)
        return float(hits.float().mean())

    before = accuracy()
    took = service.delete([service.live[0]])
    assert before > 0.6
    assert took.steps == 0
    assert accuracy() > before - 0.15  # half the data of the only shard answers now


def test_when_no_stage_is_left_everything_is_trained_again(tmp_path: Path) -> None:
    system = dataclasses.replace(QUICK, shards=1, slices=2, orders=2)
    service = system.fit(BASE, TASK, SOME, folder=tmp_path)
    by_slice = {place(name, 0, 2, "slice"): name for name in SOME.ids}
    assert service.delete([by_slice[0]]).steps == 0
    took = service.delete([by_slice[1]])
    assert took.steps > 0
    assert "everything was trained again" in took.notes[-1]
    left = SOME.without([by_slice[0], by_slice[1]])
    again = system.fit(BASE, TASK, left, folder=tmp_path)
    assert again.trained.steps == 0
    assert fingerprint(again.model()) == fingerprint(service.model())


def test_deleted_stages_leave_the_disk(tmp_path: Path) -> None:
    service = fitted(folder=tmp_path)
    before = len(list(tmp_path.rglob("*.safetensors")))
    service.delete([SOME.ids[0]])
    assert before == 2 * 3 * 3
    # Of three copies of the shard one loses all stages, one two, one one.
    assert len(list(tmp_path.rglob("*.safetensors"))) == before - 6


def test_more_slices_than_blocks_and_unknown_layers_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="4 slices need as many blocks, and the model has 3"):
        fitted(system=dataclasses.replace(QUICK, slices=4, orders=1))
    with pytest.raises(ConfigurationError, match="no block of the model has a layer named nothing"):
        fitted(system=dataclasses.replace(QUICK, targets=("nothing",)))
    with pytest.raises(ConfigurationError, match="2 probabilities are given for 3 slices"):
        fitted(system=dataclasses.replace(QUICK, probabilities=(0.1, 0.2)))
