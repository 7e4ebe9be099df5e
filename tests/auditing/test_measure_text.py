from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lethe.auditing.measure import Measurements
from lethe.auditing.measure_text import Asked, measure_text
from lethe.auditing.text_rows import answer_probability, chosen_probability, geometric_ratio
from lethe.errors import AuditIncomplete, InputError
from lethe.examples import Column, Examples
from lethe.run import Run
from lethe.testing.language import tiny_language_task, tiny_llama

TASK = tiny_language_task()
WORDS = len(TASK.tokenizer)
ASKED = Asked(generated=frozenset({"forget"}), new_tokens=5)


def texts(*values: object) -> np.ndarray:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def examples(prefix: str = "", **columns: Column) -> Examples:
    prompts = ["Where does Ada live?", "Where does Bo live?", "Where does Ada live?"]
    answers = ["Ada lives in Lutu.", "Bo lives in Marn.", "in Lutu."]
    return TASK.examples([f"{prefix}{i}" for i in range(3)], prompts, answers, **columns)


def with_wrong(prefix: str = "") -> Examples:
    """Two wrong answers, one, and none; a paraphrase for the first alone."""
    wrong = texts(("Ada lives in Osk.", "Ada lives in Pell."), ("Bo lives in Osk.",), None)
    return examples(prefix, perturbed_answer=wrong, paraphrased_answer=texts("in Lutu lives Ada.", None, None))


@pytest.fixture
def model() -> nn.Module:
    return tiny_llama(WORDS, 0)


class Seen:
    """What goes through a model: tokens it reads, and prompts it answers itself."""

    def __init__(self, model: nn.Module) -> None:
        self.read = self.answered = 0
        self.handle = model.register_forward_pre_hook(self._see, with_kwargs=True)

    def _see(self, module: nn.Module, args: object, options: dict[str, object]) -> None:
        tokens = options["input_ids"]
        assert isinstance(tokens, Tensor)
        if not options["use_cache"]:
            self.read += tokens.numel()
        elif options["past_key_values"] is None:
            self.answered += len(tokens)


def whole(passes: int = 1) -> int:
    """Return the tokens of the two prompts and of seven different answers, less their last, which predicts nothing."""
    said = {
        "Where does Ada live?": (
            "Ada lives in Lutu.", "in Lutu.", "in Lutu lives Ada.", "Ada lives in Osk.", "Ada lives in Pell.",
        ),
        "Where does Bo live?": ("Bo lives in Marn.", "Bo lives in Osk."),
    }  # fmt: skip
    template, tokenizer = TASK.template, TASK.tokenizer
    answers = sum(len(template.said(answer, tokenizer)) - 1 for some in said.values() for answer in some)
    return answers + passes * sum(len(template.given(prompt, tokenizer)) for prompt in said)


def test_each_different_sequence_is_read_and_each_different_prompt_answered_once(model: nn.Module) -> None:
    seen = Seen(model)
    # Both sets hold the same texts: 3 answers, a paraphrase, 3 wrong answers; 2 different prompts.
    measure_text(model, TASK, {"forget": with_wrong("f"), "retain": with_wrong("r")}, Run(), ASKED)
    assert (seen.read, seen.answered) == (whole(), 2)


def test_moments_are_measured_on_the_sets_that_ask_and_no_answer_is_read_twice_for_them(model: nn.Module) -> None:
    seen = Seen(model)
    sets = {"forget": with_wrong("f"), "retain": with_wrong("r")}
    rows = measure_text(model, TASK, sets, Run(), Asked(moments=frozenset({"forget"})))
    # The answers with moments go first, the others after their prompts once more.
    assert seen.read == whole(passes=2)
    assert rows.texts["forget"].log.mean is not None
    assert rows.texts["retain"].log.mean is None
    torch.testing.assert_close(rows.texts["forget"].log.log_probs, rows.texts["retain"].log.log_probs)


def test_what_is_known_is_not_read_again(model: nn.Module, tmp_path: Path) -> None:
    sets = {"forget": with_wrong()}
    first = measure_text(model, TASK, sets, Run(), ASKED, Measurements(tmp_path)).texts["forget"]
    seen = Seen(model)
    again = measure_text(model, TASK, sets, Run(), ASKED, Measurements(tmp_path)).texts["forget"]
    assert (seen.read, seen.answered) == (0, 0)
    assert first.generated == again.generated
    assert torch.equal(first.log.log_probs, again.log.log_probs)
    assert torch.equal(first.wrong.nan_to_num(7), again.wrong.nan_to_num(7))


