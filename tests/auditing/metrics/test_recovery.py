from __future__ import annotations

import dataclasses

import pytest
import torch

from lethe.auditing.metric import References, Rows, SetRows
from lethe.auditing.metrics.recovery import FeatureMapping, HeadRecovery
from tests.auditing.metrics.made import NOBODY


def forget_accuracy(rows: Rows) -> float:
    return float((rows["forget"].logits.argmax(1) == rows["forget"].labels).double().mean())


def with_features(rows: Rows, change: torch.Tensor) -> Rows:
    """The model with its features multiplied by a matrix, and answers that show nothing any more."""
    sets = {
        name: dataclasses.replace(part, features=part.features @ change, logits=torch.zeros_like(part.logits))
        for name, part in rows.sets.items()
    }
    return dataclasses.replace(rows, sets=sets)


@pytest.mark.parametrize("bias", [False, True])
def test_mapping_the_original_onto_itself_recovers_its_accuracy(originals: list[Rows], bias: bool) -> None:
    score = FeatureMapping(bias=bias)(originals[0], References(originals[0]))
    assert score.value == pytest.approx(forget_accuracy(originals[0]), abs=0.02)


def test_features_that_were_only_turned_are_recovered(originals: list[Rows]) -> None:
    width = originals[0]["forget"].features.shape[1]
    turn = torch.linalg.qr(torch.randn(width, width, generator=torch.Generator().manual_seed(0))).Q
    hidden = with_features(originals[0], turn)
    assert forget_accuracy(hidden) < 0.2
    assert FeatureMapping()(hidden, References(originals[0])).value > 0.95


def test_gold_features_do_not_hold_the_wrong_labels(originals: list[Rows], golds: list[Rows]) -> None:
    assert FeatureMapping()(golds[1], References(originals[0])).value < 0.1


def test_features_that_are_gone_give_nothing_with_or_without_bias(originals: list[Rows]) -> None:
    width = originals[0]["forget"].features.shape[1]
    score = FeatureMapping()(with_features(originals[0], torch.zeros(width, width)), References(originals[0]))
    assert set(score.details) == {"with_bias", "without_bias"}
    assert max(score.details.values()) < 0.3


def test_a_refitted_head_reads_any_linear_code_of_the_classes() -> None:
    generator = torch.Generator().manual_seed(0)
    code = torch.randn(3, 6, generator=generator)

    def coded(count: int) -> SetRows:
        labels = torch.arange(count) % 3
        features = code[labels] + 0.01 * torch.randn(count, 6, generator=generator) + 5.0
        return SetRows(tuple(map(str, range(count))), labels, torch.zeros(count, 3), features)

    rows = Rows({"forget": coded(9), "retain": coded(60), "holdout": coded(30)}, (torch.zeros(3, 6), None), {})
    score = HeadRecovery()(rows, NOBODY)
    assert score.value == 1.0
    assert score.details["holdout"] == 1.0


def test_a_class_that_is_not_among_the_retained_cannot_be_refitted() -> None:
    features = torch.eye(3).repeat(10, 1)
    labels = torch.arange(30) % 3
    kept = labels < 2
    retain = SetRows(tuple(map(str, range(20))), labels[kept], torch.zeros(20, 3), features[kept])
    forget = SetRows(tuple(map(str, range(10))), labels[~kept], torch.zeros(10, 3), features[~kept])
    rows = Rows({"forget": forget, "retain": retain}, (torch.zeros(3, 3), None), {})
    assert HeadRecovery()(rows, NOBODY).value == 0.0
