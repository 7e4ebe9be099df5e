"""Metrics on parts of the forget set: by a column, and for the most memorised examples."""

from __future__ import annotations

import statistics

import numpy as np
import pytest
import torch
from torch import Tensor

from lethe.auditing.groups import SMALLEST, Group, by_column, group_entries, most_memorised
from lethe.auditing.metric import Metric, References, Rows
from lethe.auditing.metrics.accuracy import ForgetAccuracy, ForgetLoss, HoldoutAccuracy, RetainAccuracy
from lethe.auditing.metrics.answers import ForgetProbability
from lethe.auditing.metrics.klom import KLoM
from lethe.auditing.metrics.membership import MIAConfidence
from lethe.auditing.metrics.text_membership import MembershipLoss
from lethe.auditing.policy import Policy
from lethe.auditing.records import GroupEntry
from lethe.errors import ConfigurationError
from lethe.examples import Examples
from lethe.run import Run
from tests.auditing.metrics.made import made, telling, told, with_probability

CHEAP: tuple[tuple[str, Metric], ...] = (("forget_accuracy", ForgetAccuracy()), ("forget_loss", ForgetLoss()))


def judged(group: Group, subject: Rows, beside: References, metrics=CHEAP) -> dict[str, GroupEntry]:
    return {one.metric: one for one in group_entries(group, metrics, subject, beside, Run(), Policy())}


def knowing(known: Tensor, seed: int) -> Rows:
    """A model that gives the label 0.9 where it knows an example and 0.2 elsewhere, give or take a little."""
    noise = 0.02 * torch.rand(len(known), generator=torch.Generator().manual_seed(seed))
    return made(forget=with_probability(torch.where(known, 0.9, 0.2) + noise))


COUNT = 60
FEW = torch.arange(COUNT) < 12  # the examples that were leaked, or not forgotten
ALL, NONE = torch.ones(COUNT, dtype=torch.bool), torch.zeros(COUNT, dtype=torch.bool)
ORIGINAL, GOLDS = knowing(ALL, 0), tuple(knowing(NONE, seed) for seed in (1, 2, 3))
WHO = np.array(["few" if few else "rest" for few in FEW], dtype=object)
SETS = {"forget": Examples(tuple(f"row-{i}" for i in range(COUNT)), {"who": WHO, "part": FEW.long()})}


@pytest.mark.parametrize("column", ["who", "part"])
def test_a_few_people_that_were_not_forgotten_are_found_in_their_group(column: str) -> None:
    subject, beside = knowing(FEW, 4), References(ORIGINAL, gold=GOLDS)
    groups, left = by_column(SETS, subject, column)
    assert [len(group) for group in groups] == [48, 12]
    assert left == []
    rest, few = (judged(group, subject, beside)["forget_accuracy"] for group in groups)
    assert (few.finding, few.value, few.size) == ("like the original", 1.0, 12)
    assert (rest.finding, rest.value) == ("like gold", 0.0)
    assert few.gap == 1.0
    assert few.interval is not None
    assert few.interval[0] <= few.gap <= few.interval[1]


def test_groups_too_small_to_judge_are_named() -> None:
    who = np.array(["one"] * (SMALLEST - 1) + ["many"] * SMALLEST, dtype=object)
    examples = Examples(tuple(f"row-{i}" for i in range(len(who))), {"who": who})
    rows = made(forget=with_probability(torch.full((len(who),), 0.5)))
    groups, left = by_column({"forget": examples}, rows, "who")
    assert [group.name for group in groups] == ["who = many"]
    assert left == ["who = one: 4 examples are too few, 5 or more are judged"]


def test_a_column_that_names_no_groups_is_refused() -> None:
    rows = made(forget=with_probability(torch.full((2,), 0.5)))
    lists = np.empty(2, dtype=object)
    lists[:] = [["a"], ["b"]]
    examples = Examples(("row-0", "row-1"), {"who": lists, "score": torch.rand(2), "region": lists})
    with pytest.raises(ConfigurationError, match="no column 'regoin' to group by; did you mean 'region'"):
        by_column({"forget": examples}, rows, "regoin")
    for column in ("who", "score"):
        with pytest.raises(ConfigurationError, match="group by text or whole numbers"):
            by_column({"forget": examples}, rows, column)


def test_the_measured_sample_is_grouped_by_its_ids() -> None:
    """Of large sets a sample is measured; positions are those of the sample, not of the file."""
    measured = made(forget=with_probability(torch.full((12,), 0.5)))
    everything = Examples(tuple(f"row-{i}" for i in reversed(range(30))), {"odd": torch.arange(29, -1, -1) % 2})
    groups, _ = by_column({"forget": everything}, measured, "odd")
    assert {group.name: group.at["forget"].tolist() for group in groups} == {
        "odd = 0": list(range(0, 12, 2)),
        "odd = 1": list(range(1, 12, 2)),
    }