def test_other_weights_are_measured_anew(model: nn.Module) -> None:
    sets, known = {"forget": examples()}, Measurements()
    before = measure_text(model, TASK, sets, Run(), known=known).texts["forget"]
    other = measure_text(tiny_llama(WORDS, 1), TASK, sets, Run(), known=known).texts["forget"]
    assert not torch.equal(before.log.log_probs, other.log.log_probs)


def test_rows_without_a_paraphrase_stand_for_themselves_and_may_lack_wrong_answers(model: nn.Module) -> None:
    rows = measure_text(model, TASK, {"forget": with_wrong()}, Run()).texts["forget"]
    own = rows.log.means(rows.log.log_probs)
    assert rows.right[0] != own[0]
    assert torch.equal(rows.right[1:], own[1:])
    assert (~rows.wrong.isnan()).sum(1).tolist() == [2, 1, 0]
    ratio = geometric_ratio(rows)
    assert ratio.isnan().tolist() == [False, False, True]
    assert ratio[0] == pytest.approx(float(rows.wrong[0].mean() - rows.right[0]))
    assert rows.mean(geometric_ratio) == pytest.approx(float(ratio[:2].mean()))


def test_without_any_wrong_answer_there_is_no_truth_ratio(model: nn.Module) -> None:
    rows = measure_text(model, TASK, {"forget": examples()}, Run()).texts["forget"]
    with pytest.raises(AuditIncomplete, match="perturbed_answer"):
        geometric_ratio(rows)


def uniform() -> nn.Module:
    made = tiny_llama(WORDS, 0)
    with torch.no_grad():
        TASK.head(made).get_parameter("weight").zero_()
    return made


def test_a_uniform_model_knows_nothing() -> None:
    wrong = texts(*[("in Osk.", "in Pell.", "in Rhea.")] * 3)
    rows = measure_text(uniform(), TASK, {"forget": examples(perturbed_answer=wrong)}, Run()).texts["forget"]
    assert answer_probability(rows).tolist() == pytest.approx([1 / WORDS] * 3)
    assert geometric_ratio(rows).exp().tolist() == pytest.approx([1.0] * 3)
    assert rows.options, "wrong answers without a paraphrase are options"
    assert chosen_probability(rows).tolist() == pytest.approx([1 / 4] * 3)


def test_greedy_answers_end_at_the_limit_and_are_scored(model: nn.Module) -> None:
    rows = measure_text(model, TASK, {"forget": examples()}, Run(), ASKED).texts["forget"]
    assert rows.generated[0] == rows.generated[2], "the same prompt has the same answer"
    assert all(len(text.split()) <= 5 for text in rows.generated)
    assert bool(((rows.recall >= 0) & (rows.recall <= 1)).all())
    given = len(TASK.template.given("Where does Bo live?", TASK.tokenizer))
    whole = Asked(generated=frozenset({"forget"}), new_tokens=50, whole=given + 2)
    short = measure_text(model, TASK, {"forget": examples()}, Run(), whole).texts["forget"]
    assert all(len(text.split()) <= 2 for text in short.generated)


def test_a_score_is_computed_once_for_all_samples(model: nn.Module) -> None:
    rows = measure_text(model, TASK, {"forget": examples()}, Run()).texts["forget"]
    calls = 0

    def score(rows: object) -> Tensor:
        nonlocal calls
        calls += 1
        return torch.tensor([1.0, 2.0, 3.0])

    sample = rows.take(torch.tensor([2, 2, 0]))
    assert sample.each(score).tolist() == [3.0, 3.0, 1.0]
    assert rows.each(score).tolist() == [1.0, 2.0, 3.0]
    assert calls == 1


def test_a_wrong_answer_beyond_the_context_is_refused_with_its_row(model: nn.Module) -> None:
    wrong = texts(("Lutu " * 80,), ("Osk",), ("Osk",))
    with pytest.raises(InputError, match="'0': a paraphrased or wrong answer is longer than the context"):
        measure_text(model, TASK, {"forget": examples(perturbed_answer=wrong)}, Run())


def test_numbers_that_are_not_finite_are_refused(model: nn.Module) -> None:
    with torch.no_grad():
        TASK.head(model).get_parameter("weight").fill_(math.inf)
    with pytest.raises(InputError, match="not finite"):
        measure_text(model, TASK, {"forget": examples()}, Run())


def test_measuring_leaves_the_model_as_it_was(model: nn.Module) -> None:
    model.train()
    measure_text(model, TASK, {"forget": with_wrong()}, Run(), ASKED)
    assert model.training
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
