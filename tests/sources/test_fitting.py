"""Examples that are longer than the context: refused, dropped or their prompts cut, but never their answers."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lethe.errors import ConfigurationError, InputError, LetheWarning
from lethe.sources.fitting import Fitting, too_long_named
from lethe.sources.texts import Texts
from lethe.sources.windows import windows
from lethe.tasks import CausalLM, PlainText
from lethe.tasks.templates import Conversation
from lethe.testing.language import tiny_language_task

WORD = "Ada"  # one token


def texts(*pairs, plain=False):
    prompts, answers = zip(*pairs, strict=True)
    ids = tuple(f"e{row}" for row in range(len(pairs)))
    places = tuple(f"d.jsonl:{row + 1}" for row in range(len(pairs)))
    return Texts("d.jsonl", ids, False, prompts, answers, places, plain, {"age": list(range(len(pairs)))})


def fitting(too_long, context=10, template=None):
    task = tiny_language_task()
    return Fitting(CausalLM(task.tokenizer, template or task.template, context), too_long)


def words(count):
    return " ".join([WORD] * count)


# Beginning, "Question:", prompt, "Answer:", answer, end: four tokens beside the texts.
SHORT, EXACT, LONG, HOPELESS = (words(1), words(1)), (words(3), words(3)), (words(9), words(3)), (words(1), words(7))


def test_what_fits_is_left_alone():
    """A limit that is one too small would refuse or cut whole examples."""
    given = texts(SHORT, EXACT)
    for choice in ("error", "drop", "cut-prompt"):
        assert fitting(choice).fit(given, "--forget") is given


def test_too_long_is_refused_unless_the_user_chose():
    """The first must be named, and how many there are."""
    with pytest.raises(InputError) as caught:
        fitting("error").fit(texts(SHORT, LONG, HOPELESS), "--forget")
    assert "d.jsonl:2: 'e1' has 16 tokens, but the context is 10; too long are 2 of 3 examples" in str(caught.value)
    assert "--too-long drop" in str(caught.value)
    with pytest.raises(InputError, match="'e0' has 11 tokens"):
        fitting("error").fit(texts((words(4), words(3))), "--forget")


def test_dropping_says_how_many():
    """The other examples keep their ids and columns."""
    with pytest.warns(LetheWarning, match="--forget: dropped 2 of 4 examples"):
        kept = fitting("drop").fit(texts(SHORT, LONG, HOPELESS, EXACT), "--forget")
    assert (kept.ids, kept.columns["age"]) == (("e0", "e3"), [0, 3])
    with pytest.raises(InputError, match="too long are 2 of 2 examples"):
        fitting("drop").fit(texts(LONG, HOPELESS), "--forget")


def test_prompts_are_cut_from_the_left_and_no_more_than_needed():
    """The end of a prompt is what the answer answers."""
    prompt = "Bo Cleo Dov Edda Finn Gus Hana"
    with pytest.warns(LetheWarning, match="--retain: cut the prompts of 1 of 2"):
        cut = fitting("cut-prompt").fit(texts((prompt, words(3)), EXACT), "--retain")
    assert cut.prompts[0].split() == ["Finn", "Gus", "Hana"]
    assert cut.prompts[1] == EXACT[0]
    assert cut.answers == (words(3), words(3))


@pytest.mark.parametrize(
    "pair", [HOPELESS, (Conversation([("user", words(9)), ("assistant", "x"), ("user", "y")]), WORD)]
)
def test_answers_and_turns_are_not_cut(pair):
    """Half an answer is another answer."""
    with pytest.raises(InputError, match=r"d\.jsonl:2: 'e1' has .*answers are not cut"):
        fitting("cut-prompt").fit(texts(SHORT, pair), "--forget")


def test_plain_text_is_cut_in_windows():
    """Nothing may be lost or said twice, each window must fit, and the id say which text it is of."""
    text = " ".join(["Ada", "Bo", "Cleo", "Dov", "Edda", "Finn", "Gus"])
    found = fitting("error", context=4, template=PlainText()).fit(
        texts(("", text), ("", "Ada Bo"), plain=True), "--forget"
    )
    assert found.ids == ("e0/0", "e0/1", "e0/2", "e1")
    assert found.answers == ("Ada Bo Cleo", " Dov Edda Finn", " Gus", "Ada Bo")
    assert found.columns["age"] == [0, 0, 0, 1]
    task = fitting("error", context=4, template=PlainText()).task
    assert task.examples(found.ids, found.prompts, found.answers).tensor("length").tolist() == [4, 4, 2, 3]


def test_an_answer_without_a_token():
    """It would be a loss over nothing."""
    with pytest.raises(InputError, match=r"d\.jsonl:1: has no token"):
        fitting("error", template=PlainText()).fit(texts(("", " "), plain=True), "--forget")


@given(st.text(alphabet="ab \n", max_size=80), st.integers(1, 12))
def test_windows_are_the_text(text, size):
    """Joined they are the text, each fits, and none could have been a word longer."""
    pieces = windows(text, lambda piece: len(piece) <= size)
    assert "".join(pieces) == text
    assert all(1 <= len(piece) <= size for piece in pieces)
    for piece, following in pairwise(pieces):
        end = next(
            (n for n in range(1, len(following)) if following[n].isspace() and not following[n - 1].isspace()), None
        )
        if following[0].isspace() and not piece[-1].isspace() and end is not None:
            assert len(piece) + end > size


def test_a_choice_that_does_not_exist():
    """It must be answered with the nearest there is."""
    with pytest.raises(ConfigurationError, match="did you mean 'drop'"):
        too_long_named("dropp")
