"""Asking: prompts in tokens, answers said once, and scores."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lethe.auditing.measure import Measurements
from lethe.auditing.measure_text import Asked as Wanted
from lethe.auditing.measure_text import measure_text
from lethe.auditing.prompting import Asker, Variant, varied
from lethe.auditing.prompting.context import few_shot
from lethe.auditing.prompting.frames import lower_case
from lethe.auditing.prompting.rendering import fitting, rendered
from lethe.auditing.prompting.writing import Writing, looked_up
from lethe.errors import AuditIncomplete
from lethe.generation import greedy
from lethe.run import Run
from lethe.tasks import CausalLM, Chat, PlainText
from tests.auditing.prompting import talkers
from tests.auditing.prompting.talkers import FORGET, beside, people, problem, task
from tests.auditing.prompting.writers import Echo

CHAT = (
    "{% for m in messages %}{{ m['role'] }} {{ m['content'] }} \n{% endfor %}"
    "{% if add_generation_prompt %}assistant {% endif %}"
)


class Counted:
    """Counts how many sequences a model reads."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.sequences = 0
        model.register_forward_pre_hook(self._count, with_kwargs=True)

    def _count(self, _: torch.nn.Module, inputs: tuple, named: dict) -> None:
        if named.get("past_key_values") is None:
            self.sequences += len(named["input_ids"])


def text(tokens: tuple[int, ...]) -> str:
    return str(task().tokenizer.decode(tokens))


def test_shots_stand_in_the_pattern_of_the_question() -> None:
    shots = (("Where does Bo live?", "in Osk."), ("Where does Gus live?", "in Quin."))
    given, said = rendered(Variant("few", "Where does Ada live?", "in Pell.", shots=shots), task())
    solved = "Question: Where does Bo live?\nAnswer: in Osk.\n\nQuestion: Where does Gus live?\nAnswer: in Quin.\n\n"
    plain = solved + "Question: Where does Ada live?\nAnswer:"
    assert list(given) == [
        task().tokenizer.bos_token_id,
        *task().tokenizer(plain, add_special_tokens=False)["input_ids"],
    ]
    assert given.count(task().tokenizer.bos_token_id) == 1
    assert text(said).endswith("<eos>")


def test_shots_are_turns_under_a_chat_template_and_lines_of_plain_text() -> None:
    tokenizer = task().tokenizer
    tokenizer.chat_template = CHAT
    try:
        chat = CausalLM(tokenizer, template=Chat())
        shown = Variant("few", "Where does Ada live?", "in Pell.", shots=(("Where does Bo live?", "in Osk."),))
        turns = [
            {"role": "user", "content": "Where does Bo live?"}, {"role": "assistant", "content": "in Osk."},
            {"role": "user", "content": "Where does Ada live?"},
        ]  # fmt: skip
        expected = tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=True, return_dict=True)
        assert list(rendered(shown, chat)[0]) == list(expected["input_ids"])
    finally:
        tokenizer.chat_template = None
    plain = rendered(shown, CausalLM(tokenizer, template=PlainText()))[0]
    assert text(plain).startswith("<bos> Where does Bo live ? in Osk . Where")


def test_the_beginning_of_a_reply_stands_without_an_end() -> None:
    plain = rendered(Variant("", "Where does Ada live?", "in Pell."), task())[0]
    begun = rendered(Variant("", "Where does Ada live?", "in Pell.", begun="Sure, here"), task())[0]
    assert begun[: len(plain)] == plain
    assert text(begun[len(plain) :]) == "Sure , here"


def test_equal_prompts_are_answered_once_and_never_again(tmp_path: Path) -> None:
    model, known = talkers.models.copied(problem().model), Measurements(tmp_path)
    counted = Counted(model)
    variants = [Variant("identity", item.prompt, item.answer) for item in people(0, FORGET)]
    first = Asker(model, task(), Run(), known).replies([*variants, *variants], 8)
    assert counted.sequences == len(variants)
    assert [reply.said for reply in first[: len(variants)]] == [reply.said for reply in first[len(variants) :]]
    again = Asker(model, task(), Run(), Measurements(tmp_path)).replies(variants, 8)
    assert counted.sequences == len(variants), "another process reads what was written"
    assert [reply.said for reply in again] == [reply.said for reply in first[: len(variants)]]


