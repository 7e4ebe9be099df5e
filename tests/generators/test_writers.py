"""Writers write for each question, the same for the same seed; judges find what gives the truth away."""

from __future__ import annotations

import pytest
import torch

from lethe.errors import ConfigurationError
from lethe.generators import Asked, ModelWriter, TemplateWriter, WordJudge, writer_of
from lethe.generators.matching import matches
from lethe.generators.templates import WAYS
from lethe.tasks.templates import QuestionAnswer
from lethe.testing.language import tiny_language_task, tiny_llama

ASKED = [
    Asked("Where does Ada live?", "Ada lives in Osk."),
    Asked("Where does Bo live?", "Bo lives in Lutu."),
    Asked("What is Bo?", "Bo is a smith."),
]


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("way", ["rephrased", "specific", "noisy", "reversed", "simpler", "direct"])
def test_templates_ask_every_question_in_another_way(way):
    made = TemplateWriter().questions(ASKED, way, seeded())
    assert made == TemplateWriter().questions(ASKED, way, seeded())
    assert all(question != one.question for question, one in zip(made, ASKED, strict=True))
    names = ("ada", "bo", "bo")
    assert all(name in question.lower() for question, name in zip(made, names, strict=True))
    assert ("Osk" in made[0]) == (way == "reversed")
    assert way in (*WAYS, "noisy")


def test_vague_answers_give_nothing_away_and_wrong_ones_are_of_the_same_kind():
    writer, judge = TemplateWriter(), WordJudge()
    assert judge.leaks(ASKED, writer.vague(ASKED, seeded())) == [False] * 3
    wrong = writer.wrong(ASKED, seeded())
    assert wrong[:2] == ["Bo lives in Lutu.", "Ada lives in Osk."]
    reasons = writer.misleading(ASKED, wrong, seeded())
    assert all(reason.endswith(answer) for reason, answer in zip(reasons, wrong, strict=True))
    with pytest.raises(ConfigurationError, match="no other answer"):
        writer.wrong(ASKED[:1], seeded())
    assert TemplateWriter(others=(ASKED[1],)).wrong(ASKED[:1], seeded()) == ["Bo lives in Lutu."]


def test_a_judge_of_words_hears_what_the_question_does_not_say():
    assert WordJudge().leaks(ASKED[:1] * 4, ["Ada? In Osk!", "Ada does live.", "somewhere in town", "OSK"]) == [
        True, False, False, True,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("truth", "said", "found"),
    [
        ({"rose"}, "a prose", True),
        ({"smith"}, "Smyth", False),  # a ratio of 80 itself
        ({"12"}, "she is twelve", True),
        ({"osk"}, "in Lutu", False),
        ({"doctor"}, "a physician", True),
        ({"physician"}, "a doctor", False),  # one direction alone
        ({"the", "author"}, "the cat", False),
    ],
)
def test_the_matcher_is_loose(truth, said, found):
    assert matches(truth, said, {"doctor": ("physician",)}, leave_out_common=True) is found


def test_published_code_lets_common_words_match():
    assert matches({"the", "author"}, "the cat", {}, leave_out_common=False)


def test_a_model_writes_and_judges():
    task = tiny_language_task()
    writer = ModelWriter(tiny_llama(len(task.tokenizer), 0), task.tokenizer, QuestionAnswer(), new_tokens=5)
    for write in (
        lambda g: writer.questions(ASKED, "noisy", g),
        lambda g: writer.vague(ASKED, g),
        lambda g: writer.wrong(ASKED, g),
    ):
        assert write(seeded()) == write(seeded())
        assert len(write(seeded())) == 3
    assert len(writer.misleading(ASKED, ["a"] * 3, seeded())) == 3
    # It never says "no": whatever is not cleared counts as a leak.
    assert writer.leaks(ASKED, ["x"] * 3) == [True] * 3


def test_a_writer_is_named_or_brought(tmp_path):
    device = torch.device("cpu")
    assert writer_of("template", device, "Method") == (TemplateWriter(), WordJudge())
    own = TemplateWriter(vague_answers=("Hm.",))
    assert writer_of(own, device, "Method")[0] is own
    with pytest.raises(ConfigurationError, match="Method needs somebody"):
        writer_of("", device, "Method")
    with pytest.raises(ConfigurationError, match="cannot be loaded"):
        writer_of(str(tmp_path), device, "Method")
    task = tiny_language_task()
    tiny_llama(len(task.tokenizer), 0).save_pretrained(tmp_path)
    task.tokenizer.save_pretrained(tmp_path)
    writer, judge = writer_of(str(tmp_path), device, "Method")
    assert isinstance(writer, ModelWriter)
    assert judge is writer
