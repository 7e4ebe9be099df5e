"""Worlds that tests share: trained once a machine (cached by content), loaded once a session."""

from __future__ import annotations

import pytest
import torch
from hypothesis import settings

from lethe.problem import Problem
from lethe.worlds.digits import Digits

torch.set_num_threads(1)
# Same examples every time, and no deadline on a busy machine.
settings.register_profile("lethe", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("lethe")


@pytest.fixture(scope="session")
def mislabelled() -> Problem:
    """Digits of which a tenth carries a wrong label that the original memorised; three gold models."""
    return Digits("mislabelled").problem()


@pytest.fixture(scope="session")
def whole_class() -> Problem:
    """Digits of which one class is to be forgotten; three gold models."""
    return Digits("class").problem()


@pytest.fixture(scope="session")
def random_subset() -> Problem:
    """Digits of which a random tenth is to be forgotten; three gold models."""
    return Digits("random").problem()
