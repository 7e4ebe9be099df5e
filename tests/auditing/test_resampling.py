from __future__ import annotations

import statistics

import torch

from lethe.auditing.metric import References
from lethe.auditing.metrics.accuracy import ForgetAccuracy, ForgetLoss
from lethe.auditing.resampling import draws, resampled
from lethe.auditing.scoring import Panel
from lethe.run import Run
from tests.auditing.metrics.made import made, with_probability

ROWS = made(forget=with_probability(torch.linspace(0.05, 0.95, 40)), retain=with_probability(torch.full((7,), 0.9)))


def test_a_sample_draws_each_set_from_itself() -> None:
    generator = torch.Generator().manual_seed(0)
    for drawn in draws(ROWS, 3, generator):
        again = resampled(ROWS, drawn)
        assert len(again["forget"].ids) == 40
        assert set(again["retain"].ids) <= set(ROWS["retain"].ids)
        assert torch.equal(again["forget"].logits, ROWS["forget"].logits[drawn["forget"]])
        assert torch.equal(again["forget"].labels, ROWS["forget"].labels[drawn["forget"]])
    assert len(set(again["forget"].ids)) < 40, "drawn without replacement"


def test_resampled_values_scatter_by_the_standard_error() -> None:
    generator = torch.Generator().manual_seed(0)
    values = [ForgetAccuracy()(resampled(ROWS, drawn), References(ROWS)).value for drawn in draws(ROWS, 400, generator)]
    error = (0.5 * 0.5 / 40) ** 0.5
    assert abs(statistics.stdev(values) / error - 1) < 0.15


def test_all_models_are_resampled_alike() -> None:
    # A model that is gold, example by example, has no gap on any sample; drawn apart, they would differ.
    panel = Panel(References(ROWS, gold=(ROWS, ROWS)))
    gaps = panel.gaps(ROWS, panel.references, [("forget_loss", ForgetLoss())], 20, Run())
    assert gaps["forget_loss"].own == [0.0] * 20
