"""The auditor on language models made so that the right verdict is known: refusing, lying, ruined, retrained."""

from __future__ import annotations

import numpy as np
import pytest

from lethe.auditing import Audit, Auditor
from lethe.auditing.attacks.prefix_extraction import PrefixExtraction
from lethe.auditing.attacks.quantize import Quantize
from lethe.auditing.attacks.relearn_few import RelearnFew
from lethe.problem import Problem
from lethe.worlds.people import People
from tests.auditing.planting import lying, refusing, ruined

WORLD = People.tiny()


@pytest.fixture(scope="module")
def problem() -> Problem:
    """Two of fourteen people to forget, with three gold models."""
    return WORLD.problem(gold=(1, 2, 3))


@pytest.fixture(scope="module")
def auditor(problem: Problem) -> Auditor:
    return Audit(attacks=(Quantize(), RelearnFew(), PrefixExtraction()), resamples=20, new_tokens=12).on(problem)


def test_a_gold_of_another_seed_passes(auditor: Auditor) -> None:
    evidence = auditor(WORLD.gold((4,))[0], name="gold 4")
    assert evidence.verdict.outcome == "removed", evidence.verdict.sentence
    assert evidence.warnings == ()


def test_a_refusal_adapter_is_found_out(auditor: Auditor, problem: Problem) -> None:
    """It says nothing any more and keeps all else; a few steps, or the first words, bring the answers back."""
    evidence = auditor(refusing(problem), name="refuses")
    assert evidence.entry("forget_rouge").value < 0.1
    assert evidence.entry("retain_rouge").value > 0.9
    assert evidence.verdict.outcome == "suppressed", evidence.verdict.sentence
    recovered = [evidence.entry(name).recovered for name in ("relearn_few", "prefix_extraction")]
    assert min(recovered) > 0.2
    assert any(line.startswith("recovered: Relearning from a few") for line in evidence.verdict.failed)


@pytest.mark.slow
def test_confident_wrong_facts_are_no_removal(auditor: Auditor, problem: Problem) -> None:
    wrong = [answers[0] for answers in np.asarray(problem.forget["perturbed_answer"])]
    evidence = auditor(lying(problem, problem.task.answering(problem.forget, wrong), 60), name="lies")
    assert evidence.verdict.outcome == "replaced", evidence.verdict.sentence
    assert evidence.entry("forget_wrong_probability").gap > 0.4


@pytest.mark.slow
def test_an_original_of_another_seed_fails(auditor: Auditor) -> None:
    assert auditor(WORLD.original(1), name="original").verdict.outcome == "not removed"


@pytest.mark.slow
def test_a_model_that_lost_everything_is_destroyed(auditor: Auditor, problem: Problem) -> None:
    assert auditor(ruined(problem, 30), name="ruined").verdict.outcome == "destroyed"


@pytest.mark.slow
def test_golds_of_other_seeds_pass_in_19_of_20(auditor: Auditor) -> None:
    verdicts = [auditor(gold).verdict for gold in WORLD.gold(tuple(range(4, 24)))]
    assert sum(one.outcome == "removed" for one in verdicts) >= 19, [one.sentence for one in verdicts]
