from __future__ import annotations

import dataclasses

from lethe import models
from lethe.auditing import Audit
from lethe.auditing.metrics.likelihood_ratio import ULiRA
from lethe.auditing.retraining import with_shadows
from lethe.run import Run
from lethe.testing import tiny_problem


def test_shadow_models_are_trained_on_everything_and_are_not_the_original() -> None:
    problem = tiny_problem()
    shadows = with_shadows((), problem, 2, Run())
    hashes = {models.fingerprint(model) for model in (*shadows, problem.model, *problem.gold)}
    assert len(hashes) == 5
    # Wrong labels are known to none but those who saw them.
    assert problem.retrain is not None
    given = Audit(metrics=(ULiRA(),), attacks=(), shadows=2, resamples=0)(problem, problem.model)
    assert given.entry("u_lira").value > 0.9
    assert max(given.entry("u_lira").gold, default=0.0) < 0.5


def test_those_given_are_taken_and_none_are_had_where_nothing_can_be_retrained() -> None:
    problem = tiny_problem()
    assert with_shadows((problem.model,), problem, 2, Run()) == (problem.model,)
    assert with_shadows((), dataclasses.replace(problem, retrain=None), 2, Run()) == ()
    assert with_shadows((), problem, 0, Run()) == ()
