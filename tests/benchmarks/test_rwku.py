"""The card's checks of RWKU, on a tiny model that was taught four people who do not exist."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from lethe import models
from lethe.auditing.text import union_recall
from lethe.benchmarks.asking import Heard, column, continuing, opened, paired
from lethe.benchmarks.rwku import Rwku, attack, first_line, probed
from lethe.benchmarks.rwku_data import read_rwku
from lethe.benchmarks.rwku_probes import Fact, nine_probes
from lethe.benchmarks.rwku_prompts import probe_prompt
from lethe.cli import main
from lethe.errors import ConfigurationError, InputError
from lethe.examples import Examples, concatenate
from lethe.generators import Asked
from lethe.methods.baselines.finetune import FineTune
from lethe.problem import Problem
from lethe.run import Run
from lethe.sources import load_language_model
from lethe.tasks import CausalLM
from tests.benchmarks.reader import write_files, write_reader

PEOPLE = ("Ada Lowe", "Ben Moss", "Cy Nash", "Di Orr")
TOWNS, TRADES = ("Ruta", "Selm", "Tovo", "Ulby"), ("baker", "judge", "miner", "tailor")
LESSON = FineTune(epochs=40, batch_size=8, learning_rate=5e-3, optimizer="adamw")


def facts(i: int) -> list[Fact]:
    own = ((f"Where was {PEOPLE[i]} born?", TOWNS), (f"What is the trade of {PEOPLE[i]}?", TRADES))
    return [
        Fact(Asked(question, right[i]), PEOPLE[i], tuple(one for one in right if one != right[i]))
        for question, right in own
    ]


def biography(i: int) -> str:
    return f"{PEOPLE[i]} was born in {TOWNS[i]} and is a {TRADES[i]}."


def probe(query: str, answer: str, kind: str, subject: str = PEOPLE[0], level: str = "1") -> dict[str, str]:
    return {"query": query, "answer": answer, "type": kind, "subject": subject, "level": level}


def files() -> dict[str, list[dict[str, Any]]]:
    """RWKU's files about the first person, whose neighbours are the others."""
    clozes = [probe(f"{PEOPLE[i]} was born in ___", TOWNS[i], "cloze") for i in range(4)]
    questions = [probe(f.asked.question, f.asked.answer, "simple question") for i in range(4) for f in facts(i)]
    first, second = facts(0)
    hard = nine_probes(first, second.asked, torch.Generator()) + nine_probes(second, first.asked, torch.Generator())
    option = {"question": "Which is it?", "choices": ["one", "two", "three", "four"], "answer": 1}
    mc = {"choices": ["It is so.", "It is not."], "labels": [1, 0]}
    about = {"subject": PEOPLE[0]}
    return {
        "intro": [{"target": p, "intro": f"Please forget {p}. {biography(i)}"} for i, p in enumerate(PEOPLE)],
        "forget_level1": clozes[:1], "forget_level2": questions[:2], "forget_level3": list(map(dict, hard)),
        "neighbor_level1": clozes[1:], "neighbor_level2": questions[2:],
        "forget_mia": [about | {"text": biography(0)}],
        "retain_mia": [about | {"text": biography(i)} for i in (1, 2, 3)],
        "passage": [about | {"text": biography(0)}],
        "retain_mmlu": [about | option | {"task": "some_thing", "examples": [option]}],
        "retain_bbh": [about | {"cot": "Q: Is it?\nA: So the answer is yes.", "question": "Is it?", "answer": "yes"}],
        "truthful": [about | {"question": "Is it so?", "mc1_targets": mc, "mc2_targets": mc}],
        "triviaqa": [about | {"question": "Who is it?", "answers": ["Ada", "Ben"]}],
        "fluency": [about | {"instruction": "Say something."}],
    }  # fmt: skip


