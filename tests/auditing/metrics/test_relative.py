from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from lethe.auditing.metric import References
from lethe.auditing.metrics.relative import RelativeTest
from lethe.auditing.vectors import standardised, vectors
from lethe.errors import InputError
from lethe.worlds.digits import Digits
from tests.auditing.metrics.conftest import reader
from tests.auditing.metrics.made import made, set_rows

LEVEL = 0.05
STATISTICS = [
    RelativeTest(),
    RelativeTest(statistic="chi_squared"),
    RelativeTest(statistic="hockey_stick", regularisation=(1.0,), quantiles=(0.3, 0.7)),
    RelativeTest(outputs="logits"),
    RelativeTest(outputs="margin"),
]


def mixed(first, second, share):
    """A model that answers on the way from one to the other."""
    return made(forget=set_rows(first["forget"].logits.lerp(second["forget"].logits, share), first["forget"].labels))


def verdicts(originals, golds, test=None):
    """For every seed: is another original rejected, and is another gold, beside one original and three golds?"""
    test = test or RelativeTest()
    count = len(originals)
    rejected_original, rejected_gold = [], []
    for seed in range(count):
        gold = tuple(golds[(seed + k) % count] for k in (1, 2, 3))
        against = References(original=originals[(seed + 1) % count], gold=gold)
        rejected_original.append(test(originals[seed], against, seed).value <= LEVEL)
        rejected_gold.append(test(golds[seed], against, seed).value <= LEVEL)
    return rejected_original, rejected_gold


@pytest.mark.parametrize("test", STATISTICS[:2], ids=["mmd", "chi_squared"])
def test_an_original_is_rejected_and_a_second_gold_is_not(test, originals, golds):
    rejected_original, rejected_gold = verdicts(originals, golds, test)
    assert all(rejected_original)
    assert not any(rejected_gold)


@pytest.mark.slow
def test_an_original_is_rejected_and_a_second_gold_is_not_in_19_of_20_seeds():
    world = Digits("mislabelled")
    read = reader(world.problem())
    originals, golds = (
        [read(world.original(seed)) for seed in range(20)],
        [read(world.gold((s,))[0]) for s in range(20)],
    )
    rejected_original, rejected_gold = verdicts(originals, golds)
    assert sum(rejected_original) >= 19
    assert sum(rejected_gold) <= 1


@pytest.mark.parametrize("test", STATISTICS, ids=["mmd", "chi_squared", "hockey_stick", "logits", "margin"])
def test_every_statistic_and_output_tells_the_original_from_gold(test, originals, golds, against):
    assert test(originals[0], against).value <= LEVEL
    assert test(golds[0], against).value > 0.5


def test_the_outputs_compared_are_those_asked_for(originals, against):
    kernels = {
        outputs: RelativeTest(outputs=outputs)(originals[1], against).details["kernels"]
        for outputs in ("aligned", "logits", "margin")
    }
    assert len({kernel[0]["bandwidth"] for kernel in kernels.values()}) == 3
    # One number an example, whose distances are the smallest.
    assert kernels["margin"][0]["bandwidth"] == min(kernel[0]["bandwidth"] for kernel in kernels.values())


def test_a_two_sample_test_flags_golds_that_the_relative_test_spares(originals, golds):
    found = [
        RelativeTest()(golds[seed], References(originals[seed], gold=(golds[(seed + 1) % 8], golds[(seed + 2) % 8])))
        for seed in range(8)
    ]
    flagged = [min(p for name, p in one.details["two_sample"].items() if name != "original") for one in found]
    assert sum(p <= LEVEL for p in flagged) >= 4
    assert not any(one.value <= LEVEL for one in found)


def test_the_p_value_rises_on_the_way_from_the_original_to_gold(originals, golds, against):
    scores = [RelativeTest()(mixed(originals[0], golds[0], share), against) for share in (0.0, 0.4, 0.6, 1.0)]
    values = [score.value for score in scores]
    assert values == sorted(values)
    assert values[0] <= LEVEL < 0.5 < values[-1]
    gaps = [sum(kernel["t"] for kernel in score.details["kernels"]) for score in scores]
    assert all(later < earlier for earlier, later in pairwise(gaps))


def test_both_directions_are_reported(originals, golds, against):
    kept, forgot = RelativeTest()(originals[1], against).details, RelativeTest()(golds[0], against).details
    assert kept["p_closer_to_original"] <= LEVEL < 0.5 < kept["p_closer_to_gold"]
    assert forgot["p_closer_to_gold"] <= LEVEL < 0.5 < forgot["p_closer_to_original"]


def test_kernels_report_both_distances_at_every_setting(originals, against):
    test = RelativeTest(statistic="chi_squared", quantiles=(0.2, 0.8), regularisation=(1.0, 0.1))
    kernels = test(originals[1], against).details["kernels"]
    assert [kernel["regularisation"] for kernel in kernels] == [1.0, 1.0, 0.1, 0.1]
    assert kernels[0]["bandwidth"] == kernels[2]["bandwidth"] < kernels[1]["bandwidth"]
    for kernel in kernels:
        assert kernel["t"] == pytest.approx(kernel["to_gold"] - kernel["to_original"])
        assert kernel["to_gold"] > kernel["to_original"]


