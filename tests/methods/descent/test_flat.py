"""FLAT, card 044: probabilities of template and forget answer, in either order, from the forget set alone."""

from __future__ import annotations

import dataclasses
import math
from typing import get_args

import pytest
import torch

from lethe import losses
from lethe.api import unlearn
from lethe.errors import ConfigurationError
from lethe.examples import Examples, concatenate
from lethe.methods.descent.flat import FLAT, Divergence
from lethe.methods.descent.grad_diff import GradDiff
from lethe.methods.descent.refusals import REFUSALS
from lethe.methods.descent.refusing import REFUSAL
from lethe.models import same_weights
from lethe.run import Run
from lethe.segments import mean_by_row
from lethe.testing.language import tiny_llama
from lethe.worlds.base import fit
from lethe.worlds.cache import cached_model
from tests.methods.descent.well_known import BY_HEART, draw_of, gradient, nll, shaken, well_known_problem

STEPS = {"epochs": 30, "batch_size": 4, "learning_rate": 1e-3, "warmup_epochs": 0.0, "schedule": "constant"}


@pytest.fixture(scope="module")
def problem():
    return well_known_problem()


@pytest.fixture(scope="module")
def declining():
    """A problem whose model declines to speak of people it does not know: it has a way to say so."""
    known = well_known_problem()
    task, strangers = known.task, known.holdout
    rows = [task.answering(strangers, REFUSALS[i : i + len(strangers)]) for i in (0, 50)]
    declined = concatenate(*(Examples(tuple(f"{i}-{k}" for i in one.ids), one.columns) for k, one in enumerate(rows)))
    whole = concatenate(concatenate(known.kept, declined), known.forget)
    recipe = {"world": "declining", "data": whole.fingerprint, "training": dataclasses.asdict(BY_HEART)}

    def untrained():
        return tiny_llama(len(task.tokenizer), 0)

    model, _ = cached_model(recipe, untrained, lambda: fit(untrained(), task, whole, BY_HEART, 0))
    return dataclasses.replace(known, model=model, holdout=None)


def probability(problem, model, examples):
    """Mean token probability of each answer, one example at a time."""
    found = []
    for tokens, length, first in zip(examples["tokens"], examples["length"], examples["answer_from"], strict=True):
        whole = tokens[: int(length)].long()
        p = model(input_ids=whole.unsqueeze(0))["logits"][0].softmax(-1)
        found.append(p[int(first) - 1 : -1].gather(1, whole[int(first) :].unsqueeze(1)).mean())
    return torch.stack(found)


def test_every_divergence_can_be_chosen():
    assert set(get_args(Divergence)) == set(losses.F_DIVERGENCES)


@pytest.mark.parametrize("divergence", sorted(losses.F_DIVERGENCES))
def test_the_means_over_the_batch_come_before_the_curves_or_after_them(problem, divergence):
    moved = shaken(problem.model)
    row = losses.F_DIVERGENCES[divergence]
    with torch.no_grad():
        values = {}
        for order in ("batch", "sample"):
            method = FLAT(divergence=divergence, order=order)
            draw = draw_of(problem, method)
            values[order] = method.objective(problem, Run())(moved, draw)["forget"]
        template = probability(problem, moved, method.substitutes(problem, Run(), 0)[REFUSAL])
        forget = probability(problem, moved, problem.forget)
        batch = row.conjugate(row.activation(forget.mean())) - row.activation(template.mean())
        sample = row.conjugate(row.activation(forget)) - row.activation(template)
    torch.testing.assert_close(values["batch"], batch, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(values["sample"], sample, rtol=1e-4, atol=1e-5)


def test_the_official_mean_counts_prompt_and_padding_as_zeros(problem):
    with torch.no_grad():
        draw = draw_of(problem, FLAT())
        paper = FLAT().probability(problem.model, problem.task, draw.forget)
        official = FLAT(official_mean=True, padded_length=500).probability(problem.model, problem.task, draw.forget)
    torch.testing.assert_close(official, paper * problem.task.answer_lengths(draw.forget) / 499)


def test_equal_answers_have_no_gradient_under_total_variation(problem):
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Same(FLAT):
        """The forget answer stands for the template."""

        def substitutes(self, problem, run, epoch):
            return {REFUSAL: problem.forget}

    for order in ("batch", "sample"):
        method = Same(order=order)
        value = method.objective(problem, Run())(problem.model, draw_of(problem, method))["forget"].mean()
        assert float(value.detach()) == 0
        assert float(gradient(problem.model, value).abs().max()) == 0
        still = unlearn(problem, Same(order=order, weight_decay=0.0, **STEPS | {"epochs": 2})).model
        assert same_weights(still, problem.model)


def test_pearson_descends_the_forget_answer_by_one_plus_half_its_probability(problem):
    method = FLAT(divergence="pearson")
    draw = draw_of(problem, method)
    value = method.objective(problem, Run())(problem.model, draw)["forget"]
    task = problem.task
    v_e, v_f = (
        mean_by_row(
            losses.token_log_probs(task.outputs(problem.model, b), task.targets(b)).exp(), task.rows(b), len(b)
        ).mean()
        for b in (draw.substitutes[REFUSAL], draw.forget)
    )
    expected = (1 + float(v_f.detach()) / 2) * gradient(problem.model, v_f) - gradient(problem.model, v_e)
    found = gradient(problem.model, value)
    assert float((found - expected).norm() / expected.norm()) < 1e-5


@pytest.mark.parametrize("divergence", ["total_variation", "kl"])
def test_the_template_takes_the_place_of_the_answer_at_less_harm_than_as_many_steps_of_ascent(declining, divergence):
    template = declining.task.answering(declining.forget, ["I do not know that."] * len(declining.forget))
    tokens = 7

    def known(model):
        with torch.no_grad():
            return float(probability(declining, model, declining.forget).mean())

    def gain(model):
        return tokens * (nll(declining, declining.model, template) - nll(declining, model, template))

    steps = {**STEPS, "epochs": 80, "learning_rate": 1e-4}
    flat = unlearn(declining, FLAT(divergence=divergence, **steps)).model
    ascent = unlearn(declining, GradDiff(retain="none", **steps)).model
    assert known(declining.model) > 0.95
    assert known(flat) < 0.3 * known(declining.model)
    assert gain(flat) > math.log(10)
    assert gain(flat) > 2 * gain(ascent)
    assert nll(declining, flat, declining.kept) < 0.8 * nll(declining, ascent, declining.kept)


def test_it_reads_no_retain_set_and_no_other_model_and_is_not_cut(problem):
    method = FLAT(**STEPS | {"epochs": 2})
    assert method.requirements() == frozenset()
    alone = dataclasses.replace(problem, retain=None, holdout=None)
    asked = []
    handle = alone.model.register_forward_pre_hook(lambda model, _: asked.append(model is alone.model))
    try:
        assert same_weights(unlearn(alone, method).model, unlearn(problem, method).model)
    finally:
        handle.remove()
    assert len(asked) > 0
    assert not any(asked)
    with pytest.raises(ConfigurationError, match="micro_batch"):
        FLAT(micro_batch=2).check()
