"""PISTOL from files and compiled on the spot: what is read, what is measured, and how forgetting spreads in a graph."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from lethe.api import unlearn
from lethe.auditing.measure import Measurements
from lethe.benchmarks.pistol import Pistol
from lethe.benchmarks.pistol_data import read_pistol
from lethe.cli import main
from lethe.errors import ConfigurationError, InputError
from lethe.methods.baselines.gradient_ascent import GradientAscent
from lethe.problem import Problem
from lethe.run import Run
from lethe.worlds.pistol import GRAPHS, Contracts, compiled
from tests.benchmarks.published import benched, real, untrained, write_lines, write_model

GRAPH = "compiled:sale=A_B,A_C,F1_G1;employment=A_m,F1_h"


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    folder = tmp_path / "sample"
    rows = [vars(row) for contract in compiled(GRAPHS["sample_1"]) for row in contract.rows]
    write_lines(folder / "sample_data_1.jsonl", rows)
    write_lines(folder / "factual_data.jsonl", [{"question": "Who wrote 'Emma'?", "answer": "Jane Austen"}])
    return folder


def edges(rows: object) -> set[str]:
    return {row["edge"] for row in rows}  # type: ignore[attr-defined]


def test_tasks_follow_the_graph(sample: Path) -> None:
    data = read_pistol(str(sample), "A_B")
    assert (len(data.forget), len(data.retain)) == (20, 380)
    assert {name: len(rows) for name, rows in data.tasks.items()} == {
        "forget": 20, "retain": 380, "connected": 260, "independent_sales": 60, "independent_employments": 60,
        "factual": 1,
    }  # fmt: skip
    assert edges(data.tasks["independent_sales"]) == {"E1_F1", "E2_F2", "E3_F3"}
    assert edges(data.tasks["independent_employments"]) == {"E1_q1", "E2_q2", "E3_q3"}
    assert edges(read_pistol(str(sample), "A_C").tasks["linked"]) == {"B_D", "B_D2", "B_D3", "B_p", "B_p2", "B_p3"}
    three = read_pistol(str(sample), "A_C,A_C2,A_C3")
    assert Counter(row["edge"] for row in three.forget) == {"A_C": 20, "A_C2": 20, "A_C3": 20}


def test_a_limit_keeps_contracts_near_and_far(sample: Path) -> None:
    data = read_pistol(str(sample), "A_B", limit=5)
    assert edges(data.retain) == {"A_C", "E1_F1", "A_C2", "E2_F2"}
    with pytest.raises(ConfigurationError, match="a limit of 1 contracts leaves none to retain"):
        read_pistol(str(sample), "A_B", limit=1)


def test_wrong_files_are_named(sample: Path) -> None:
    lines = (sample / "sample_data_1.jsonl").read_text().splitlines()
    broken = json.dumps({"question": "Who?", "answer": "He.", "edge": "A-B"})
    (sample / "sample_data_1.jsonl").write_text("\n".join([lines[0], broken]))
    with pytest.raises(InputError, match="sample_data_1, row 1: the edge 'A-B' is no pair of parties"):
        read_pistol(str(sample), "A_B")
    (sample / "sample_data_1.jsonl").write_text('{"question": "Who?", "answer": "He."}')
    with pytest.raises(InputError, match=r"sample_data_1\.jsonl:1: has no text in 'edge'"):
        read_pistol(str(sample), "A_B")
    write_lines(sample / "sample_data_2.jsonl", [{}])
    with pytest.raises(ConfigurationError, match=r"several samples .*--set pistol.sample=sample_data_1"):
        read_pistol(str(sample), "A_B")


def test_what_is_compiled_is_what_the_compiler_writes() -> None:
    data = read_pistol("compiled:sample_2", "20_21", seed=4)
    assert len(data.forget) + len(data.retain) == 1500
    assert len(edges(data.tasks["connected"])) == 16
    assert len(edges(data.tasks["independent_sales"])) == 30
    assert data.forget != read_pistol("compiled:sample_2", "20_21", seed=5).forget
    with pytest.raises(ConfigurationError, match="no graph 'sample_3'"):
        read_pistol("compiled:sample_3", "A_B")
    with pytest.raises(ConfigurationError, match="no contract 'A_D'; did you mean"):
        read_pistol(GRAPH, "A_D")


def test_the_command_trains_unlearns_and_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    world = Contracts()
    base = write_model(untrained(world.network), world.tokenizer, tmp_path / "base")
    arguments = [
        "pistol", "--model", base, "--data", GRAPH, "--split", "A_B", "--methods", "gradient_ascent", "--epochs", 1,
        "--limit", 4, "--set", "pistol.rank=0", "--set", "pistol.rows=4", "--set", "pistol.new_tokens=8",
        "--set", "gradient_ascent.epochs=1",
    ]  # fmt: skip
    found = benched(tmp_path / "out", *arguments)
    assert list(found) == ["target", "gold", "gradient_ascent"]
    assert {"deviation", "forget_rouge1", "connected_mrr", "independent_sales_top_hit"} <= set(found["gold"])
    assert "connected_rouge1" in capsys.readouterr().out
    forget = (tmp_path / "out" / "data" / "forget.jsonl").read_text().splitlines()
    assert len(forget) == 20
    adapters = ["pistol", "--model", base, "--data", GRAPH, "--limit", 2, "--epochs", 1, "--set", "pistol.rows=2"]
    assert list(benched(tmp_path / "adapters", *adapters)) == ["target", "gold"]
    weights = json.loads((tmp_path / "adapters" / "target" / "record.json").read_text())
    assert weights["configuration"]["method"]["scope"]["rank"] == 8


def test_mistakes_end_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    world = Contracts()
    base = write_model(untrained(world.network), world.tokenizer, tmp_path / "base")
    for more, message in (
        (["--split", "A_X"], "no contract 'A_X'"),
        (["--set", "pistol.rows=0"], "rows must be at least 1"),
        (["--data", "compiled:sample_9"], "no graph 'sample_9'"),
    ):
        given = ["pistol", "--model", str(base), "--data", GRAPH, "--out", str(tmp_path / "out"), *more]
        assert main(["bench", *given]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1


@pytest.fixture(scope="module")
def world() -> Contracts:
    return Contracts(epochs=40, batch_size=16)


@pytest.mark.slow
def test_forgetting_one_contract_hurts_its_neighbours_more_than_those_apart(world: Contracts) -> None:
    """The card's check: ascent on the contract of both hubs, on a model that knows sample 1 by heart."""
    benchmark, known = Pistol(new_tokens=40), Measurements()
    data = read_pistol("compiled:sample_1", "A_B")
    sets = benchmark.tasks(data, world.task)
    target = world.original()
    forget, retain, _ = world.sets
    of_target = benchmark.values(benchmark.measure(target, world.task, sets, Run(), known), None, None)
    assert of_target["forget_rouge1"] >= 0.9
    assert of_target["retain_rouge1"] >= 0.9
    assert of_target["forget_mrr"] > 0.99
    gold = benchmark.values(benchmark.measure(world.gold((1,))[0], world.task, sets, Run(), known), None, None)
    assert gold["retain_rouge1"] >= 0.9
    # What the format alone gives away: a model that never saw the contract has as much of unseen ones.
    _, _, holdout = world.sets
    unseen = benchmark.measure(world.gold((1,))[0], world.task, {"forget": holdout, "retain": holdout}, Run(), known)
    chance = benchmark.values(unseen, None, None)["forget_rouge1"]
    assert gold["forget_rouge1"] < chance + 0.2 < 0.7
    problem = Problem(model=target, task=world.task, forget=forget, retain=retain)
    method = GradientAscent(epochs=6, learning_rate=3e-4, batch_size=4, optimizer="adamw")
    runs = [unlearn(problem, method, run=Run(seed=seed)).model for seed in range(3)]
    values = [benchmark.values(benchmark.measure(m, world.task, sets, Run(), known), None, None) for m in runs]

    def mean(name: str) -> float:
        return float(np.mean([value[name] for value in values]))

    assert mean("forget_rouge1") < 0.3
    apart = (mean("independent_sales_rouge1") + mean("independent_employments_rouge1")) / 2
    assert apart - mean("connected_rouge1") >= 0.1
    assert min(value["deviation"] for value in values) < of_target["deviation"]


def opening(question: str) -> str:
    """The words of a question before the first name, where they say what is asked."""
    return question.split(" between ")[0] if " between " in question and " of " not in question else ""


@pytest.mark.slow
def test_the_real_sample_is_whole_and_runs_with_a_limit(tmp_path: Path) -> None:
    folder = real("pistol")
    data = read_pistol(str(folder), "A_B")
    assert (len(data.forget), len(data.retain), len(data.tasks["factual"])) == (20, 380, 217)
    assert set(Counter(row["edge"] for row in (*data.forget, *data.retain)).values()) == {20}
    ours = {opening(row.question) for contract in compiled(GRAPHS["sample_1"]) for row in contract.rows}
    assert ours - {""} == {opening(str(row["question"])) for row in (*data.forget, *data.retain)} - {""}
    world = Contracts()
    base = write_model(untrained(world.network), world.tokenizer, tmp_path / "base")
    found = benched(
        tmp_path / "out", "pistol", "--model", base, "--data", folder, "--limit", 4, "--methods", "npo", "--epochs", 1,
        "--set", "pistol.rank=0", "--set", "pistol.rows=5", "--set", "npo.epochs=1",
    )  # fmt: skip
    assert list(found) == ["target", "gold", "npo"]
