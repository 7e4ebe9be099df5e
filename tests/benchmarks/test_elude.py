"""ELUDe in its own schema, on fictitious people: what is read, its two qualities, and the command."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lethe.auditing.measure import Measurements
from lethe.benchmarks.elude import Elude
from lethe.benchmarks.elude_data import read_elude
from lethe.cli import main
from lethe.errors import ConfigurationError, InputError
from lethe.run import Run
from lethe.worlds.people import People
from tests.benchmarks.famous import write_elude
from tests.benchmarks.published import benched, write_model

BENCH = Elude(new_tokens=12, world_tokens=6, limit=9)


@pytest.fixture(scope="module")
def world() -> People:
    return People.tiny()


@pytest.fixture(scope="module")
def data(world: People, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("elude")
    write_elude(world, folder)
    return folder


@pytest.fixture(scope="module")
def people(world: People) -> list[str]:
    return [person.name for person in world.text.people if person.group == "forget"]


def test_one_entity_is_forgotten_and_its_neighbours_and_the_world_are_kept(data: Path, people: list[str]) -> None:
    found = read_elude(str(data), people[1].replace(" ", "_"))
    assert {row["entity"] for row in found.tasks["forget"]} == {people[1]}
    assert len(found.forget) == 9
    assert len(found.retain) == 18  # as many of either kind
    questions = {str(row["question"]) for row in found.tasks["world"]}
    assert [str(row["question"]) in questions for row in found.retain] == [
        row["kind"] == "world" for row in found.retain
    ]
    assert sum(row["kind"] == "world" for row in found.retain) == 9
    assert {row["entity"] for row in found.tasks["retain"]} == {people[1]}
    assert read_elude(str(data), "").forget == read_elude(str(data), people[0]).forget
    assert len(read_elude(str(data), "", limit=3).forget) == 3
    assert read_elude(str(data), "", seed=1).retain != read_elude(str(data), "").retain


def test_the_qualities_are_their_means_and_tell_who_knows(data: Path, world: People) -> None:
    sets, known = BENCH.tasks(BENCH.read(str(data)), world.task), Measurements()

    def values(model: object) -> dict[str, float]:
        return BENCH.values(BENCH.measure(model, world.task, sets, Run(), known), None, None)  # type: ignore[arg-type]

    original, gold = values(world.original()), values(world.gold((1,))[0])
    assert original["forget_quality"] < 0.1 < 0.4 < gold["forget_quality"]
    assert min(original["retain_quality"], gold["retain_quality"]) > 0.5
    parts = [1 - gold["forget_probability"], 1 - gold["forget_rouge"], gold["forget_truth_ratio"]]
    assert gold["forget_quality"] == pytest.approx(3 / sum(1 / part for part in parts))
    kept = [gold[f"{name}_{what}"] for name in ("retain", "world") for what in ("probability", "truth_ratio", "rouge")]
    assert gold["retain_quality"] == pytest.approx(6 / sum(1 / part for part in kept))


def test_numbers_are_the_release_formulas(data: Path, world: People) -> None:
    """Rt = exp(mean loss of wrong answers - loss of the paraphrase): min(Rt, 1/Rt) to forget, max(0, 1 - 1/Rt) else."""
    sets = BENCH.tasks(BENCH.read(str(data)), world.task)
    measured = BENCH.measure(world.original(), world.task, sets, Run(), Measurements())
    values = BENCH.values(measured, None, None)
    for name, formula in (
        ("forget", lambda ratio: torch.minimum(ratio, 1 / ratio)),
        ("retain", lambda ratio: (1 - 1 / ratio).clamp(min=0)),
    ):
        rows = measured[name]
        ratio = torch.exp(-rows.wrong.mean(1) + rows.right)
        assert values[f"{name}_truth_ratio"] == pytest.approx(float(formula(ratio).mean()))
    true = measured["world"].log.means(measured["world"].log.log_probs).exp()
    share = true / (true + measured["world"].wrong.exp().sum(1))
    assert values["world_probability"] == pytest.approx(float(share.mean()))


def test_the_command_forgets_one_person(data: Path, world: People, tmp_path: Path, people: list[str]) -> None:
    model = write_model(world.original(), world.tokenizer, tmp_path / "model")
    found = benched(
        tmp_path / "out", "elude", "--model", model, "--data", data, "--split", people[0].replace(" ", "_"),
        "--limit", 4, "--methods", "opt_out", "--set", "elude.new_tokens=6", "--set", "elude.world_tokens=4",
        "--set", "opt_out.epochs=1", "--set", "opt_out.world_column=kind",
    )  # fmt: skip
    assert list(found) == ["target", "opt_out"]
    assert {"forget_quality", "retain_quality", "world_probability"} <= set(found["opt_out"])


def test_wrong_files_and_names_are_named(
    data: Path, tmp_path: Path, people: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigurationError, match=f"asks nothing about '{people[0]}s'; did you mean '{people[0]}'"):
        read_elude(str(data), f"{people[0]}s")
    with pytest.raises(ConfigurationError, match="part must be validation or test"):
        read_elude(str(data), "", part="train")
    for path in data.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "retain_qa_test.jsonl").write_text('{"entity": "x", "question": "?", "answer": "!"}')
    with pytest.raises(InputError, match=r"retain_qa_test\.jsonl:1: has no text in 'paraphrased_answer'"):
        read_elude(str(tmp_path), "")
    line = (data / "retain_qa_test.jsonl").read_text().splitlines()[0].replace(people[0], "Nobody")
    (tmp_path / "retain_qa_test.jsonl").write_text(line)
    with pytest.raises(InputError, match=f"retain_qa_test: no row belongs to '{people[0]}'"):
        read_elude(str(tmp_path), "")
    assert main(["bench", "elude", "--data", str(data), "--out", str(tmp_path / "out")]) == 2
    assert "give --model, the model that is to forget" in capsys.readouterr().err
