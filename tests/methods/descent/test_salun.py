"""SalUn, card 070: the mask is exact, salient and not random, and the effect is not fine-tuning's."""

from __future__ import annotations

import pytest
import torch

from lethe.api import unlearn
from lethe.methods.baselines.finetune import FineTune
from lethe.methods.baselines.gradient_ascent import GradientAscent
from lethe.methods.baselines.random_labels import RandomLabels
from lethe.methods.descent.salun import SalUn
from lethe.models import same_weights
from lethe.run import Run
from lethe.scopes import Saliency
from tests.helpers import accuracies, gap_to_gold, tiny_problem


@pytest.mark.parametrize("keep", [0.2, 0.5])
def test_masked_out_weights_keep_their_bits_and_the_share_is_exact(mislabelled, keep):
    mask = Saliency(keep).mask(mislabelled, Run())
    total = sum(p.numel() for p in mislabelled.model.parameters())
    assert mask.share(mislabelled.model) == int(keep * total) / total
    after = unlearn(mislabelled, SalUn(keep=keep, epochs=2)).model
    for name, before in mislabelled.model.named_parameters():
        assert torch.equal(before[~mask.allowed[name]], after.get_parameter(name)[~mask.allowed[name]])


def test_keeping_every_weight_is_random_labelling_to_the_bit(mislabelled):
    everything = unlearn(mislabelled, SalUn(keep=1.0, epochs=2), seed=4).model
    assert same_weights(everything, unlearn(mislabelled, RandomLabels(epochs=2), seed=4).model)
    half = unlearn(mislabelled, SalUn(keep=0.5, epochs=2), seed=4).model
    assert not same_weights(everything, half)


def test_it_is_random_labelling_with_the_scope_saliency_to_the_bit(mislabelled):
    combined = RandomLabels(epochs=2, scope=Saliency(0.5))
    assert same_weights(unlearn(mislabelled, SalUn(epochs=2)).model, unlearn(mislabelled, combined).model)


def test_it_forgets_where_plain_fine_tuning_and_ascent_at_matched_epochs_do_not(mislabelled):
    original, golds = accuracies(mislabelled, mislabelled.model), accuracies(mislabelled, mislabelled.gold[0])
    after = accuracies(mislabelled, unlearn(mislabelled, SalUn()).model)
    tuned = accuracies(mislabelled, unlearn(mislabelled, FineTune()).model)
    assert original[0] - after[0] > 0.8 * (original[0] - golds[0])
    assert original[0] - tuned[0] < 0.2 * (original[0] - golds[0])
    assert after[2] > original[2] - 0.03
    gaps = [
        gap_to_gold(mislabelled, unlearn(mislabelled, m).model)
        for m in (SalUn(), FineTune(), GradientAscent(epochs=10))
    ]
    assert gaps[0] < 0.25 * min(gaps[1:])


def test_the_mask_follows_the_forget_set_and_is_not_random(mislabelled, whole_class):
    keep = 0.3
    own = Saliency(keep).mask(mislabelled, Run()).allowed
    swapped = (
        Saliency(keep)
        .mask(type(mislabelled)(mislabelled.model, mislabelled.task, forget=mislabelled.kept), Run())
        .allowed
    )
    overlap = sum(int((own[n] & swapped[n]).sum()) for n in own) / sum(int(own[n].sum()) for n in own)
    assert keep + 0.1 < overlap < 0.9


def test_the_soft_variant_returns_the_weights_that_moved_least_to_their_bits():
    problem = tiny_problem()
    total = sum(p.numel() for p in problem.model.parameters())
    epochs, keep = 4, 0.5
    after = unlearn(problem, SalUn(soft=True, keep=keep, epochs=epochs, batch_size=8)).model
    # The last step belongs to the epoch after three whole ones: k = int(0.5 N (1 - (3S + 1) / 4S)), S = 2 + 5 steps.
    expected = int((1 - keep) * total * (1 - (3 * 7 + 1) / (4 * 7)))
    same = sum(int((after.get_parameter(n) == p).sum()) for n, p in problem.model.named_parameters())
    assert same == expected
    assert expected > 5


def test_the_soft_variant_forgets_and_moves_less_than_random_labelling(mislabelled):
    options = {"learning_rate": 0.03, "batch_size": 64}
    soft = unlearn(mislabelled, SalUn(soft=True, **options)).model
    plain = unlearn(mislabelled, RandomLabels(**options)).model
    assert gap_to_gold(mislabelled, soft) < 0.1

    def moved(model):
        return sum(
            float((model.get_parameter(n) - p).abs().sum().detach()) for n, p in mislabelled.model.named_parameters()
        )

    assert moved(soft) < 0.9 * moved(plain)
