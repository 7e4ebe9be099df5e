"""Differentially private decoding mixes probabilities, not logits."""

from __future__ import annotations

import math

import pytest
import torch

from lethe.errors import ConfigurationError
from lethe.text import mixed_with_uniform

LOGITS = torch.randn(5, 7, generator=torch.Generator().manual_seed(0)).double() * 4


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_it_is_the_mixture_of_the_model_and_the_uniform_distribution(share):
    expected = share * LOGITS.softmax(-1) + (1 - share) / 7
    torch.testing.assert_close(mixed_with_uniform(LOGITS, share).exp(), expected)


def test_it_is_no_temperature():
    tempered = (0.3 * LOGITS).log_softmax(-1)
    assert float((mixed_with_uniform(LOGITS, 0.3) - tempered).abs().max()) > 0.1


def test_no_token_is_less_likely_than_the_uniform_share():
    sure = torch.tensor([1000.0, 0.0])
    assert mixed_with_uniform(sure, 0.9)[1].item() == pytest.approx(math.log(0.05))


def test_a_share_beyond_one_is_refused():
    with pytest.raises(ConfigurationError, match=r"\[0, 1\]"):
        mixed_with_uniform(LOGITS, 1.1)
