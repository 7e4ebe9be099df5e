"""ℓ1-sparse unlearning, card 051: fine-tuning plus a penalty that fades, and forgets because of it."""

from __future__ import annotations

import pytest
import torch

from lethe.api import unlearn
from lethe.errors import ConfigurationError
from lethe.methods.baselines.finetune import FineTune
from lethe.methods.descent.l1_sparse import L1Sparse
from lethe.models import same_weights
from tests.helpers import accuracies

TUNED = {"epochs": 10, "learning_rate": 0.05}


def mean_size(model):
    return torch.cat([p.detach().abs().flatten() for p in model.parameters()]).mean().item()


def test_without_a_penalty_it_is_fine_tuning_to_the_bit(mislabelled):
    assert same_weights(
        unlearn(mislabelled, L1Sparse(penalty=0.0, epochs=2)).model, unlearn(mislabelled, FineTune(epochs=2)).model
    )


def test_it_shrinks_the_weights_keeps_what_is_kept_and_forgets_a_class_where_fine_tuning_does_not(whole_class):
    sparse = unlearn(whole_class, L1Sparse(penalty=1e-3, **TUNED)).model
    tuned = unlearn(whole_class, FineTune(**TUNED)).model
    assert mean_size(sparse) < 0.7 * mean_size(tuned)
    after, before = accuracies(whole_class, sparse), accuracies(whole_class, tuned)
    assert after[1] > before[1] - 0.03
    assert (1 - after[0]) - (1 - before[0]) > 0.5


def test_the_penalty_runs_over_every_parameter(mislabelled):
    tuned = unlearn(mislabelled, FineTune(epochs=1, learning_rate=1e-3)).model
    sparse = unlearn(mislabelled, L1Sparse(penalty=0.5, epochs=1, learning_rate=1e-3)).model
    for name, parameter in tuned.named_parameters():
        assert sparse.get_parameter(name).abs().sum() < parameter.abs().sum()


def test_the_coefficient_fades_linearly_and_the_last_epochs_are_plain():
    decay = [L1Sparse(penalty=8.0, epochs=6, plain_epochs=2).coefficient(e) for e in range(6)]
    assert decay == [8.0, 6.0, 4.0, 2.0, 0.0, 0.0]
    growth = [L1Sparse(penalty=8.0, epochs=4, penalty_schedule="growth").coefficient(e) for e in range(4)]
    assert growth == [0.0, 2.0, 4.0, 6.0]
    assert L1Sparse(penalty=8.0, epochs=4, penalty_schedule="constant").coefficient(3) == 8.0
    with pytest.raises(ConfigurationError, match="plain_epochs must lie in 0 … epochs-1 = 3, not 4"):
        L1Sparse(epochs=4, plain_epochs=4).check()