def test_what_metrics_had_answered_attacks_do_not_ask_again() -> None:
    model, known = talkers.models.copied(problem().model), Measurements()
    measure_text(model, task(), {"forget": problem().forget}, Run(), Wanted(generated=frozenset({"forget"})), known)
    counted = Counted(model)
    variants = [Variant("identity", item.prompt, item.answer) for item in people(0, FORGET)]
    said = Asker(model, task(), Run(), known).replies(variants, 8)
    assert counted.sequences == 0
    assert said[0].said == "in Rhea ."


def test_shorter_answers_are_cut_and_longer_ones_asked_for() -> None:
    model, known = talkers.models.copied(problem().model), Measurements()
    counted = Counted(model)
    asker = Asker(model, task(), Run(), known)
    (variant,) = [Variant("", people(0, 1)[0].prompt, "")]
    long, short = asker.replies([variant], 8)[0].said, asker.replies([variant], 1)[0].said
    assert counted.sequences == 1
    assert (long, short) == ("in Rhea .", "in")
    fresh = Asker(model, task(), Run(), Measurements())
    assert fresh.replies([variant], 1)[0].said == "in"
    assert fresh.replies([variant], 8)[0].said == long


def test_answers_are_the_models_own_greedy_ones() -> None:
    variants = [variant for own in varied(people(0, 2), beside(), {"lower": lower_case}).of for variant in own]
    prompts = [rendered(variant, task())[0] for variant in variants]
    expected = greedy(problem().model, prompts, 8, task().tokenizer.eos_token_id, device=torch.device("cpu"))
    replies = Asker(problem().model, task(), Run(), Measurements()).replies(variants, 8)
    decoded = [task().tokenizer.decode(tokens, skip_special_tokens=True).strip() for tokens in expected]
    assert [reply.said for reply in replies] == decoded


def test_log_probabilities_are_means_over_the_answers_tokens() -> None:
    variant = Variant("", people(0, 1)[0].prompt, people(0, 1)[0].answer)
    given, said = rendered(variant, task())
    with torch.no_grad():
        logits = problem().model(torch.tensor([given + said]))["logits"][0].double().log_softmax(-1)
    expected = sum(float(logits[len(given) - 1 + i, token]) for i, token in enumerate(said)) / len(said)
    found = Asker(problem().model, task(), Run(), Measurements()).log_probs([variant, variant])
    assert found == pytest.approx([expected, expected], abs=1e-6)


def test_ways_that_do_not_fit_are_left_out_for_all_models() -> None:
    items = people(0, FORGET)
    asked = varied(items, beside(), {"few": few_shot(7), "lower": lower_case})
    found = fitting(asked, task(), 8)
    assert "few_shot" in found.left_out
    assert "reads 96" in found.left_out["few_shot"]
    assert {variant.tag for own in found.of for variant in own} == {"identity", "lower_case"}
    with pytest.raises(AuditIncomplete, match="few_shot takes"):
        fitting(varied(items, beside(), {"few": few_shot(7)}), task(), 8)


def test_what_a_model_wrote_is_kept_and_nobody_writes_unless_named() -> None:
    class Once(Echo):
        calls = 0

        def follow(self, instructions, generator):
            Once.calls += 1
            return super().follow(instructions, generator)

    known, writer = Measurements(), Once()
    texts = [Writing(writer, Run(), known, "test").follow(["Rewrite.\nQuestion: Where?"]) for _ in range(3)]
    assert texts == [["Where?"]] * 3
    assert Once.calls == 1
    for nobody in ("", "template"):
        with pytest.raises(AuditIncomplete, match="generator="):
            Writing(nobody, Run(), known, "test").follow(["Rewrite."])
    item = people(0, 1)[0]
    assert looked_up("tag", [item], ["Where?"])(item, beside()) == [Variant("tag", "Where?", item.answer)]
