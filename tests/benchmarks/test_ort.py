"""ORT as somebody runs it, card 002: the same facts in four forms."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from lethe import models
from lethe.auditing.measure import Measurements
from lethe.benchmarks.ort import Ort, gold_probability, spelled
from lethe.benchmarks.ort_data import read_ort
from lethe.cli import main
from lethe.errors import ConfigurationError, InputError
from lethe.examples import Examples, concatenate
from lethe.run import Run
from lethe.tasks import CausalLM
from lethe.worlds.people import People
from lethe.worlds.people.folders import write_model
from tests.benchmarks.stand_in_ort import write_ort

WORLD = People.tiny()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ort")
    write_ort(WORLD, folder / "data")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        write_model(WORLD, WORLD.network(), folder / "model")
    return folder


def trained(model: nn.Module, task: CausalLM, examples: Examples, sign: float, steps: int, rate: float) -> nn.Module:
    """Return a copy that descends (1) on all examples at once, or climbs (-1)."""
    moved = models.copied(model).train()
    optimizer = torch.optim.Adam(moved.parameters(), lr=rate)
    batch = task.prepare(examples.batch(torch.arange(len(examples))))
    for _ in range(steps):
        loss = sign * task.training_losses(moved, batch).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return moved.eval()


def test_a_run_ends_in_a_table_of_forms(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "bench", "ort", "--model", str(place / "model"), "--data", str(place / "data"), "--out", str(tmp_path),
        "--methods", "gradient_ascent", "--set", "gradient_ascent.epochs=1", "--limit", "3", "--json",
    ]  # fmt: skip
    assert main(arguments) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["rows"] == {
        f"{side}_{form}": 3 for side in ("forget", "neighbor") for form in ("fb", "qa", "mcp", "subtoken")
    }
    assert [model["name"] for model in found["models"]] == ["target", "gradient_ascent"]
    values = found["models"][0]["values"]
    forms = [values[f"forget_{form}"] for form in ("fb", "qa", "mcp", "subtoken")]
    assert all(0 < value < 1 for value in forms)
    assert values["forget_mean"] == pytest.approx(sum(forms) / 4)
    assert values["forget_spread"] == pytest.approx(max(forms) - min(forms))


def test_ascent_on_questions_shows_in_the_spread_between_forms(place: Path) -> None:
    benchmark = Ort()
    task = CausalLM(WORLD.tokenizer, context=256)
    sets = benchmark.tasks(benchmark.read(str(place / "data")), task)

    def measured(model: nn.Module) -> dict[str, float]:
        return benchmark.measure(model, task, sets, Run(), Measurements())

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        start = WORLD.network()
    everything = [Examples(one.ids, {k: one[k] for k in ("tokens", "length", "answer_from")}) for one in sets.values()]
    together = everything[0]
    for one in everything[1:]:
        together = concatenate(together, one)
    knows = trained(start, task, together, 1.0, 40, 5e-3)
    before = measured(knows)
    assert before["forget_mean"] > 0.6
    only_questions = measured(trained(knows, task, sets["forget_qa"], -1.0, 3, 1e-3))
    all_forms = measured(
        trained(knows, task, concatenate(concatenate(everything[0], everything[1]), everything[2]), -1.0, 3, 1e-3)
    )
    assert only_questions["forget_qa"] < before["forget_qa"]
    assert only_questions["forget_spread"] > before["forget_spread"]
    assert all_forms["forget_mean"] < before["forget_mean"]


def test_the_answer_is_spelled_a_character_a_line() -> None:
    assert spelled("New York") == "N\ne\nw\nY\no\nr\nk\n"
    task = CausalLM(WORLD.tokenizer, context=256)
    rows = [{"query": "Where?", "answer": "a b"}]
    examples = Ort(shown="x")._spelled(task, "who", rows)
    start, length = int(examples.tensor("answer_from")[0]), int(examples.tensor("length")[0])
    tokens = examples.tensor("tokens")[0].tolist()
    assert WORLD.tokenizer.decode(tokens[start:length]).replace(" ", "").startswith("a")
    with torch.random.fork_rng(devices=[]):
        assert 0 < gold_probability_of(task, examples) < 1


def gold_probability_of(task: CausalLM, examples: Examples) -> float:
    from lethe.benchmarks.asking import Wanted, heard

    found = heard(WORLD.network(), task, {"one": examples}, {"one": Wanted(log=True)}, Run(), Measurements())
    return gold_probability(found["one"].tokens)


def test_people_are_found_by_name_and_others_refused(place: Path) -> None:
    first, second = sorted((place / "data" / "Target").iterdir())[:2]
    name = second.name.split("_", 1)[1].replace("_", " ")
    for split in (name, second.name):
        data = read_ort(str(place / "data"), split, "questions")
        assert {row["subject"] for row in data.tasks["forget_qa"]} == {name}
        assert {row["subject"] for row in data.tasks["neighbor_qa"]} != {name}
    assert read_ort(str(place / "data" / "Target"), "", "positive").forget[0].keys() == {"text"}
    with pytest.raises(ConfigurationError, match=f"no person 'Nobody'.*{first.name}"):
        read_ort(str(place / "data"), "Nobody", "questions")
    with pytest.raises(InputError, match=r"holds no folder of a person, as 1_Stephen_King"):
        read_ort(str(first), "", "questions")
    with pytest.raises(InputError, match=r"holds no reject\.jsonl"):
        read_ort(str(place / "data"), "", "reject")


@pytest.mark.parametrize(
    ("file", "edit", "message"),
    [
        ("forget_level2", lambda row: row.pop("query"), r"forget_level2\.json.*has no text in 'query'"),
        ("neighbor_mcp", lambda row: row.update(answer="E"), r"neighbor_mcp, row 0 \(from 0\): 'answer' is 'E'"),
    ],
)
def test_what_is_wrong_with_a_row_is_named(tmp_path: Path, file: str, edit, message: str) -> None:
    write_ort(WORLD, tmp_path)
    path = next((tmp_path / "Target").glob(f"1_*/{file}.json"))
    rows = json.loads(path.read_text())
    edit(rows[0])
    path.write_text(json.dumps(rows))
    with pytest.raises(InputError, match=message):
        read_ort(str(tmp_path), "", "questions")