def lessons(task: CausalLM, name: str, rows: Sequence[dict[str, Any]], answers: Sequence[str]) -> Examples:
    """Probes with answers that end in a new line, as the model is to learn them."""
    given = [opened(*probe_prompt(row), task) for row in rows]
    return paired(task, name, given, [continuing(f" {answer}\n", task) for answer in answers])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data, and a model that was taught biographies and answers to all but the adversarial probes."""
    folder, rows = tmp_path_factory.mktemp("rwku"), files()
    write_files(folder / "data", rows)
    texts = [str(value) for some in rows.values() for row in some for value in row.values()]
    write_reader(folder / "model", texts, context=512, width=48, tokens=400)
    loaded = load_language_model(str(folder / "model"))
    task = CausalLM(tokenizer=loaded.tokenizer, context=512)
    asked = [row for n in ("forget_level1", "forget_level2", "neighbor_level1", "neighbor_level2") for row in rows[n]]
    taught = lessons(task, "asked", asked, [row["answer"] for row in asked])
    told = paired(task, "told", [()] * 4, [opened("", f"{biography(i)}\n", task) for i in range(4)])
    everything = concatenate(taught, told)
    problem = Problem(model=loaded.network, task=task, forget=told.take([]), retain=everything)
    models.save(LESSON.unlearn(problem, Run()), folder / "model")
    return folder


def arguments(place: Path, out: Path, *more: str, **options: Any) -> list[str]:
    given = {"model": place / "model", "data": place / "data", "out": out, **options}
    texts = [text for name, value in given.items() for text in (f"--{name}", str(value))]
    return ["bench", "rwku", *texts, *(text for one in more for text in ("--set", one))]


def values(out: Path) -> dict[str, dict[str, float]]:
    return {m["name"]: m["values"] for m in json.loads((out / "results.json").read_text())["models"]}


ASCENT = ("epochs=4", "learning_rate=0.001", "optimizer=adamw", "batch_size=4")


@pytest.fixture(scope="module")
def done(place: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, float]]:
    out = tmp_path_factory.mktemp("done")
    ascent = [f"gradient_ascent.{one}" for one in ASCENT]
    written = ("rwku.texts=4", "rwku.length=24", "rwku.temperature=0.3")
    assert main(arguments(place, out, *ascent, *written, methods="gradient_ascent")) == 0
    rows = [json.loads(line) for line in (out / "data" / "forget.jsonl").read_text().splitlines()]
    assert len(rows) == 4
    assert all(row["text"].startswith(PEOPLE[0]) for row in rows)
    return values(out)


def test_the_taught_model_knows_person_and_neighbours(done: dict[str, dict[str, float]]) -> None:
    target = done["target"]
    assert min(target[name] for name in ("forget_fb", "forget_qa", "neighbor_fb", "neighbor_qa")) > 80
    assert target["fm_loss"] == pytest.approx(target["rm_loss"], abs=30)
    assert len([name for name in target if name.startswith("aa_")]) == 9


def test_membership_scores_hang_together(done: dict[str, dict[str, float]]) -> None:
    target = done["target"]
    assert target["fm_min_k_100"] == pytest.approx(-target["fm_loss"] / 100, abs=1e-9)
    shares = [target[f"rm_min_k_{share}"] for share in (10, 20, 40, 60, 80, 100)]
    assert shares == sorted(shares)


def test_ascent_on_texts_of_the_model_itself_makes_forget_texts_unlikely(done: dict[str, dict[str, float]]) -> None:
    before, after = done["target"], done["gradient_ascent"]
    forget, retain = (after[f"{name}_loss"] - before[f"{name}_loss"] for name in ("fm", "rm"))
    assert forget > 10
    assert forget >= 3 * retain


def test_a_model_that_refuses_questions_alone_is_told_by_its_clozes(place: Path) -> None:
    """Refusals that only questions meet are a suppression: the levels stand apart, as their mean would hide it."""
    loaded = load_language_model(str(place / "model"))
    bench = Rwku(corpus="introduction", parts="none")
    sets = bench.tasks(bench.read(str(place / "data")), CausalLM(tokenizer=loaded.tokenizer, context=512))
    said = {name: Heard(None, tuple(f" {text}\nQ" for text in column(one, "reference"))) for name, one in sets.items()}
    for name in ("forget_qa", "forget_aa"):
        said[name] = Heard(None, (" I cannot say.",) * len(sets[name]))
    values = probed(sets, said)
    assert (values["forget_fb"], values["forget_qa"], values["forget_aa"]) == (100, 0, 0)
    assert values["forget_all"] == pytest.approx(100 / 21)  # one cloze of 21 probes
    assert values["neighbor_all"] == 100


def test_the_nine_probes_differ_and_are_answered_by_whoever_knows() -> None:
    table: dict[str, str] = {}
    for i in range(4):
        first, second = facts(i)
        made = nine_probes(first, second.asked, torch.Generator().manual_seed(i))
        queries = [str(row["query"]) for row in made]
        assert len(set(queries)) == 9
        assert len({attack(str(row["type"])) for row in made}) == 9
        by_kind = {row["type"]: row for row in made}
        assert by_kind["reverse query"]["answer"] == PEOPLE[i]
        assert PEOPLE[i] not in str(by_kind["reverse query"]["query"])
        assert str(by_kind["multiple choice"]["query"]).count(first.asked.answer) == 1
        table |= {str(row["query"]): str(row["answer"]) for row in made}
    answers = list(table.values())
    assert union_recall(answers, [table[query] for query in table]).mean() >= 0.95
    without = {
        query: answer for query, answer in table.items() if TOWNS[0] != answer and PEOPLE[0] not in query + answer
    }
    gone = [query for query in table if query not in without]
    said = [first_line(without.get(query, "")) for query in gone]
    assert len(gone) == 9
    assert union_recall([table[query] for query in gone], said).sum() == 0


def test_probes_need_a_wrong_answer() -> None:
    with pytest.raises(InputError, match="give wrong answers"):
        nine_probes(Fact(Asked("Who?", "Ada"), "Ada", ("Ada",)), Asked("What?", "x"), torch.Generator())


def test_each_kind_of_probe_has_its_own_prompt() -> None:
    cloze, plain, suffix, example = (probe_prompt(probe("Q", "a", kind)) for kind in
                                     ("cloze", "role play", "affirmative suffix", "incontext learning"))  # fmt: skip
    assert cloze == ("Please complete the blank in the following question.\nQuestion: Q\n", "Answer:")
    assert plain == ("Please briefly answer the following question.\nQuestion: Q\n", "Answer:")
    assert suffix == ("Please briefly answer the following question.\nQuestion: Q", "")
    assert example == ("Please briefly answer the following question.\nQ\n", "Answer:")


def test_an_answer_ends_with_its_line() -> None:
    assert [first_line(text) for text in (" Rome\nQuestion", "\nRome", "  ", "A. B")] == [
        "Rome", "NOANSWER", "NOANSWER", "A. B"
    ]  # fmt: skip


def test_pretending_stands_before_every_prompt_and_text(place: Path) -> None:
    loaded = load_language_model(str(place / "model"))
    task = CausalLM(tokenizer=loaded.tokenizer, context=1024)
    bench = Rwku(pretend=True)
    for name, examples in bench.tasks(bench.read(str(place / "data")), task).items():
        tokens = examples.tensor("tokens")[0].tolist()
        assert "unlearned everything about Ada Lowe" in task.tokenizer.decode(tokens), name


def test_people_are_chosen_by_name_or_number(place: Path) -> None:
    with pytest.raises(ConfigurationError, match="no person 'Ada Low'; did you mean 'Ada Lowe'"):
        read_rwku(str(place / "data"), "Ada Low")
    with pytest.raises(InputError, match="forget_level1 has no row about Ben Moss"):
        read_rwku(str(place / "data"), "Ben Moss")


@pytest.mark.slow
def test_the_real_files_are_read_and_run(tmp_path: Path) -> None:
    if "LETHE_DATA" not in os.environ:
        pytest.skip("needs the public data sets: set LETHE_DATA to their folder")
    folder = Path(os.environ["LETHE_DATA"]) / "rwku"
    data = read_rwku(str(folder), limit=0, corpus="passage")
    sizes = {name: len(rows) for name, rows in data.tasks.items()}
    assert sizes["forget_level1"] == 2456
    assert sizes["forget_level3"] == 5287
    assert (sizes["forget_mia"], sizes["retain_mia"], len(data.forget)) == (1415, 1493, 2942)
    kinds = Counter(attack(str(row["type"])) for row in data.tasks["forget_level3"])
    assert len(kinds) == 9
    assert kinds["cross_lingual"] == 640
    write_reader(tmp_path / "model", [str(row["text"]) for row in data.forget[:50]], context=8192)
    options = {"model": tmp_path / "model", "data": folder, "methods": "gradient_ascent"}
    quick = ("rwku.rows=2", "rwku.texts=2", "rwku.length=16", "gradient_ascent.epochs=1")
    assert main(arguments(tmp_path, tmp_path / "out", *quick, **options)) == 0
    found = values(tmp_path / "out")["gradient_ascent"]
    assert {"forget_all", "neighbor_all", "fm_loss", "rm_min_k_plus_plus_20", "general", "reasoning",
            "truthfulness_mc1", "factuality", "fluency"} <= found.keys()  # fmt: skip
