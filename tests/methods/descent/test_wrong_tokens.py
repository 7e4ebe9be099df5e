"""Random and adversarial labels, card 065: which tokens they are, that they stand in their places, and what they do."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from lethe.api import unlearn
from lethe.methods.baselines.finetune import FineTune
from lethe.methods.descent.wrong_tokens import WrongTokens, adversarial_tokens, answer_positions, random_tokens
from lethe.run import Run
from lethe.text import memorization_accuracies
from tests.methods.descent.sequences import sequences_problem
from tests.methods.descent.well_known import draw_of, shaken, well_known_problem

STEPS = {"epochs": 20, "learning_rate": 1e-3, "warmup_epochs": 0.0, "schedule": "constant"}


@pytest.fixture(scope="module")
def problem():
    return well_known_problem()


def said(problem):
    return answer_positions(problem.forget.batch(torch.arange(len(problem.forget))))


def test_random_tokens_come_from_the_whole_vocabulary_and_leave_special_ones_alone(problem):
    task = problem.task
    true = problem.forget["tokens"]
    wrong = random_tokens(task, problem.forget, torch.Generator().manual_seed(0))
    special = torch.isin(true, torch.tensor(task.tokenizer.all_special_ids, dtype=true.dtype))
    assert bool((special & said(problem)).any())
    assert torch.equal(wrong[special], true[special])
    many = torch.cat([random_tokens(task, problem.kept, torch.Generator().manual_seed(i))[:, 1] for i in range(30)])
    assert set(many.tolist()) == set(range(len(task.tokenizer)))
    assert not torch.equal(wrong, random_tokens(task, problem.forget, torch.Generator().manual_seed(1)))


def test_adversarial_tokens_are_the_originals_likeliest_but_the_truth_at_the_same_position(problem):
    moved = shaken(problem.model, 0.05)
    found = adversarial_tokens(moved, problem.task, problem.forget, Run())
    argmax_right = 0
    for row, (tokens, length, first) in enumerate(
        zip(problem.forget["tokens"], problem.forget["length"], problem.forget["answer_from"], strict=True)
    ):
        with torch.no_grad():
            logits = moved(input_ids=tokens[: int(length)].long().unsqueeze(0))["logits"][0]
        for place in range(int(first), int(length)):
            true, likeliest = int(tokens[place]), int(logits[place - 1].argmax())
            argmax_right += likeliest == true
            others = logits[place - 1].clone()
            others[true] = -torch.inf
            assert int(found[row, place]) == int(others.argmax()) != true
    assert 0 < argmax_right < int(said(problem).sum())
    assert torch.equal(found[~said(problem)], problem.forget["tokens"][~said(problem)])


def test_no_row_of_the_head_beyond_the_tokenizer_is_taught():
    problem = well_known_problem()
    size = len(problem.task.tokenizer)
    problem.model.resize_token_embeddings(size + 8, mean_resizing=False)
    with torch.no_grad():
        problem.model.get_output_embeddings().weight[size:] = 100 * torch.ones(8, 32)
        problem.model.get_output_embeddings().weight[size + 1 :: 2] *= -1
    with torch.no_grad():
        logits = problem.task.outputs(problem.model, problem.forget.batch(torch.arange(4)))
    assert bool((logits.argmax(-1) >= size).any())
    found = adversarial_tokens(problem.model, problem.task, problem.forget, Run())
    assert int(found.max()) < size


@pytest.mark.parametrize("tokens", ["random", "adversarial"])
def test_the_loss_is_the_mean_cross_entropy_to_the_wrong_tokens_after_the_true_text(problem, tokens):
    moved, task = shaken(problem.model), problem.task
    method = WrongTokens(tokens=tokens)
    draw = draw_of(problem, method)
    if tokens == "random":
        wrong = random_tokens(task, problem.forget, Run().generator("wrong tokens"))
    else:
        wrong = adversarial_tokens(problem.model, task, problem.forget, Run())
    with torch.no_grad():
        value = method.objective(problem, Run())(moved, draw)["forget"].mean()
        expected = F.cross_entropy(task.outputs(moved, draw.forget), wrong[said(problem)].long())
    torch.testing.assert_close(value, expected)


@pytest.mark.parametrize("tokens", ["random", "adversarial"])
def test_it_unlearns_sequences_known_by_heart_and_fine_tuning_on_others_does_not(tokens):
    problem = sequences_problem()

    def accuracy(model):
        return float(memorization_accuracies(model, problem.task, problem.forget, Run()).mean())

    assert accuracy(problem.model) > 0.95
    assert accuracy(unlearn(problem, WrongTokens(tokens=tokens, **STEPS)).model) < 0.6
    tuned = unlearn(problem, FineTune(epochs=6, batch_size=32, learning_rate=1e-3, optimizer="adamw")).model
    assert accuracy(tuned) > 0.9