def test_what_is_kept_is_judged_by_group_where_it_has_such_examples() -> None:
    """The retain set is cut down to the group; the holdout, which has none, is not, and says nothing of it."""
    half = torch.arange(20) < 10
    rows = made(
        forget=with_probability(torch.full((20,), 0.9)),
        retain=with_probability(torch.where(half, 0.9, 0.1)),
        holdout=with_probability(torch.full((20,), 0.9)),
    )
    ids = tuple(f"row-{i}" for i in range(20))
    kept = Examples(ids, {"half": half.long()})
    sets = {"forget": kept, "retain": kept, "holdout": Examples(ids, {})}
    groups, _ = by_column(sets, rows, "half")
    metrics = (("retain_accuracy", RetainAccuracy()), ("holdout_accuracy", HoldoutAccuracy()))
    found = {g.name: judged(g, rows, References(rows, gold=(rows, rows)), metrics) for g in groups}
    assert {name: set(entries) for name, entries in found.items()} == {
        "half = 0": {"retain_accuracy"},
        "half = 1": {"retain_accuracy"},
    }
    assert found["half = 0"]["retain_accuracy"].value == 0
    assert found["half = 1"]["retain_accuracy"].value == 1


def test_the_most_memorised_are_those_the_original_knows_and_gold_does_not() -> None:
    """Example 0 is easy for all; 1 and 2 were memorised."""
    original = made(forget=with_probability(torch.tensor([0.99, 0.9, 0.8, 0.3, 0.2, 0.3, 0.2, 0.3, 0.2, 0.3])))
    gold = made(forget=with_probability(torch.tensor([0.99, 0.1, 0.1, 0.3, 0.2, 0.3, 0.2, 0.3, 0.2, 0.3])))
    group = most_memorised(original, [gold, gold])
    assert group.at["forget"].tolist() == [1, 2]
    assert group.name == "most memorised 20% (original above gold)"
    assert [one["forget"].tolist() for one in group.gold_at] == [[1, 2], [1, 2]]
    alone = most_memorised(original, [])
    assert alone.at["forget"].tolist() == [0, 1]
    assert "loss of the original" in alone.name


def test_choosing_examples_against_gold_does_not_make_a_further_gold_look_like_the_original() -> None:
    """Nothing was memorised: all models are one noise. The examples chosen are those of which gold knows least."""

    def noise(seed: int) -> Rows:
        draw = torch.rand(60, generator=torch.Generator().manual_seed(seed))
        return made(forget=with_probability(0.05 + 0.9 * draw))

    fair, naive = [], []
    for seed in range(0, 160, 8):
        golds = [noise(seed + k) for k in range(1, 4)]
        beside = References(noise(seed), gold=tuple(golds))
        group = most_memorised(beside.original, golds)
        for chosen, found in ((group, fair), (Group(group.name, group.at), naive)):
            entry = group_entries(chosen, CHEAP[1:], noise(seed + 7), beside, Run(), Policy(), 0)[0]
            assert entry.gap is not None
            found.append(entry.gap)
    error = statistics.stdev(fair) / len(fair) ** 0.5
    assert abs(statistics.fmean(fair)) < 2.5 * error
    assert statistics.fmean(naive) < -5 * error


def test_language_models_are_grouped_alike() -> None:
    holdout = told([[-3.0]] * 8)

    def saying(known: Tensor) -> Rows:
        answers = [[-0.1, -0.1] if one else [-3.0, -2.0, -4.0] for one in known.tolist()]
        return telling(forget=told(answers), holdout=holdout)

    subject, beside = saying(FEW), References(saying(ALL), gold=(saying(NONE), saying(NONE)))
    group = by_column(SETS, subject, "who")[0][1]
    metrics = (("forget_probability", ForgetProbability()), ("membership_loss", MembershipLoss()))
    found = judged(group, subject, beside, metrics)
    assert (
        found["forget_probability"].value == found["forget_probability"].original == pytest.approx(0.904837, abs=1e-6)
    )
    assert found["membership_loss"].value == 1
    assert found["forget_probability"].finding == "like the original"


def test_what_is_dear_or_reads_ensembles_is_left_to_the_whole_set() -> None:
    subject, beside = knowing(FEW, 4), References(ORIGINAL, gold=GOLDS)
    group = by_column(SETS, subject, "who")[0][0]
    assert judged(group, subject, beside, (("mia", MIAConfidence()), ("klom", KLoM()))) == {}
