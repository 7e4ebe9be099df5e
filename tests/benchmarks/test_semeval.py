"""SemEval-2025 task 4: the files, the twelve numbers and their aggregates, and membership beside a retrained model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from lethe.auditing.text.semeval import equal_answers, membership_score
from lethe.benchmarks.base import Row
from lethe.benchmarks.semeval_data import read_semeval
from lethe.cli import main
from lethe.errors import InputError
from lethe.worlds.people.draws import Draws
from tests.benchmarks.published import benched, real, small_llama, small_tokenizer, write_lines, write_model

NAMES = (
    "Ada", "Bo", "Cleo", "Dov", "Edda", "Finn", "Gus", "Hana", "Ivo", "Jana", "Kuno", "Lia", "Milo", "Nora", "Ola",
    "Pia", "Rolf", "Sven",
)  # fmt: skip
TOWNS = ("Lutu", "Marn", "Osk", "Pell", "Quin", "Rhea", "Sule")


def documents(names: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Rows about people, in LUME's schema."""
    for i, name in enumerate(names):
        task, life = f"Task{1 + i % 3}", whole(name).removeprefix(f"{name} was born in ")
        yield {"id": f"{name}-{i}sc1", "input": f"{name} was born in", "output": life, "task": task}
        yield {"id": f"{name}-{i}qa0", "input": f"Where was {name} born?", "output": life.split(",")[0], "task": task}


def whole(name: str) -> str:
    """A life in three towns that the name alone says nothing of."""
    first, second, third = (Draws(0).shuffled(TOWNS, name, part)[0] for part in range(3))
    return f"{name} was born in {first}, went to {second} and lives in {third}."


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lume")
    write_lines(folder / "forget.jsonl", documents(NAMES[:6]))
    write_lines(folder / "retain.jsonl", documents(NAMES[6:12]))
    write_lines(folder / "mia_data" / "member.jsonl", ({"document": whole(name)} for name in NAMES[:6]))
    write_lines(folder / "mia_data" / "nonmember.jsonl", ({"document": whole(name)} for name in NAMES[12:]))
    solved = {"question": "What is 1 + 1?", "choices": ["1", "2"], "answer": 1}
    question = {"question": "What is 2 + 1?", "choices": ["3", "2"], "answer": 0, "task": "sums", "examples": [solved]}
    write_lines(folder / "mmlu.jsonl", [question, {**question, "answer": 1}])
    return folder


