"""Figures of continual learning, by hand."""

from __future__ import annotations

import pytest
import torch

from lethe.auditing.class_bias import ClassBias, Side
from lethe.streams.continual import Continual

NEUTRAL = ClassBias(Side(0.5, 1.0, 0.0, 0.0), Side(0.5, 1.0, 0.0, 0.0), torch.zeros(2, 2))


def test_figures_of_a_stream_are_those_of_their_formulas() -> None:
    accuracies = torch.tensor([[0.9, torch.nan, torch.nan], [0.5, 0.8, torch.nan], [0.6, 0.2, 1.0]]).double()
    one = Continual(accuracies, NEUTRAL)
    assert one.average_end == pytest.approx(0.6)
    assert one.forgetting == pytest.approx((0.3 + 0.6 + 0.0) / 3)
    assert one.anytime == pytest.approx((0.9 + 0.65 + 0.6) / 3)
