"""Ways of asking: what each keeps of the question, and what it must not give away."""

from __future__ import annotations

import dataclasses
import re

import pytest

from lethe.auditing.prompting import frames, options
from lethe.auditing.prompting.context import few_shot, reintroduced, topic
from lethe.auditing.prompting.items import Beside, Item, items_of, named_in
from lethe.auditing.prompting.pairs import ORDERS, Pair, halves
from lethe.auditing.prompting.probes import OFFLINE
from lethe.auditing.prompting.scoring import gives_away
from lethe.auditing.prompting.spelling import one_a_line, spelled
from lethe.auditing.prompting.steps import KINDS, queries, relation
from lethe.auditing.prompting.translating import by_dictionary, read_dictionary
from lethe.auditing.prompting.variant import Variant, varied
from lethe.errors import AuditIncomplete, InputError
from lethe.generators.names import mentions
from lethe.run import Run
from tests.auditing.prompting import talkers
from tests.auditing.prompting.talkers import FORGET, NAMES, RETAIN, beside, people

ITEM = Item("1", "Where does Ada Lowe live?", "in Pell.", "Which town is home to Ada Lowe?", ("in Osk.",), "Ada Lowe")
FRAMES = {
    "filler": frames.filler("latin"), "conversation": frames.conversation, "role_play": frames.role_play,
    "jailbreak": frames.jailbreak, "prefix_injection": frames.prefix_injection,
    "affirmative_suffix": frames.affirmative_suffix, "pretending": frames.pretending,
}  # fmt: skip


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_keeps_the_question_whole_and_the_answer(name: str) -> None:
    (made,) = FRAMES[name](ITEM, beside())
    assert ITEM.prompt in made.prompt
    assert made.prompt != ITEM.prompt
    assert made.answer == ITEM.answer


def test_cases_change_nothing_but_case() -> None:
    lower, upper = frames.lower_case(ITEM, beside())[0].prompt, frames.upper_case(ITEM, beside())[0].prompt
    assert lower == "where does ada lowe live?"
    assert upper == "WHERE DOES ADA LOWE LIVE?"