@pytest.fixture(scope="module")
def base(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    texts = [whole(name) for name in NAMES] + [f"Where was {name} born?" for name in NAMES]
    tokenizer = small_tokenizer(texts, 400)
    return write_model(small_llama(tokenizer, 160), tokenizer, tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def found(data: Path, base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, float]]:
    return benched(
        tmp_path_factory.mktemp("out"), "semeval", "--model", base, "--data", data, "--methods", "gradient_ascent",
        "--epochs", 36, "--learning-rate", 5e-3, "--set", "semeval.batch_size=8", "--set", "semeval.new_tokens=16",
        "--set", "gradient_ascent.epochs=3", "--set", "gradient_ascent.learning_rate=0.001",
        "--set", "gradient_ascent.optimizer=adamw",
    )  # fmt: skip


def test_the_target_knows_everything_and_gold_the_rest(found: dict[str, dict[str, float]]) -> None:
    target, gold = found["target"], found["gold"]
    for kind in ("task1", "task2", "task3"):
        assert target[f"forget_{kind}_knowledge"] == 1
        assert target[f"forget_{kind}_regurgitation"] > 0.95
        assert gold[f"retain_{kind}_knowledge"] == 1
    assert target["task_aggregate"] == 0  # a harmonic mean with a part that is 0
    assert gold["forget_task1_knowledge"] < 1


def test_the_membership_score_of_the_untouched_model_is_far_below_that_of_gold(
    found: dict[str, dict[str, float]],
) -> None:
    assert found["target"]["membership_score"] < 0.3
    assert found["gold"]["membership_score"] > found["target"]["membership_score"] + 0.3


def test_the_aggregates_are_the_means_of_their_parts(found: dict[str, dict[str, float]]) -> None:
    for values in found.values():
        cells = {n: v for n, v in values.items() if n.endswith(("knowledge", "regurgitation"))}
        assert len(cells) == 12
        wanted = [1 - value if name.startswith("forget") else value for name, value in cells.items()]
        harmonic = 0.0 if min(wanted) == 0 else 12 / sum(1 / value for value in wanted)
        assert values["task_aggregate"] == pytest.approx(harmonic)
        parts = ("task_aggregate", "membership_score", "mmlu")
        assert values["aggregate"] == pytest.approx(sum(values[part] for part in parts) / 3)
        # The same question twice with either answer: whoever always says the same is right once.
        assert values["mmlu"] == 0.5


def test_answers_are_equal_but_for_case_and_outer_space() -> None:
    said = equal_answers(["A b", "A b", "1."], ["a B \n", "a  b", "1"])
    assert said.tolist() == [1, 0, 0]
    assert [membership_score(value) for value in (0.9, 0.1)] == pytest.approx([0.2, 0.2])
    with pytest.raises(InputError, match="does not exist"):
        membership_score(1.5)
    with pytest.raises(InputError, match="do not pair"):
        equal_answers(["a"], [])


def test_a_limit_keeps_whole_documents_of_every_kind(data: Path) -> None:
    limited = read_semeval(str(data), limit=1)
    assert [row["id"] for row in limited.forget] == [f"{name}-{i}{part}" for i, name in enumerate(NAMES[:3])
                                                      for part in ("sc1", "qa0")]  # fmt: skip
    assert {name: len(rows) for name, rows in limited.tasks.items() if "_task" not in name} == {
        "members": 1, "nonmembers": 1, "mmlu": 1
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": "Ada-0"}, "the id 'Ada-0' ends neither in sc nor in qa"),
        ({"task": "Task4"}, "the task is 'Task4'; there are Task1"),
        ({"output": " "}, r"forget\.jsonl:1: has no text in 'output'"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, change: Row, message: str) -> None:
    rows = list(documents(NAMES[:3]))
    write_lines(tmp_path / "retain.jsonl", rows)
    write_lines(tmp_path / "forget.jsonl", [{**rows[0], **change}])
    with pytest.raises(InputError, match=message):
        read_semeval(str(tmp_path))


def test_half_of_the_membership_files_and_wrong_choices_are_refused(tmp_path: Path) -> None:
    for name in ("forget", "retain"):
        write_lines(tmp_path / f"{name}.jsonl", documents(NAMES[:3]))
    write_lines(tmp_path / "member.jsonl", [{"document": "a b"}])
    with pytest.raises(InputError, match=r"one of member\.jsonl and nonmember\.jsonl"):
        read_semeval(str(tmp_path))
    write_lines(tmp_path / "nonmember.jsonl", [{"document": "a b"}])
    solved = {"question": "?", "choices": ["1"], "answer": 0}
    write_lines(tmp_path / "mmlu.jsonl", [{**solved, "answer": 4, "task": "sums", "examples": [solved]}])
    with pytest.raises(InputError, match="mmlu, row 0: 'answer' is 4, the place of none"):
        read_semeval(str(tmp_path))


def test_a_given_target_is_evaluated_without_gold(data: Path, base: Path, tmp_path: Path) -> None:
    found = benched(tmp_path / "out", "semeval", "--target", base, "--data", data, "--set", "semeval.new_tokens=4")
    assert list(found) == ["target"]


def test_a_model_without_name_is_asked_for(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "semeval", "--data", str(data), "--out", str(tmp_path)]) == 2
    assert "give --model" in capsys.readouterr().err


@pytest.mark.slow
def test_the_real_files_are_whole_and_run_with_a_limit(tmp_path: Path) -> None:
    folder = real("lume")
    data = read_semeval(str(folder))
    sizes = {name: len(rows) for name, rows in data.tasks.items()}
    assert len(sizes) == 12
    assert (sizes["forget_task2_knowledge"], sizes["forget_task2_regurgitation"]) == (1000, 200)
    assert sum(sizes.values()) == len(data.forget) + len(data.retain) == 4392
    few = read_semeval(str(folder), limit=2)
    tokenizer = small_tokenizer([f"{row['prompt']} {row['answer']}" for row in (*few.forget, *few.retain)], 1000)
    base = write_model(small_llama(tokenizer, 1024), tokenizer, tmp_path / "base")
    found = benched(
        tmp_path / "out", "semeval", "--model", base, "--data", folder, "--limit", 2, "--methods", "npo",
        "--epochs", 1, "--set", "semeval.new_tokens=16", "--set", "npo.epochs=1", "--set", "npo.batch_size=4",
    )  # fmt: skip
    assert list(found) == ["target", "gold", "npo"]
    assert json.loads((tmp_path / "out" / "results.json").read_text())["rows"]["retain_task1_knowledge"] >= 1
    assert all(torch.isfinite(torch.tensor(list(values.values()))).all() for values in found.values())
