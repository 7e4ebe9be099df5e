"""Prompts of a benchmark's own: each is forwarded once, and what comes back is what the model says."""

from __future__ import annotations

import pytest
import torch

from lethe.auditing.measure import Measurements
from lethe.benchmarks.asking import Wanted, continuing, heard, opened, paired
from lethe.errors import InputError
from lethe.run import Run
from lethe.sources import load_language_model
from lethe.sources.language import LanguageModel
from lethe.tasks import CausalLM
from tests.benchmarks.reader import write_reader

TEXTS = ("the old town by the river", "a new house on the hill", "the old town by the river")


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return load_language_model(str(write_reader(tmp_path_factory.mktemp("reader"), TEXTS, context=64, tokens=300)))


@pytest.fixture(scope="module")
def task(loaded: LanguageModel) -> CausalLM:
    return CausalLM(tokenizer=loaded.tokenizer, context=64)


def test_equal_pairs_are_measured_once_and_found_again(loaded: LanguageModel, task: CausalLM) -> None:
    said = [continuing(f" {text}", task) for text in TEXTS]
    sets = {"texts": paired(task, "texts", [opened("Q", "A:", task)] * 3, said, number=[1, 2, 3])}
    run, known = Run(), Measurements()
    first = heard(loaded.network, task, sets, {"texts": Wanted(log=True, new_tokens=5)}, run, known)["texts"]
    assert run.cost.examples == 2
    again = heard(loaded.network, task, sets, {"texts": Wanted(log=True, new_tokens=5)}, run, known)["texts"]
    assert run.cost.examples == 2
    assert torch.equal(first.tokens.log_probs, again.tokens.log_probs)
    assert first.said == again.said
    assert len(set(first.said)) == 1  # one prompt


def test_likelihoods_are_the_models_own(loaded: LanguageModel, task: CausalLM) -> None:
    given, said = opened("Q", "A:", task), continuing(" the old town", task)
    sets = {"one": paired(task, "one", [given], [said]), "whole": paired(task, "whole", [()], [[*given, *said]])}
    found = heard(
        loaded.network, task, sets, dict.fromkeys(sets, Wanted(log=True, moments=True)), Run(), Measurements()
    )
    with torch.no_grad():
        log_p = loaded.network(input_ids=torch.tensor([[*given, *said]]))["logits"][0].log_softmax(-1).double()
    expected = [float(log_p[i, token]) for i, token in enumerate([*given, *said][1:])]
    assert found["whole"].tokens.log_probs.tolist() == pytest.approx(expected, abs=1e-5)
    assert found["one"].tokens.log_probs.tolist() == pytest.approx(expected[-len(said) :], abs=1e-5)
    assert found["one"].tokens.std is not None


def test_only_what_is_wanted_is_measured(loaded: LanguageModel, task: CausalLM) -> None:
    sets = {"one": paired(task, "one", [opened("Q", "", task)], [continuing(" a", task)])}
    run = Run()
    found = heard(loaded.network, task, sets, {"one": Wanted(new_tokens=3)}, run, Measurements())["one"]
    assert found.log is None
    assert len(found.said) == 1
    assert run.cost.examples == 0


def test_what_does_not_fit_is_named(task: CausalLM) -> None:
    with pytest.raises(InputError, match="long-1 has 65 tokens, but the model reads 64"):
        paired(task, "long", [[1], [1] * 64], [[2], [2]])
    with pytest.raises(InputError, match="short-0 has no token in its answer"):
        paired(task, "short", [[1]], [[]])