def test_a_model_equal_to_its_references_is_named_and_not_a_nan(originals, golds):
    unchanged = RelativeTest()(originals[0], References(originals[0], gold=(golds[0],)))
    assert unchanged.details["identical"] == ["original"]
    assert unchanged.value <= LEVEL
    retrained = RelativeTest()(golds[0], References(originals[0], gold=(golds[0],)))
    assert retrained.details["identical"] == ["gold 0"]
    assert retrained.value > 0.99
    everything = RelativeTest()(golds[0], References(golds[0], gold=(golds[0],)))
    assert everything.value == everything.details["p_closer_to_gold"] == 1
    assert all(kernel["p_closer_to_original"] == 0.5 for kernel in everything.details["kernels"])


def test_subgroups_show_which_labels_were_not_forgotten(originals, golds, against):
    """The model forgot labels 0 to 4 and kept the others; the whole-set test alone cannot say so."""
    labels = originals[0]["forget"].labels
    logits = torch.where((labels < 5).unsqueeze(1), golds[0]["forget"].logits, originals[0]["forget"].logits)
    found = RelativeTest(smallest_group=8)(made(forget=set_rows(logits, labels)), against).details["by_label"]
    assert len(found) == 10
    for group in found:
        assert (group["p_closer_to_original"] <= LEVEL) == (group["group"] >= 5)
        assert group["examples"] == int((labels == group["group"]).sum())


def test_subgroups_show_that_the_most_memorised_were_not_forgotten(originals, golds, against):
    labels = originals[0]["forget"].labels
    known = [
        torch.log_softmax(m["forget"].logits, 1).gather(1, labels[:, None])[:, 0] for m in (originals[0], *golds[1:4])
    ]
    memorised = known[0] - torch.stack(known[1:]).mean(0)
    most = memorised >= memorised.quantile(0.8)
    logits = torch.where(most.unsqueeze(1), originals[0]["forget"].logits, golds[0]["forget"].logits)
    found = RelativeTest()(made(forget=set_rows(logits, labels)), against).details["by_memorisation"]
    assert sum(group["examples"] for group in found) == len(labels)
    assert [group["p_closer_to_original"] <= LEVEL for group in found] == [False] * (len(found) - 1) + [True]


def test_a_larger_set_is_sampled_by_the_seed_alone(originals, golds, against):
    test = RelativeTest(examples=60)
    scores = [test(originals[0], against, seed) for seed in (0, 0, 1)]
    assert scores[0] == scores[1]
    assert scores[0].details["examples"] == 60
    assert scores[0].details["kernels"] != scores[2].details["kernels"]


def test_few_examples_are_called_rough_and_one_is_refused(originals, golds):
    def cut(rows, count):
        return made(forget=set_rows(rows["forget"].logits[:count], rows["forget"].labels[:count]))

    few = [
        RelativeTest()(cut(originals[1], n), References(cut(originals[0], n), gold=(cut(golds[0], n),)))
        for n in (20, 120)
    ]
    assert [score.details["rough"] for score in few] == [True, False]
    with pytest.raises(InputError, match="at least 2"):
        RelativeTest()(cut(originals[1], 1), References(cut(originals[0], 1), gold=(cut(golds[0], 1),)))


def test_aligned_outputs_do_not_depend_on_which_class_is_which():
    generator = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(20, 5, generator=generator), torch.randint(0, 5, (20,), generator=generator)
    order = torch.tensor([3, 0, 4, 1, 2])
    renamed = set_rows(logits[:, order], order.argsort()[labels])
    torch.testing.assert_close(vectors(set_rows(logits, labels), "aligned"), vectors(renamed, "aligned"))
    assert not torch.allclose(vectors(set_rows(logits, labels), "logits"), vectors(renamed, "logits"))


@pytest.mark.parametrize("outputs", ["aligned", "logits", "margin"])
def test_a_constant_added_to_all_logits_changes_nothing(outputs):
    logits = torch.randn(20, 5, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(20) % 5
    moved = vectors(set_rows(logits + 7, labels), outputs)
    torch.testing.assert_close(vectors(set_rows(logits, labels), outputs), moved, atol=1e-5, rtol=0)


def test_golds_alone_set_the_scale():
    generator = torch.Generator().manual_seed(0)
    golds = [torch.randn(50, 3, generator=generator) for _ in range(2)]
    model, outlier = torch.randn(50, 3, generator=generator), 1e6 * torch.randn(50, 3, generator=generator)
    torch.testing.assert_close(standardised([model, outlier], golds)[0], standardised([model], golds)[0])
    scaled = torch.cat(standardised(golds, golds))
    torch.testing.assert_close(scaled.std(0), torch.ones(3))
    constant = [torch.ones(50, 3), torch.ones(50, 3)]
    assert bool(torch.isfinite(standardised([model], constant)[0]).all())
