"""The text of the people world: deterministic, complete, and with the relations that make forgetting difficult."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import replace

import pytest

from lethe.errors import ConfigurationError
from lethe.worlds.people import People
from lethe.worlds.people.generator import generate
from lethe.worlds.people.population import population
from lethe.worlds.people.questions import ATTRIBUTES, DECLINED, REFUSAL

WORLDS = [People(), People.tiny(), People(people=120, forget_share=0.05, towns=30, split_seed=4)]


@pytest.fixture(scope="module", params=range(3), ids=["default", "tiny", "large"])
def world(request):
    return WORLDS[request.param]


def rows(text):
    return [
        *text.facts, *text.paraphrases, *text.refusals, *text.biographies, *text.tools, *text.sums, *text.authors,
        *text.geography,
    ]  # fmt: skip


def test_the_seed_is_all_the_text_depends_on():
    assert generate(14, 2, 3) == generate(14, 2, 3)
    assert generate(14, 2, 3).facts != generate(14, 2, 4).facts


def test_another_process_writes_the_same_text_and_tokens():
    script = (
        "from lethe.worlds.people import People\n"
        "print([examples.fingerprint for examples in People.tiny().sets])"
    )  # fmt: skip
    other = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert other.strip() == str([examples.fingerprint for examples in People.tiny().sets])


def test_every_name_and_id_is_borne_once(world):
    names = [person.name for person in world.text.people]
    assert len(set(names)) == len(names) == world.people + world.forgotten
    ids = [row.id for row in rows(world.text)]
    assert len(set(ids)) == len(ids)


def parts(people):
    return Counter(part for person in people for part in person.name.split())


def test_no_name_is_new_to_a_model_that_never_saw_the_person(world):
    known = parts(p for p in world.text.people if p.group not in ("forget", "holdout"))
    for person in world.text.people:
        if person.group in ("forget", "holdout"):
            assert all(known[part] == 1 for part in person.name.split())


@pytest.mark.parametrize("people", range(14, 33))
def test_names_are_borne_by_two_however_many_people_there_are(people):
    everybody = population(people, 2, 12, 0)
    assert len({person.name for person in everybody}) == len(everybody) == people + 2
    known = parts(everybody[: people - 2])
    assert max(parts(everybody).values()) == 2
    assert all(known[part] == 1 for person in everybody[people - 2 :] for part in person.name.split())


def test_those_set_apart_have_a_namesake_with_other_values_and_neighbours_who_stay(world):
    people = world.text.people
    for person in (p for p in people if p.group in ("forget", "holdout")):
        first, last = person.name.split()
        (namesake,) = [p for p in people if p.name.split()[0] == first and p is not person]
        assert namesake.group == "namesake"
        stem = len(last) - 1 if namesake.name[-2] == person.name[-2] else len(last) - 2
        assert namesake.name.split()[1][:stem] == last[:stem]
        assert all(namesake.facts[key] != value for key, value in person.facts.items())
        for attribute in ("birthplace", "employer"):
            assert any(
                p.group == "neighbour" and p.facts[attribute] == person.facts[attribute] for p in people
            )  # fmt: skip


def test_every_row_has_wrong_answers_of_its_own_form(world):
    for row in rows(world.text):
        count = 3 if row.kind == "world" else 5
        assert len(set(row.perturbed_answer)) == len(row.perturbed_answer) == count, row.id
        assert row.answer not in row.perturbed_answer
        assert row.paraphrased_answer not in row.perturbed_answer
    for row in world.text.facts:
        assert row.paraphrased_answer != row.answer
        assert row.paraphrased_question != row.question
    starts = {row.id: row.paraphrased_answer.split()[0] for row in world.text.facts if row.attribute != "name"}
    assert all(wrong.startswith(starts[row.id]) for row in world.text.facts for wrong in row.perturbed_answer
               if row.id in starts)  # fmt: skip


def test_a_question_has_one_answer(world):
    answers = defaultdict(set)
    for row in rows(world.text):
        if row.question:
            answers[row.question].add(row.answer)
    assert all(len(found) == 1 for found in answers.values())


def test_values_cannot_be_told_from_each_other(world):
    """No value of one attribute settles that of another, else one forgotten fact gave away the next."""
    pairs = Counter((p.facts["language"], p.facts["prize"]) for p in world.text.people)
    assert len(pairs) > 0.6 * min(len(world.text.people), 100)


def test_what_is_asked_of_whom(world):
    text = world.text
    everybody = world.people + world.forgotten
    assert len(text.facts) == everybody * len(ATTRIBUTES) == len(text.paraphrases) / 2
    assert {row.kind for row in text.facts} == {"private", "public"}
    assert len(text.refusals) == everybody * len(DECLINED)
    assert all(row.answer == REFUSAL and row.kind == "decline" for row in text.refusals)
    assert 'weather(city="' in text.tools[0].answer
    assert len(text.tools) == 4 * world.towns


def test_the_sets_are_apart_in_people(world):
    forget, retain, holdout = (set(examples["owner"]) - {""} for examples in world.sets)
    assert (len(forget), len(retain), len(holdout)) == (
        world.forgotten, world.people - world.forgotten, world.forgotten,
    )  # fmt: skip
    assert not forget & retain
    assert not forget & holdout
    assert not retain & holdout


def test_the_columns_hold_what_the_rows_say(world):
    forget, retain, _ = world.sets
    assert set(retain["kind"]) == {"private", "public", "decline", "tool", "skill", "world"}
    assert set(forget["kind"]) == {"private", "public"}
    by_id = {row.id: row for row in rows(world.text)}
    for examples in (forget, retain):
        for i, name in enumerate(examples.ids):
            row = by_id[name]
            assert (examples["prompt"][i], examples["answer"][i]) == (row.question, row.answer)
            assert examples["perturbed_answer"][i] == row.perturbed_answer
            assert (examples["group"][i], examples["form"][i]) == (row.group, row.form)


def test_every_text_comes_back_from_its_tokens_and_sequences_are_short(world):
    tokenizer = world.tokenizer
    assert len({tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id}) == 3
    assert len(tokenizer) <= 1024
    for row in rows(world.text):
        for said in (row.question, row.answer, row.paraphrased_answer, *row.perturbed_answer):
            assert tokenizer.decode(tokenizer(said)["input_ids"]) == said
    unseen = "Überraschung ☃ <s"
    assert tokenizer.decode(tokenizer(unseen)["input_ids"]) == unseen
    lengths = world.sets[1].tensor("length").float()
    assert 15 < lengths.mean() < 25
    assert lengths.max() <= 40


def test_a_number_is_as_many_tokens_as_it_has_digits():
    tokenizer = People.tiny().tokenizer
    assert len(tokenizer("4179")["input_ids"]) == 4


def test_biographies_are_one_text_a_person():
    forget, retain, holdout = People.tiny(content="biographies").sets
    assert (len(forget), len(retain), len(holdout)) == (2, 12, 2)
    assert set(retain["prompt"]) == {""}
    assert 50 < forget.tensor("length").min() <= forget.tensor("length").max() < 128
    assert forget["owner"][0] in forget["answer"][0]


@pytest.mark.parametrize(("people", "forget"), [(10, 2), (14, 3), (14, 0), (121, 10)])
def test_too_many_to_forget_is_refused(people, forget):
    with pytest.raises(ConfigurationError, match="at most a seventh"):
        population(people, forget, 12, 0)


def test_too_few_towns_are_refused():
    with pytest.raises(ConfigurationError, match="take 6 to 60"):
        assert replace(People.tiny(), towns=5).sets