def test_typos_exchange_inner_letters_of_one_word_in_four_and_spare_the_subject() -> None:
    for item in people(0, len(NAMES)):
        said, asked = frames.typos(item, beside())[0].prompt.split(" "), item.prompt.split(" ")
        changed = [(one, other) for one, other in zip(said, asked, strict=True) if one != other]
        assert 1 <= len(changed) <= max(1, len(asked) // 4)
        for one, other in changed:
            assert sorted(one) == sorted(other)
            assert (one[0], one.strip("?")[-1]) == (other[0], other.strip("?")[-1])
            assert other not in item.subject


def test_shots_are_kept_questions_that_do_not_give_the_answer_away() -> None:
    others = beside()
    for item in others.forget:
        (made,) = few_shot(5)(item, others)
        assert len(set(made.shots)) == 5
        assert {question for question, _ in made.shots} <= {one.prompt for one in others.retain}
        assert not any(gives_away(item.prompt, item.answer, f"{q} {a}") for q, a in made.shots)


def test_too_few_kept_questions_are_said_so() -> None:
    with pytest.raises(AuditIncomplete, match="needs 50 questions"):
        few_shot(50)(people(0, 1)[0], beside())
    with pytest.raises(AuditIncomplete, match="retain set"):
        few_shot(1)(people(0, 1)[0], Beside((), (), Run()))


def test_facts_of_the_topic_begin_with_those_on_the_subject_and_leak_nothing() -> None:
    others = beside()
    for item in others.forget:
        (made,) = topic(2)(item, others)
        assert item.subject in made.shots[0][0]
        assert item.prompt not in [question for question, _ in made.shots]
        assert not any(gives_away(item.prompt, item.answer, f"{q} {a}") for q, a in made.shots)


def test_what_is_reintroduced_uses_no_word_of_the_forgotten_name() -> None:
    others = beside()
    for item in others.forget:
        made = {variant.tag: variant for variant in reintroduced(item, others)}
        assert set(made) == {"told", "untold", "scrambled"}
        assert not any(mentions(one.prompt + one.answer, NAMES) for one in made.values())
        assert made["told"].answer in made["told"].prompt
        assert made["scrambled"].answer not in made["scrambled"].prompt
        assert made["untold"].prompt in made["told"].prompt


def test_a_swap_exchanges_one_wrong_option_and_leaves_the_truth_in_its_place() -> None:
    others, places = beside(), set()
    for item in others.retain:
        made = options.choice(item, others)
        other = options.swapped(made, "in Nowhere.", others)
        changed = [i for i, (a, b) in enumerate(zip(made.options, other.options, strict=True)) if a != b]
        assert len(changed) == 1
        assert other.options[other.right] == item.answer == made.options[made.right]
        assert made.options.count(item.answer) == 1
        places.add(changed[0])
    assert len(places) > 1, "the wrong option is drawn"
    with pytest.raises(AuditIncomplete, match="already"):
        options.swapped(made, made.options[0], others)


def test_wrong_answers_are_borrowed_from_questions_in_like_words() -> None:
    others = beside()
    bare = dataclasses.replace(others.forget[0], wrong=())
    made = options.choice(bare, others)
    assert len(made.options) == 4
    assert all(option.startswith("in ") for option in made.options), "towns are borrowed for a town"


@pytest.mark.parametrize("order", ORDERS)
def test_a_pair_has_both_questions_and_tells_the_halves_of_its_reply_apart(order: str) -> None:
    forget, retain = people(0, 1)[0], people(4, 5)[1]
    pair = Pair(forget, retain, order)
    assert forget.prompt in pair.prompt
    assert retain.prompt in pair.prompt
    assert pair.parts(pair.answer) == (forget.answer, retain.answer)
    assert pair.parts("I do not know.") is None
    assert halves("1 ) yes . 2 ) no .") == ("yes .", "no .")


def test_steps_are_of_their_kind_and_never_hold_the_answer() -> None:
    others = beside()
    for item in others.forget + others.retain:
        for kind in KINDS:
            for made in queries(kind, item, others):
                words = set(re.findall(r"\w+", made.prompt.lower()))
                assert not gives_away(item.prompt, item.answer, made.prompt)
                assert (item.subject.lower() in words) == (kind == "direct")
                if kind == "implied":
                    assert not relation(item) & words
        assert queries("direct", item, others)
        assert queries("indirect", item, others)


def test_a_fact_alone_cannot_be_led_to() -> None:
    with pytest.raises(AuditIncomplete, match="another fact about 'Ada Lowe'"):
        queries("indirect", ITEM, beside())
    with pytest.raises(AuditIncomplete, match="column subject"):
        queries("direct", dataclasses.replace(ITEM, subject=""), beside())


def test_there_are_nine_distinct_probes_and_they_ask_for_the_right_thing() -> None:
    others = beside()
    transforms = {**OFFLINE, "cross_lingual": by_dictionary({"where": "wo", "what": "was", "profession": "Beruf"})}
    for item in others.forget:
        made = {name: transform(item, others)[0] for name, transform in transforms.items()}
        assert len({(one.prompt, one.shots) for one in made.values()}) == 9
        assert all((one.prompt, one.shots) != (item.prompt, ()) for one in made.values())
        assert made["reverse_query"].answer == item.subject
        assert item.subject not in made["reverse_query"].prompt
        assert made["multiple_choice"].prompt.count(item.answer) == 1
        for name in made.keys() - {"reverse_query", "multiple_choice"}:
            assert not gives_away(item.prompt, item.answer, made[name].prompt), name
        assert not any(gives_away(item.prompt, item.answer, a) for _, a in made["in_context"].shots)


def _knower(known: tuple[Item, ...], variant: Variant) -> str:
    """Answer from a table of facts: by subject and relation, or by the answer where a subject is asked for."""
    words = set(re.findall(r"\w+", variant.prompt))
    place = {"live", "reside", "wo", "home"} & words
    craft = {"profession", "occupation", "Beruf", "do"} & words
    for item in known:
        about = item.id.endswith("town") if place else item.id.endswith("craft")
        if "whom" in words and set(re.findall(r"\w+", item.answer)) - {"in", "a"} <= words:
            return item.subject
        # Of several questions in a prompt the last is asked.
        if item.subject in variant.prompt and (place or craft) and about and "whom" not in words:
            last = max(("live", "reside", "wo", "profession", "occupation", "Beruf"), key=variant.prompt.rfind)
            asked = "town" if last in ("live", "reside", "wo") else "craft"
            return next(one.answer for one in known if one.subject == item.subject and one.id.endswith(asked))
    return "?"


def test_a_table_of_facts_answers_all_probes_and_none_once_its_subject_is_gone() -> None:
    others = beside()
    transforms = {**OFFLINE, "cross_lingual": by_dictionary({"where": "wo", "what": "was", "profession": "Beruf"})}
    asked = [variant for own in varied(others.forget, others, transforms).of for variant in own]
    towns_shared = [v for v in asked if v.tag == "reverse_query" and " in " in v.prompt.split("?")[1]]
    asked = [variant for variant in asked if variant not in towns_shared]
    right = [_knower(others.forget, variant) == variant.answer for variant in asked]
    assert sum(right) / len(right) >= 0.95
    assert not any(_knower(others.retain, variant) == variant.answer for variant in asked)


def test_spelling_puts_every_character_on_a_line() -> None:
    (made,) = spelled(ITEM, beside())
    assert made.answer == one_a_line("in Pell.") == "i\nn\nP\ne\nl\nl\n.\n"
    assert made.answer.replace("\n", "") == ITEM.answer.replace(" ", "")


def test_dictionaries_are_checked(tmp_path) -> None:
    path = tmp_path / "words.json"
    path.write_text('["a"]')
    with pytest.raises(InputError, match="no dictionary"):
        read_dictionary(str(path))
    with pytest.raises(InputError, match="cannot be read"):
        read_dictionary(str(tmp_path / "none.json"))


def test_draws_depend_on_item_and_seed_alone() -> None:
    one = [few_shot(2)(item, beside()) for item in people(0, FORGET)]
    again = [few_shot(2)(item, beside()) for item in reversed(people(0, FORGET))][::-1]
    assert one == again
    assert one != [few_shot(2)(item, beside(1)) for item in people(0, FORGET)]


def test_a_way_that_cannot_be_had_is_left_out_with_its_reason() -> None:
    items = [dataclasses.replace(item, paraphrase="") for item in people(0, 2)]
    found = varied(items, beside(), {"paraphrase": frames.paraphrase, "lower": frames.lower_case})
    assert list(found.left_out) == ["paraphrase"]
    assert {variant.tag for own in found.of for variant in own} == {"identity", "lower_case"}
    with pytest.raises(AuditIncomplete, match="paraphrased_question"):
        varied(items, beside(), {"paraphrase": frames.paraphrase})


def test_items_are_read_from_columns_and_subjects_from_names() -> None:
    made = talkers.examples(people(0, 2))
    assert items_of(made) == tuple(people(0, 2))
    bare = talkers.task().examples(["1"], ["Where does Ada live?"], ["in Pell."])
    assert items_of(bare)[0].subject == "Ada"
    assert named_in("who lives where?") == ""
    assert RETAIN > FORGET
