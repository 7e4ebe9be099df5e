"""A template says what a model is given and what it has to say; no token straddles the border."""

from __future__ import annotations

import pytest

from lethe.errors import ConfigurationError
from lethe.tasks import Chat, Custom, PlainText, QuestionAnswer
from lethe.testing.language import tiny_language_task

TOKENIZER = tiny_language_task().tokenizer


def words(tokens: list[int]) -> list[str]:
    return TOKENIZER.convert_ids_to_tokens(tokens)


def test_question_and_answer_have_a_beginning_and_an_end():
    template = QuestionAnswer()
    assert words(template.given("What is Ada?", TOKENIZER))[:3] == ["<bos>", "Question:", "What"]
    assert words(template.given("What is Ada?", TOKENIZER))[-1] == "Answer:"
    assert words(template.said("Ada is a baker.", TOKENIZER)) == ["Ada", "is", "a", "baker", ".", "<eos>"]


def test_plain_text_has_no_end_for_it_may_go_on():
    assert words(PlainText().given("", TOKENIZER)) == ["<bos>"]
    assert words(PlainText().said("Ada is", TOKENIZER)) == ["Ada", "is"]


def test_what_stands_after_the_answer_belongs_to_it():
    assert words(Custom("{prompt} {answer} .").said("Ada", TOKENIZER)) == ["Ada", ".", "<eos>"]


@pytest.mark.parametrize("pattern", ["{answer}", "{prompt}", "{answer} {prompt}", "{prompt} {answer} {answer}"])
def test_a_pattern_without_both_in_their_order_is_refused(pattern):
    with pytest.raises(ConfigurationError, match="must hold"):
        Custom(pattern)


def test_a_tokenizer_without_a_chat_template_is_told_of():
    with pytest.raises(ConfigurationError, match="no chat template"):
        Chat().given("What is Ada?", TOKENIZER)
