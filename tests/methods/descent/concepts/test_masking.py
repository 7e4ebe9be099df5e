from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from lethe import unlearn
from lethe.errors import ConfigurationError, InputError
from lethe.methods.baselines.finetune import FineTune
from lethe.methods.descent.concepts.masking import ConceptMasking
from lethe.methods.descent.concepts.words import masked, present
from lethe.models import same_weights
from lethe.run import Run
from lethe.scopes import LoRA
from lethe.testing.language import NAMES, TOWNS
from lethe.text.integrated_gradients import token_attribution
from tests.methods.descent.concepts.told import FILLERS, told_problem
from tests.methods.descent.well_known import nll, well_known_problem

METHOD = ConceptMasking(
    answers="given", entity="person", count=1, epochs=15, learning_rate=1e-2, warmup_epochs=0.0, scope=LoRA(rank=4)
)
ENTITIES = [word.lower() for word in (*NAMES, *TOWNS)]


def attributions(rule: str = "gausslegendre"):
    """Of each answer to forget: its words with their scores, and how far these are from adding up."""
    problem = told_problem()
    task = problem.task
    for prompt, answer in zip(problem.forget["prompt"], problem.forget["answer"], strict=True):
        tokens = list(task.template.said(answer, task.tokenizer))
        found = token_attribution(
            problem.model, task.template.given(prompt, task.tokenizer), tokens, pad=0, device=torch.device("cpu"),
            rule=rule,
        )  # fmt: skip
        yield [task.tokenizer.decode([token]) for token in tokens], found.scores.tolist(), found.error


def test_the_scores_add_up_to_what_the_answer_gains():
    assert max(error for _, _, error in attributions()) < 0.05
    assert max(error for _, _, error in attributions("riemann_trapezoid")) < 0.1


def test_entities_carry_more_than_words_that_say_nothing():
    told, rest = [], []
    for words, scores, _ in attributions():
        for word, score in zip(words, scores, strict=True):
            (told if word in NAMES else rest if word in FILLERS else []).append(score)
    assert len(told) == len(told_problem().forget)
    assert np.mean(told) > 2 * np.mean(rest)


def appearing(texts) -> int:
    return sum(len(present(text, ENTITIES)) for text in texts)


def test_masks_that_are_aimed_leave_fewer_entities_than_as_many_at_random():
    problem = told_problem()
    aimed = dataclasses.replace(METHOD, entity="").masked(problem, Run())["answer"]
    blind = dataclasses.replace(METHOD, entity="", words="random").masked(problem, Run())["answer"]
    whole = appearing(problem.forget["answer"])
    assert appearing(aimed) == whole / 2  # the name is gone from each
    assert appearing(aimed) < appearing(blind)
    assert all(text.count("***") >= 1 for text in [*aimed, *blind])


def test_after_training_nobody_asked_about_is_named_and_the_others_still_are():
    problem = well_known_problem()
    method = dataclasses.replace(METHOD, entity="", answers="own", count=5, new_tokens=8)

    def said(model, examples):
        return ConceptMasking(new_tokens=8)._said(
            dataclasses.replace(problem, model=model, forget=examples), problem.task, Run()
        )

    assert appearing(said(problem.model, problem.forget)) >= len(problem.forget)
    model = unlearn(problem, method).model
    assert appearing(said(model, problem.forget)) == 0
    assert nll(problem, model, problem.forget) > nll(problem, problem.model, problem.forget) + 0.8
    kept = said(problem.model, problem.retain)
    same = sum(a == b for a, b in zip(said(model, problem.retain), kept, strict=True))
    assert same >= 0.8 * len(kept)
    tuned = unlearn(problem, FineTune(epochs=3, learning_rate=1e-3, optimizer="adamw")).model
    assert appearing(said(tuned, problem.forget)) >= len(problem.forget) - 1


def test_only_the_adapter_changes():
    problem = told_problem()
    model = unlearn(problem, dataclasses.replace(METHOD, epochs=1)).model
    before = dict(problem.model.named_parameters())
    own = {name: value for name, value in model.named_parameters() if "lora" not in name}
    assert any("lora_B" in name and bool(value.any()) for name, value in model.named_parameters())
    assert all(torch.equal(value, before[name.replace(".base_layer", "")]) for name, value in own.items())
    assert not same_weights(model, problem.model)


def test_what_the_model_says_itself_is_masked():
    problem = told_problem()
    said = ConceptMasking(entity="person", new_tokens=6)._said(problem, problem.task, Run())
    assert len(set(said)) == 1  # they are all asked the same
    made = dataclasses.replace(METHOD, answers="own", entity="", new_tokens=6).masked(problem, Run())
    assert list(made["prompt"]) == list(problem.forget["prompt"])
    assert all("***" in text for text in made["answer"])
    assert list(made["answer"]) != said


def test_masks_are_whole_words_and_the_longest_go_first():
    assert masked("Ann and Anna met ANN.", ["ann", "anna"]) == "*** and *** met ***."
    assert present("Osk, not Oskar", ["oskar", "osk", "os"]) == ["oskar", "osk"]


def test_bad_input_gets_one_line():
    problem = told_problem()
    with pytest.raises(ConfigurationError, match="no column 'persn' of entities; did you mean 'person'"):
        unlearn(problem, dataclasses.replace(METHOD, entity="persn"))
    with pytest.raises(ConfigurationError, match="steps at least 2"):
        unlearn(problem, dataclasses.replace(METHOD, steps=1))
    silent = problem.task.answering(problem.forget, ["is a"] * len(problem.forget))
    with pytest.raises(InputError, match="no word of the model's answers could be masked"):
        unlearn(dataclasses.replace(problem, forget=silent), METHOD)
