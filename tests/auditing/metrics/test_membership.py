from __future__ import annotations

import math

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from sklearn.metrics import roc_auc_score

from lethe.auditing.inference import auc, best_threshold
from lethe.auditing.metric import Rows
from lethe.auditing.metrics.membership import (
    MIAConfidence,
    MIACorrectness,
    MIAEntropy,
    MIAModifiedEntropy,
    MIAPrivacy,
    MIAProbability,
)
from lethe.auditing.metrics.threshold import MIAEntropyThreshold, MIALoss
from lethe.errors import InputError
from tests.auditing.metrics.conftest import reader
from tests.auditing.metrics.made import NOBODY, made, set_rows, with_probability

EFFICACY = [MIAConfidence, MIACorrectness, MIAEntropy, MIAModifiedEntropy, MIAProbability]
THRESHOLDS = [MIALoss, MIAEntropyThreshold]
EVERY = [*EFFICACY, *THRESHOLDS, MIAPrivacy]


@pytest.fixture(scope="module")
def random_models(random_subset):
    read = reader(random_subset)
    return read(random_subset.model), [read(gold) for gold in random_subset.gold]


def part(rows, start, stop):
    return set_rows(rows.logits[start:stop], rows.labels[start:stop])


def judged_apart(rows):
    """The model's value on its forget set and on test data the attacker did not learn from."""
    half = len(rows["holdout"].ids) // 2
    shadow = {"retain": rows["retain"], "holdout": part(rows["holdout"], 0, half)}
    fresh = part(rows["holdout"], half, 2 * half)
    return [MIAConfidence()(made(forget=seen, **shadow), NOBODY).value for seen in (rows["forget"], fresh)]


def test_confidence_takes_a_randomly_chosen_forget_set_of_gold_for_fresh_test_data(random_models):
    values = torch.tensor([judged_apart(gold) for gold in random_models[1]]).mean(0)
    assert abs(values[0] - values[1]) < 0.05


def test_confidence_sees_that_the_original_was_trained_on_its_forget_set(random_models):
    original, fresh = judged_apart(random_models[0])
    assert original < 0.02
    assert fresh > original


@pytest.mark.parametrize("metric", [MIAConfidence, MIACorrectness, MIAModifiedEntropy])
def test_efficacy_is_far_lower_for_the_original_than_for_gold(metric, originals, golds):
    memorised, never_seen = ([metric()(rows, NOBODY).value for rows in models] for models in (originals[:3], golds[:3]))
    assert max(memorised) < min(never_seen) - 0.5


def test_loss_threshold_finds_the_forget_set_in_the_original_and_not_in_gold(originals, golds):
    assert min(MIALoss()(rows, NOBODY).value for rows in originals) > 0.1
    assert max(MIALoss()(gold, NOBODY).value for gold in golds) == 0


@pytest.mark.parametrize("metric", EFFICACY)
def test_efficacy_is_the_share_that_looks_like_the_holdout(metric):
    """Members are sure and right, others unsure and wrong: three quarters of the forget set are of the second kind."""
    sure, unsure = torch.full((40,), 0.99), torch.full((40,), 0.4)
    forget = with_probability(torch.cat([sure[:10], unsure[:30]]))
    rows = made(forget=forget, retain=with_probability(sure), holdout=with_probability(unsure))
    score = metric()(rows, NOBODY)
    assert score.value == pytest.approx(0.75)
    assert score.details["members_found"] == score.details["others_found"] == 1


@pytest.mark.parametrize("metric", THRESHOLDS)
def test_a_threshold_gives_the_share_that_looks_like_the_retain_set(metric):
    sure, unsure = torch.full((40,), 0.99), torch.full((40,), 0.4)
    forget = with_probability(torch.cat([sure[:10], unsure[:30]]))
    rows = made(forget=forget, retain=with_probability(sure), holdout=with_probability(unsure))
    score = metric()(rows, NOBODY)
    assert score.value == pytest.approx(0.25)
    assert score.details["balanced_accuracy"] == 1
    assert score.details["auc_forget_holdout"] == pytest.approx(0.25 + 0.75 / 2)


@pytest.mark.parametrize("metric", EFFICACY)
def test_the_attacker_learns_from_as_many_members_as_others_and_from_the_first(metric, golds):
    """An attacker that saw more members than others would call nearly everything a member."""
    size = len(golds[0]["holdout"].ids)
    cut = made(**{**golds[0].sets, "retain": part(golds[0]["retain"], 0, size)})
    assert metric()(cut, NOBODY).value == metric()(golds[0], NOBODY).value
    fewer = made(**{**golds[0].sets, "retain": part(golds[0]["retain"], 0, 100)})
    same = made(**{**fewer.sets, "holdout": part(golds[0]["holdout"], 0, 100)})
    assert metric()(fewer, NOBODY).value == metric()(same, NOBODY).value


