"""A gold model of another seed passes, in at least 19 of 20 seeds."""

from __future__ import annotations

from typing import Literal

import pytest

from lethe.auditing import Audit
from lethe.worlds.digits import Digits


@pytest.mark.slow
@pytest.mark.parametrize("forgotten", ["mislabelled", "class"])
def test_nineteen_of_twenty_gold_models_have_removed_it(forgotten: Literal["mislabelled", "class"]) -> None:
    world = Digits(forgotten)
    originals = [world.original(seed) for seed in (1, 2)]
    auditor = Audit(attacks=(), resamples=20).on(world.problem(), originals=originals)
    outcomes = [auditor(world.gold((seed,))[0]).verdict.outcome for seed in range(4, 24)]
    assert outcomes.count("removed") >= 19, outcomes
