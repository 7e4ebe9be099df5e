from __future__ import annotations

import math

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given
from scipy.special import rel_entr

from lethe.auditing.metric import References
from lethe.auditing.metrics.klom import KLoM, klom
from lethe.errors import InputError
from tests.auditing.metrics.made import made, set_rows

MOST = math.log(1e5)


def normal(models: int, points: int = 50, shift: float = 0.0, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(models, points, generator=generator, dtype=torch.float64) + shift


def test_identical_ensembles_are_at_zero_and_disjoint_ones_at_the_maximum():
    margins = normal(100)
    assert float(klom(margins, margins).abs().max()) == pytest.approx(0, abs=1e-12)
    narrow = 0.01 * margins  # one bin each, where p has no entropy to take off
    torch.testing.assert_close(klom(narrow, narrow + 50), torch.full((50,), MOST, dtype=torch.float64))


def test_the_order_of_models_and_a_change_of_scale_are_of_no_consequence():
    first, second = normal(30), normal(20, shift=0.5, seed=1)
    value = klom(first, second)
    torch.testing.assert_close(klom(first.flip(0), second), value)
    torch.testing.assert_close(klom(first * 4 + 1, second * 4 + 1), value)


def test_two_halves_of_the_oracles_are_much_nearer_than_ensembles_that_differ():
    oracles, original = normal(200), normal(100, shift=3, seed=1)
    floor = float(klom(oracles[:100], oracles[100:]).mean())
    assert floor < 0.1 * float(klom(original, oracles[100:]).mean())


def test_it_grows_with_the_shift():
    oracles = normal(100)
    values = [float(klom(normal(100, shift=shift, seed=1), oracles).mean()) for shift in (0, 1, 2, 4)]
    assert values == sorted(values)
    assert values[0] < 0.2 * values[-1]


def test_a_point_where_all_margins_agree_is_at_zero():
    same = torch.full((5, 2), 3.0)
    assert klom(same, same).tolist() == [0, 0]
    assert klom(same, same, drop_maximum=True).tolist() == [0, 0]


def test_margins_are_clipped_so_that_one_outlier_does_not_set_the_bins():
    first, second = torch.cat([normal(50), torch.full((1, 50), math.inf)]), normal(51, seed=1)
    capped = torch.where(first.isinf(), 100.0, first)
    torch.testing.assert_close(klom(first, second), klom(capped, second))


def test_the_direction_exchanges_the_ensembles():
    first, second = normal(40), normal(30, shift=1, seed=1)
    torch.testing.assert_close(klom(first, second, direction="oracle_unlearned"), klom(second, first))
    assert not torch.allclose(klom(first, second), klom(second, first))


def test_the_maximum_counts_unless_the_official_binning_is_asked_for():
    """A single model at the top is all that the ensembles differ in; the official histogram does not see it."""
    oracles = torch.linspace(0, 1, 11).unsqueeze(1)
    unlearned = torch.cat([oracles, torch.full((11, 1), 2.0)])
    assert float(klom(unlearned, oracles)) > 1
    assert float(klom(unlearned, oracles, drop_maximum=True)) == pytest.approx(0, abs=1e-12)


def reference(unlearned: np.ndarray, oracles: np.ndarray, bins: int) -> float:
    """The same, for one point, from NumPy's histogram."""
    edges = np.linspace(min(unlearned.min(), oracles.min()), max(unlearned.max(), oracles.max()), bins + 1)
    p, q = (np.histogram(values, edges)[0] / len(values) for values in (unlearned, oracles))
    return float(rel_entr(p, np.where(p > 0, np.maximum(q, 1e-5), q))[p > 0].sum())


@given(
    st.lists(st.integers(-50, 50), min_size=1, max_size=15),
    st.lists(st.integers(-50, 50), min_size=1, max_size=15),
    st.sampled_from([2, 4, 16]),
)
def test_it_agrees_with_histograms_of_one_point(unlearned, oracles, bins):
    # Two margins span the range, so that no other falls on the edge of a bin, where rounding decides.
    first = np.array([-64, *(m + 0.37 for m in unlearned)])
    second = np.array([64, *(m + 0.37 for m in oracles)])
    found = klom(torch.from_numpy(first).unsqueeze(1), torch.from_numpy(second).unsqueeze(1), bins=bins)
    assert float(found) == pytest.approx(reference(first, second, bins))


def test_margins_that_are_no_numbers_and_empty_ensembles_are_refused():
    with pytest.raises(InputError, match="not a number"):
        klom(torch.tensor([[math.nan]]), torch.zeros(1, 1))
    with pytest.raises(InputError, match="empty"):
        klom(torch.zeros(0, 1), torch.zeros(1, 1))


def test_the_metric_sets_originals_farther_from_gold_than_gold_from_gold(originals, golds):
    unlearned = KLoM()(golds[0], References(originals[0], gold=tuple(golds[4:]), siblings=tuple(golds[1:4])))
    nothing = KLoM()(originals[0], References(originals[0], gold=tuple(golds[4:]), siblings=tuple(originals[1:4])))
    assert nothing.value > 0.95 * MOST
    assert unlearned.value < nothing.value - 0.5
    assert nothing.details["unlearned"] == nothing.details["oracles"] == 4
    assert set(nothing.details) >= {"forget", "retain", "holdout"}
    assert nothing.details["forget"]["oracle_halves"] == unlearned.details["forget"]["oracle_halves"] < MOST


def test_the_metric_sees_siblings_and_reads_margins_not_logits():
    def model(shift: float, own: float):
        logits = torch.tensor([[own, 0.0], [0.0, own]]) + shift  # a shift of all logits leaves margins as they are
        return made(forget=set_rows(logits, torch.tensor([0, 1])))

    golds = (model(0.0, 1.0), model(3.0, 2.0))
    alike = KLoM()(model(5.0, 1.0), References(golds[0], gold=golds, siblings=(model(7.0, 2.0),)))
    apart = KLoM()(model(5.0, 1.0), References(golds[0], gold=golds, siblings=(model(7.0, 9.0),)))
    assert alike.value == pytest.approx(0, abs=1e-12)
    assert apart.value > 1