def test_privacy_is_a_half_without_a_difference_and_one_for_a_model_that_tells_all():
    alike = torch.linspace(0.1, 0.9, 100)
    alike = alike[torch.randperm(100, generator=torch.Generator().manual_seed(0))]
    forget = with_probability(alike)
    same = made(forget=forget, retain=with_probability(alike), holdout=with_probability(alike))
    assert MIAPrivacy()(same, NOBODY).value == pytest.approx(0.5)
    apart = made(forget=forget, retain=with_probability(alike / 4 + 0.7), holdout=with_probability(alike / 4))
    assert MIAPrivacy()(apart, NOBODY).value == 1


def test_privacy_judges_examples_the_attacker_did_not_learn_from():
    """Half of the retain set is treated like the holdout; only that half is judged, and no member is found."""
    high, low = torch.full((20,), 0.9), torch.full((20,), 0.1)
    rows = made(
        forget=with_probability(low), retain=with_probability(torch.cat([high, low])),
        holdout=with_probability(torch.cat([low, low])),
    )  # fmt: skip
    score = MIAPrivacy()(rows, NOBODY)
    assert score.details["members_found"] == 0
    assert score.value == 0.5


def scaled(rows: Rows, factor: float) -> Rows:
    """The same model with all its logits multiplied."""
    return made(**{name: set_rows(factor * one.logits, one.labels) for name, one in rows.sets.items()})


@pytest.mark.parametrize("metric", [*EVERY, lambda: MIAModifiedEntropy(release=True)])
@pytest.mark.parametrize("factor", [0.0, 1e4])
def test_a_model_that_says_nothing_or_shouts_gets_a_finite_value(metric, factor, originals):
    score = metric()(scaled(originals[0], factor), NOBODY)
    assert 0 <= score.value <= 1
    assert all(math.isfinite(v) for v in score.details.values() if isinstance(v, float))


@pytest.mark.parametrize("metric", THRESHOLDS)
def test_a_threshold_that_learned_nothing_judges_nobody_a_member(metric, originals):
    score = metric()(scaled(originals[0], 0.0), NOBODY)
    assert score.value == 0
    assert score.details["balanced_accuracy"] == 0.5
    assert score.details["auc_forget_holdout"] == 0.5


@pytest.mark.parametrize("metric", EVERY)
def test_an_empty_holdout_is_refused_in_one_line(metric, golds):
    empty = made(**{**golds[0].sets, "holdout": part(golds[0]["holdout"], 0, 0)})
    with pytest.raises(InputError, match="holdout"):
        metric()(empty, NOBODY)


def test_histograms_count_every_example_once(originals):
    found = MIAConfidence()(originals[0], NOBODY).details["histogram"]
    assert len(found["edges"]) == 21
    for name, rows in originals[0].sets.items():
        assert sum(found[name]) == len(rows.ids)
    own = torch.softmax(originals[0]["forget"].logits, 1).gather(1, originals[0]["forget"].labels[:, None])
    assert sum(found["forget"][10:]) == int((own >= 0.5).sum())


def test_released_modified_entropy_differs_from_the_published_one_where_classes_are_many(golds):
    published, released = (MIAModifiedEntropy(release=flag).features(golds[0]["holdout"]) for flag in (False, True))
    probs = torch.softmax(golds[0]["holdout"].logits.double(), 1)  # all classes occur: every q is 1 - p
    expected = -((1 - probs) * probs.clamp_min(1e-30).log()).sum(1, keepdim=True)
    torch.testing.assert_close(released.double(), expected, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(published, released, atol=1.0)


def test_released_modified_entropy_keeps_p_for_classes_that_do_not_occur():
    logits = torch.tensor([[1.0, 0.0, -1.0], [0.5, 0.0, 2.0]])
    rows = set_rows(logits, torch.tensor([0, 0]))
    p = torch.softmax(logits, 1)
    q = torch.stack([1 - p[:, 0], p[:, 1], p[:, 2]], 1)
    torch.testing.assert_close(MIAModifiedEntropy(release=True).features(rows), -(q * p.log()).sum(1, keepdim=True))


scores = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=12).map(torch.tensor)


@given(scores, scores)
def test_no_other_threshold_is_better(members, others):
    def balanced(threshold):
        return float(((members >= threshold).double().mean() + (others < threshold).double().mean()) / 2)

    threshold, accuracy = best_threshold(members, others)
    assert accuracy == pytest.approx(balanced(threshold))
    assert all(balanced(other / 2) <= accuracy + 1e-9 for other in range(-8, 9))


@given(scores, scores)
def test_auc_agrees_with_scikit_learn(positives, negatives):
    truth = [1] * len(positives) + [0] * len(negatives)
    assert auc(positives, negatives) == pytest.approx(roc_auc_score(truth, torch.cat([positives, negatives])))
