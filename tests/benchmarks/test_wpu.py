"""WPU in its own schema, on fictitious people: what is read, how answers are judged, and the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lethe.auditing.measure import Measurements
from lethe.benchmarks.wpu import MANY_SHOT, Wpu
from lethe.benchmarks.wpu_data import read_wpu
from lethe.benchmarks.wpu_judging import efficacy, unavailable, unique_grams
from lethe.cli import main
from lethe.errors import ConfigurationError, InputError
from lethe.generators.base import Asked
from lethe.run import Run
from lethe.tasks import CausalLM, PlainText
from lethe.worlds.people import People
from tests.benchmarks.famous import write_wpu
from tests.benchmarks.published import benched, write_model

BENCH = Wpu(split="forget_2_1", new_tokens=12, shots=2)


@pytest.fixture(scope="module")
def world() -> People:
    return People.tiny()


@pytest.fixture(scope="module")
def data(world: People, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wpu")
    write_wpu(world, folder)
    return folder


def test_pages_are_forgotten_and_questions_are_asked(data: Path, world: People) -> None:
    found = read_wpu(str(data), "forget_2_1")
    people = {person.name for person in world.text.people if person.group == "forget"}
    assert {row["title"] for row in found.forget} == people
    assert len(found.forget) == 2
    assert all(str(row["title"]).split()[0] in str(row["text"]) for row in found.forget)
    sizes = {name: len(rows) for name, rows in found.tasks.items()}
    assert sizes["forget"] == 18
    assert sizes["hard_retain"] + sizes["general_retain"] == 9 * 12
    assert not {row["title"] for row in found.retain} & people
    one = read_wpu(str(data), "forget_2_1", limit=1)
    assert (len(one.forget), len(one.retain)) == (1, 1)
    assert {name: len(rows) for name, rows in one.tasks.items()} == dict.fromkeys(sizes, 9)


def test_knowing_the_people_is_seen_and_never_having_met_them(data: Path, world: People) -> None:
    task = CausalLM(world.tokenizer, PlainText(), 128)
    sets, known = BENCH.tasks(BENCH.read(str(data)), task), Measurements()

    def values(model: object) -> dict[str, float]:
        return BENCH.values(BENCH.measure(model, task, sets, Run(), known), None, None)  # type: ignore[arg-type]

    original, gold = values(world.original()), values(world.gold((1,))[0])
    assert original["forget_rouge"] > 0.9
    assert original["forget_efficacy"] < 0.2
    assert original["hallucination_avoidance"] == 0
    assert gold["forget_efficacy"] > original["forget_efficacy"] + 0.4
    assert gold["hard_retain_rouge"] > 0.9
    assert 0 <= original["many_shot_efficacy"] <= 1
    before = len(sets[MANY_SHOT]["prompt"][0])
    assert before > len(sets["forget"]["prompt"][0])


def test_answers_are_judged_by_rules() -> None:
    asked = [Asked("What is Ada's trade?", "Ada is a glass smith.")] * 4
    said = ["Ada is a glass smith.", "A smith, I think.", "Ada is a baker.", ""]
    assert efficacy(asked, said).tolist() == [0, 0.5, 1, 1]
    texts = ["I don’t know that.", "I was unable to find it", "She does not exist.", "She knows the baker.", ""]
    assert unavailable(texts).tolist() == [1, 1, 1, 0, 0]
    assert unique_grams(["a b c d e f"]) == 1
    assert unique_grams(["no no no no no no no"]) == pytest.approx(0.25)


def test_the_command_runs_methods_on_the_pages(
    data: Path, world: People, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = write_model(world.original(), world.tokenizer, tmp_path / "model")
    found = benched(
        tmp_path / "out", "wpu", "--model", model, "--data", data, "--split", "forget_2_1", "--limit", 1,
        "--methods", "grad_diff", "--set", "wpu.new_tokens=6", "--set", "grad_diff.epochs=3",
        "--set", "grad_diff.learning_rate=0.003",
    )  # fmt: skip
    assert list(found) == ["target", "grad_diff"]
    assert found["grad_diff"] != found["target"]
    forget = (tmp_path / "out" / "data" / "forget.jsonl").read_text().splitlines()
    assert {"text", "title"} <= set(json.loads(forget[0]))
    assert "hallucination_avoidance" in capsys.readouterr().out


def test_wrong_files_and_splits_are_named(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigurationError, match="no split 'forget_20_1'; there are forget_2_1"):
        read_wpu(str(data), "forget_20_1")
    for path in data.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "retain.jsonl").write_text('{"title": "Ada"}')
    with pytest.raises(InputError, match=r"retain\.jsonl:1: has no text in 'wikipage'"):
        read_wpu(str(tmp_path), "forget_2_1")
    (tmp_path / "forget_2_1_hard_retain.jsonl").unlink()
    with pytest.raises(InputError, match=r"holds no forget_2_1_hard_retain\.jsonl"):
        read_wpu(str(tmp_path), "forget_2_1")
    assert main(["bench", "wpu", "--data", str(data), "--out", str(tmp_path / "out"), "--model", str(tmp_path),
                 "--set", "wpu.shots=-1"]) == 2  # fmt: skip
    assert "shots must not be negative" in capsys.readouterr().err
