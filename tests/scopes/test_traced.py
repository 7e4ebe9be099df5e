"""Causal tracing and the layers it chooses, card 079."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lethe import testing
from lethe.api import unlearn
from lethe.errors import ConfigurationError, InputError
from lethe.measuring import evaluation
from lethe.methods.descent.grad_diff import GradDiff
from lethe.problem import Problem
from lethe.run import Run
from lethe.scopes import Blocks, TracedLayers
from lethe.scopes.tracing import Tracing, facts
from lethe.testing.language import tiny_language_problem
from tests.domains import Domains, known

TRACING = Tracing(samples=4, window=1)


@pytest.fixture(scope="module")
def problem() -> Problem:
    return Domains().problem(gold=())


@pytest.fixture(scope="module")
def fact(problem):
    return next(iter(facts(problem.model, problem.task, problem.forget, "subject", Run()).values()))


def everywhere(problem, fact):
    return [(block, place) for block in range(3) for place in range(len(fact.tokens))]


def test_a_fact_is_a_prompt_with_its_subject_and_the_answer_that_follows(problem):
    found = facts(problem.model, problem.task, problem.forget, "subject", Run())
    assert found.keys() == set(problem.forget.ids)  # the model knows all of them
    tokenizer = problem.task.tokenizer
    for row, name in enumerate(problem.forget.ids):
        # <bos> secret of key is | value <eos>
        assert found[name].subject == (3,)
        assert tokenizer.decode([int(found[name].tokens[3])]) == problem.forget["subject"][row]
        assert tokenizer.decode([found[name].answer]) == problem.forget["answer"][row]
        assert len(found[name].tokens) == 5


def test_wrong_answers_are_not_traced(problem):
    wrong = ["red" if answer != "red" else "blue" for answer in problem.forget["answer"]]
    others = problem.task.answering(problem.forget, wrong)
    with pytest.raises(InputError, match="no forget example can be traced"):
        facts(problem.model, problem.task, others, "subject", Run())
    with pytest.raises(InputError, match="no column 'subject'"):
        facts(problem.model, problem.task, tiny_language_problem().forget, "subject", Run())


def test_putting_everything_back_gives_the_clean_probability_and_nothing_the_corrupted_one(problem, fact):
    with evaluation(problem.model):
        logits = problem.model(input_ids=fact.tokens.unsqueeze(0))["logits"][0, -1]
    clean = float(logits.softmax(-1)[fact.answer])

    def probability(restored, kind="hidden"):
        generator = torch.Generator().manual_seed(0)
        return float(TRACING.probabilities(problem.model, problem.task, fact, restored, kind, generator))

    assert probability(everywhere(problem, fact)) == pytest.approx(clean, rel=1e-5)
    corrupted = probability([])
    assert corrupted < clean - 0.3
    assert probability([(2, len(fact.tokens) - 1)]) == pytest.approx(clean, rel=1e-5)  # the last state says it all
    assert probability([(2, 0)]) == pytest.approx(corrupted, rel=1e-4)  # the last block's other states say nothing


def test_effects_are_the_gains_of_single_places_over_the_corrupted_run(problem, fact):
    last = len(fact.tokens) - 1
    found = TRACING.effects(problem.model, problem.task, fact, (3, last), "hidden", Run(), "one")
    assert found.shape == (3, 2)

    def probability(restored):
        generator = Run().generator("tracing", "one")
        return TRACING.probabilities(problem.model, problem.task, fact, restored, "hidden", generator)

    torch.testing.assert_close(found[1, 0], probability([(1, 3)]) - probability([]))
    full = probability(everywhere(problem, fact)) - probability([])
    assert float(found[2, 1]) == pytest.approx(float(full), rel=1e-4)  # last block, last token: full recovery


def test_mlp_outputs_are_put_back_in_a_window_that_ends_with_the_model(problem, fact):
    def around(window, block, kind="mlp"):
        return list(Tracing(window=window).around(block, 8, kind))

    assert around(1, 3) == [3]
    assert around(4, 4) == [2, 3, 4, 5]
    assert around(4, 0) == [0, 1]
    assert around(10, 7) == [2, 3, 4, 5, 6, 7]
    assert around(10, 5, "hidden") == [5]


def test_the_mlps_of_the_blocks_with_the_largest_effects_may_move(problem):
    scope = TracedLayers(count=1, samples=4, window=1)
    effects = scope.effects(problem, Run())
    best = int(effects.argmax())
    assert scope.choose(problem, Run()) == (best,)
    allowed = scope.mask(problem, Run()).allowed
    assert {name for name, flag in allowed.items() if flag} == {
        f"model.layers.{best}.mlp.{part}_proj.weight" for part in ("gate", "up", "down")
    }
    named = TracedLayers(layers=(0, 2), kind="self_attn").mask(problem, Run()).allowed
    assert named == Blocks(layers=(0, 2), modules=("self_attn",)).mask(problem, Run()).allowed
    testing.check_scope(scope, problem)


def test_what_is_not_there_is_refused(problem):
    with pytest.raises(ConfigurationError, match="there is no block 3: the model has the blocks 0 to 2"):
        TracedLayers(layers=(3,)).mask(problem, Run())
    with pytest.raises(ConfigurationError, match="block 0 has no module 'ffn'; it has"):
        Blocks(modules=("ffn",)).mask(problem, Run())


def test_the_traced_layer_alone_forgets_and_retains_more_than_the_last(problem):
    best = TracedLayers(count=1, samples=4, window=1).choose(problem, Run())[0]
    assert best != 2

    def retained(layer: int) -> tuple[float, float]:
        """Forget accuracy, and retain accuracy, once the forget accuracy is 10 % or less."""
        trace = []

        def watch(model):
            trace.append((known(problem, model), known(problem, model, problem.retain)))
            return {}

        method = GradDiff(
            epochs=60, batch_size=16, learning_rate=3e-3, warmup_epochs=0.0, schedule="constant",
            scope=TracedLayers(layers=(layer,)),
        )  # fmt: skip
        unlearn(problem, method, watch=watch, watch_every=1)
        return next((pair for pair in trace if pair[0] <= 0.1), (1.0, 0.0))

    traced, last = retained(best), retained(2)
    assert traced[0] <= 0.1
    assert traced[1] >= last[1] + 0.05


def test_the_subject_is_found_where_it_is_last_named():
    problem = Domains().problem(gold=())
    prompts = ["key1 of key1 of key1"]
    twice = problem.task.examples(["twice"], prompts, ["red"], subject=np.array(["key1"], dtype=object))
    from lethe.scopes.tracing import subject_places

    tokens = twice.tensor("tokens")[0, : int(twice.tensor("answer_from")[0])].tolist()
    assert subject_places("key1", tokens, problem.task) == (5,)
