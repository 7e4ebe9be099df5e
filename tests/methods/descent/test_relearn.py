"""ReLearn: vague answers in place of the true ones, nothing of the truth in them, and language as it was."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
import torch

from lethe.api import unlearn
from lethe.errors import ConfigurationError, InputError
from lethe.feeds import draw
from lethe.generation import greedy
from lethe.generators import Asked, TemplateWriter
from lethe.generators.templates import telling, words
from lethe.measuring import evaluation
from lethe.methods.descent.relearn import TRUTH, ReLearn, completion
from lethe.problem import Problem
from lethe.run import Run
from lethe.scopes import All, LoRA
from lethe.testing.language import tiny_language_task, tiny_llama
from lethe.worlds.people import People
from tests.methods.descent.test_whp import Ascent

CPU = torch.device("cpu")
VAGUE = ("that is not known.", "it is not told.")
WRITER = TemplateWriter(vague_answers=VAGUE)


@pytest.fixture(scope="module")
def small() -> Problem:
    """An untrained model and two facts: enough for everything but forgetting itself."""
    task = tiny_language_task()
    forget = task.examples(["a", "b"], ["Where does Ada live?", "What is Bo?"], ["Ada lives in Osk.", "Bo is a smith."])
    retain = task.examples(["c"], ["What is Cleo?"], ["Cleo is a baker."])
    return Problem(model=tiny_llama(len(task.tokenizer), 0), task=task, forget=forget, retain=retain)


@dataclass(frozen=True)
class Leaking(TemplateWriter):
    """Gives the true answer away as often as it is told to, then answers vaguely."""

    asked: list[str] = dataclasses.field(default_factory=list, compare=False)
    leaks: int = 2

    def vague(self, asked: Sequence[Asked], generator: torch.Generator) -> list[str]:
        """Return the truth for the first calls about a question."""
        made = []
        for one in asked:
            seen = self.asked.count(one.question)
            self.asked.append(one.question)
            made.append(f"Well, {one.answer}" if seen < self.leaks else "Nobody knows.")
        return made


def test_the_new_answers_are_vague_and_the_original_pairs_are_gone(small):
    made = ReLearn(generator=WRITER).augmented(small, Run())
    kinds = {name.split("/", 1)[1] for name in made.ids}
    plain = {"plain", "rephrased", "specific", "noisy", "reversed"}
    assert kinds == plain | {f"{kind}/completion" for kind in plain}
    assert len(made) == 2 * 10
    facts = dict(zip(small.forget.ids, small.forget["answer"], strict=True))
    for name, answer, truth in zip(made.ids, made["answer"], made[TRUTH], strict=True):
        asked = Asked("", facts[name.split("/")[0]])
        assert not telling(asked) & words(answer)
        assert truth == ("" if name.endswith("completion") else asked.answer)
    assert set(ReLearn(generator=WRITER, keep_original=True).augmented(small, Run()).ids) - set(made.ids) == {
        "a/original", "b/original"
    }  # fmt: skip


def test_answers_that_leak_are_written_anew_three_times_at_most(small):
    one = {"variations": False, "completions": False}
    patient = ReLearn(generator=Leaking(leaks=3), **one).augmented(small, Run())
    assert list(patient["answer"]) == ["Nobody knows."] * 2
    with pytest.raises(ConfigurationError, match="no answer that tells nothing"):
        ReLearn(generator=Leaking(leaks=4), **one).augmented(small, Run())


def test_completions_are_the_first_quarter_and_the_rest():
    assert completion(("x", "q", "a b c d e f g h", "t")) == ("x/completion", "a b", "c d e f g h", "")
    assert completion(("x", "q", "a b c", "t")) == ("x/completion", "a", "b c", "")
    assert completion(("x", "q", "a", "t")) is None


def test_general_questions_are_mixed_in(small, tmp_path):
    file = tmp_path / "general.jsonl"
    file.write_text("\n".join(f'{{"question": "What is {n}?", "answer": "Gus is a baker."}}' for n in range(50)))
    method = ReLearn(generator=WRITER, generic=str(file), variations=False)
    made = method.augmented(small, Run())
    assert sum(name.startswith("generic/") for name in made.ids) == round(1.2 * 4)
    file.write_text('{"question": "What?"}')
    with pytest.raises(InputError, match="line 1"):
        method.augmented(small, Run())


def _terms(problem: Problem, method: ReLearn):
    told = dataclasses.replace(problem, forget=method.augmented(problem, Run()))
    drawn = draw(told, (torch.tensor([0, 1]), torch.tensor([0])), 0, 0, CPU)
    other = method.substitutes(told, Run(), 0)
    held = {name: told.task.prepare(examples.batch(torch.tensor([0, 1]))) for name, examples in other.items()}
    return told, dataclasses.replace(drawn, substitutes=held), method.objective(told, Run())


def test_the_objective_is_two_losses_and_a_divergence(small):
    told, drawn, objective = _terms(small, ReLearn(generator=WRITER, divergence_weight=0.5))
    moved = tiny_llama(len(small.task.tokenizer), 1)
    values = {name: float(value.detach().mean()) for name, value in objective(moved, drawn).items()}
    task, batch = small.task, told.kept.batch(torch.tensor([0]))
    with torch.no_grad():
        before, after = (task.outputs(m, batch).double().log_softmax(-1) for m in (small.model, moved))
        said = task.token_losses_from(task.outputs(moved, drawn.forget).double(), drawn.forget).mean()
    assert values["forget"] == pytest.approx(float(said), rel=1e-5)
    assert values["retain"] == pytest.approx(float(task.token_losses_from(after, batch).mean()), rel=1e-5)
    assert values["retain_divergence"] == pytest.approx(
        0.5 * float((before.exp() * (before - after)).sum(-1).mean()), rel=1e-4
    )


def test_dpo_prefers_the_vague_answer_by_mean_token_losses(small):
    method = ReLearn(generator=WRITER, objective_kind="dpo", divergence_weight=0.0, retain="none", beta=0.1)
    told, drawn, objective = _terms(small, method)
    assert objective(small.model, drawn)["forget"].tolist() == pytest.approx([2 / 0.1 * 0.6931472] * 2, rel=1e-5)
    moved, task = tiny_llama(len(small.task.tokenizer), 1), small.task
    original = task.answering(told.forget, ["Ada lives in Osk.", "Bo is a smith.", *told.forget["answer"][2:]])

    def mean_log_prob(model, examples) -> torch.Tensor:
        with evaluation(model):
            return -task.losses(model, examples.batch(torch.tensor([0, 1]))).double()

    gain = mean_log_prob(moved, told.forget) - mean_log_prob(small.model, told.forget)
    gain -= mean_log_prob(moved, original) - mean_log_prob(small.model, original)
    expected = 2 / 0.1 * torch.log(1 + torch.exp(-0.1 * gain))
    assert objective(moved, drawn)["forget"].tolist() == pytest.approx(expected.tolist(), rel=1e-4)


def test_with_nothing_to_say_the_model_stays_on_the_retain_set(small):
    method = ReLearn(
        generator=WRITER, forget_weight=0.0, retain_weight=0.0, epochs=3, learning_rate=1e-3, weight_decay=0.0,
        scope=All(),
    )  # fmt: skip
    model = unlearn(small, method).model
    batch = small.kept.batch(torch.arange(1))
    with torch.no_grad():
        before, after = (small.task.outputs(m, batch).log_softmax(-1) for m in (small.model, model))
    assert (before.exp() * (before - after)).sum(-1).mean() < 1e-3


def test_what_is_needed_is_said(small):
    with pytest.raises(ConfigurationError, match=r"set generator to .* or to 'template'"):
        unlearn(small, ReLearn())
    with pytest.raises(ConfigurationError, match="cannot be loaded"):
        unlearn(small, ReLearn(generator="/no/such/folder"))
    with pytest.raises(ConfigurationError, match="divergence_weight=0"):
        ReLearn(generator="template", retain="none").check()
    assert ReLearn(generator="template").scope == LoRA(rank=32, alpha=32.0, dropout=0.05)


@pytest.fixture(scope="module")
def world() -> tuple[People, Problem]:
    made = People.tiny()
    return made, made.problem(gold=())


def _answers(problem: Problem, model, examples) -> list[str]:
    task = problem.task
    prompts = [task.template.given(prompt, task.tokenizer) for prompt in examples["prompt"]]
    said = greedy(model, prompts, 12, task.tokenizer.eos_token_id, device=CPU)
    return [task.tokenizer.decode(tokens, skip_special_tokens=True).strip() for tokens in said]


def _right(problem: Problem, model, examples) -> float:
    said = _answers(problem, model, examples)
    return sum(a.strip() == b for a, b in zip(examples["answer"], said, strict=True)) / len(said)


def _variety(said: list[str]) -> float:
    return sum(len(set(text.split())) / max(len(text.split()), 1) for text in said) / len(said)


def _log_probs(problem: Problem, model, examples) -> float:
    with evaluation(model):
        return float(problem.task.log_probs(model, examples.batch(torch.arange(len(examples)))).mean())


SETTINGS = {"generator": WRITER, "scope": All(), "learning_rate": 1e-3, "batch_size": 16, "completions": False}


def test_answers_go_and_language_stays_where_ascent_breaks_it(world):
    _, problem = world
    some = problem.kept.take(range(0, len(problem.kept), 6))
    assert _right(problem, problem.model, problem.forget) > 0.9
    method = ReLearn(**SETTINGS, variations=False, epochs=40)
    model = unlearn(problem, method).model
    assert _right(problem, model, problem.forget) <= 0.2
    assert _log_probs(problem, model, problem.forget) < _log_probs(problem, problem.model, problem.forget) - 2
    vague = method.augmented(problem, Run())
    assert _log_probs(problem, model, vague) > _log_probs(problem, problem.model, vague) + 5
    assert _right(problem, model, some) >= _right(problem, problem.model, some) - 0.05
    assert _variety(_answers(problem, model, problem.forget)) >= 0.85
    ascended = Ascent(epochs=4, learning_rate=1e-3, batch_size=9, optimizer="adamw").unlearn(problem, Run())
    assert _right(problem, ascended, problem.forget) <= 0.2
    assert _right(problem, ascended, some) < 0.6


@pytest.mark.slow
def test_other_wordings_are_forgotten_as_far_as_the_questions_where_variations_are_trained_on(world):
    people, problem = world
    asked = people.examples(
        row for row in people.text.paraphrases if row.group == "forget" and row.form == "paraphrase"
    )
    gaps = []
    # As many updates for both: five wordings, or five times as many passes over one.
    for variations, epochs in ((True, 10), (False, 50)):
        model = unlearn(problem, ReLearn(**SETTINGS, variations=variations, epochs=epochs)).model
        assert _right(problem, model, asked) <= _right(problem, problem.model, asked) - 0.2
        gaps.append(_log_probs(problem, model, asked) - _log_probs(problem, model, problem.forget))
    assert gaps[0] < 0.5
    assert gaps[1] > 1.5
