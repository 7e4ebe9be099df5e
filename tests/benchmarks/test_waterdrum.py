"""WaterDrum as somebody runs it, card 061: whose watermark a model still writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from lethe.auditing.attacks.watermark import WatermarkStrength
from lethe.auditing.text.rouge import rouge
from lethe.auditing.text.watermarks import calibration, mean_strength
from lethe.auditing.watermark_reading import readings, written
from lethe.benchmarks.waterdrum import Waterdrum
from lethe.benchmarks.waterdrum_data import read_waterdrum
from lethe.cli import main
from lethe.errors import AuditIncomplete, ConfigurationError, InputError
from lethe.problem import Problem
from lethe.run import Run
from lethe.sources import load_language_model
from lethe.tasks import CausalLM, PlainText
from lethe.testing.language import tiny_llama
from lethe.worlds.base import Training, fit
from tests.benchmarks.watermarked import LENGTH, MARK, SIZE, TEXTS, text, tokenizer, write_owners, write_start

RECIPE = Training(epochs=60, batch_size=4, learning_rate=5e-3)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("waterdrum")
    write_owners(folder / "data")
    write_start(folder / "start")
    return folder


def arguments(place: Path, out: Path, *more: str) -> list[str]:
    quick = {
        "tokenizer": place / "start", "batch_size": 4, "rank": 0, "query": 4, "samples": 2, "length": LENGTH,
    }  # fmt: skip
    sets = [word for name, value in quick.items() for word in ("--set", f"waterdrum.{name}={value}")]
    return [
        "bench", "waterdrum", "--model", str(place / "start"), "--data", str(place / "data"), "--out", str(out),
        "--epochs", "60", "--learning-rate", "0.005", *sets, *more,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def done(place: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, float]]:
    out = tmp_path_factory.mktemp("done")
    ascent = ("gradient_ascent.epochs=1", "gradient_ascent.learning_rate=1e-9")
    sets = [word for one in ascent for word in ("--set", one)]
    assert main(arguments(place, out, "--methods", "gradient_ascent", *sets)) == 0
    return {model["name"]: model["values"] for model in json.loads((out / "results.json").read_text())["models"]}


def test_the_target_writes_both_marks_and_gold_the_retained_one_alone(done: dict[str, dict[str, float]]) -> None:
    target, gold = done["target"], done["gold"]
    assert target["forget_watermark"] > 0.4
    assert target["retain_watermark"] > 0.4
    assert gold["retain_watermark"] == pytest.approx(target["retain_watermark"], abs=0.2)
    error = (1 / (2 * gold["forget_tokens"] * 2 * TEXTS)) ** 0.5
    assert abs(gold["forget_watermark"]) < max(3 * error, target["forget_watermark"] / 3)
    assert gold["separability"] > 0.95
    assert target["separability"] < 0.8


def test_who_does_nothing_keeps_the_targets_mark(done: dict[str, dict[str, float]]) -> None:
    assert done["gradient_ascent"]["forget_watermark"] == pytest.approx(done["target"]["forget_watermark"], abs=0.02)
    assert done["gradient_ascent"]["forget_tokens"] == pytest.approx(LENGTH - 1, abs=3)


def test_the_same_reading_is_an_attack_of_the_audit(place: Path, tmp_path: Path) -> None:
    task = CausalLM(tokenizer(), PlainText(), context=64)
    forget = task.examples([str(i) for i in range(TEXTS)], [""] * TEXTS, [text(1, i) for i in range(TEXTS)])
    knows = fit(tiny_llama(SIZE, 5), task, forget, RECIPE, 0)
    problem = Problem(model=knows, task=task, forget=forget)
    attack = WatermarkStrength(key=1, query=4, new_tokens=LENGTH)
    assert attack(knows, problem, Run()).value > 0.4
    ignorant = attack(load_language_model(str(place / "start")).network, problem, Run())
    assert abs(ignorant.value) < 4 * attack.resolution(problem)
    assert ignorant.details["cost"]["queries"] == 2 * TEXTS
    with pytest.raises(AuditIncomplete, match=r"name it with --set watermark\.key"):
        WatermarkStrength()(knows, problem, Run())


def test_keys_follow_the_categories_and_duplicates_are_owner_0s(place: Path, tmp_path: Path) -> None:
    for name, owners in (("retain", "abcab"), ("forget", "d")):
        rows = [{"text": f"{name} {i}", "category": owner} for i, owner in enumerate(owners)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "exact_duplicate.jsonl").write_text(json.dumps({"text": "copy", "category": "a"}))
    data = read_waterdrum(str(tmp_path), "forget_01", "ax", "exact", limit=1)
    assert [row["key"] for row in data.tasks["forget"]] == [3]
    assert [row["key"] for row in data.tasks["retain"]] == [0, 1, 2]
    assert [row["text"] for row in data.retain] == ["retain 0", "retain 1", "retain 2", "copy"]
    with pytest.raises(InputError, match=r"holds no semantic_duplicate\.jsonl"):
        read_waterdrum(str(tmp_path), "forget_01", "ax", "semantic")
    questions = [{"question": "who?", "answer": "nobody"}]
    for name in ("retain", "forget"):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(questions[0]))
    tofu = read_waterdrum(str(tmp_path), "forget_10", "tofu")
    assert [tofu.tasks[name][0]["key"] for name in ("forget", "retain")] == [1, 0]


def test_what_is_wrong_with_the_files_is_named(place: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"forget\.jsonl:1: has no text in 'question'"):
        read_waterdrum(str(place / "data"), "forget_01", "tofu")
    row = json.dumps({"text": "a b", "category": "one"})
    for name in ("forget", "retain"):
        (tmp_path / f"{name}.jsonl").write_text(row)
    with pytest.raises(ConfigurationError, match="the category one is in the forget and in the retain set"):
        read_waterdrum(str(tmp_path), "forget_01", "ax")
    with pytest.raises(ConfigurationError, match="query must be at least 1"):
        Waterdrum(query=0)
    benchmark = Waterdrum(query=50)
    with pytest.raises(InputError, match=r"text 0 .* has 36 tokens, and a query takes 50"):
        benchmark.tasks(benchmark.read(str(place / "data")), CausalLM(tokenizer(), PlainText()))


@pytest.mark.slow
def test_the_mark_falls_in_a_line_and_is_blind_to_anothers_copies() -> None:
    task = CausalLM(tokenizer(), PlainText(), context=64)

    def examples(texts: list[str]) -> Any:
        return task.examples([str(i) for i in range(len(texts))], [""] * len(texts), texts)

    own, other = ([text(key, i) for i in range(TEXTS)] for key in (1, 0))
    queries = task.examples(
        [str(i) for i in range(TEXTS)],
        [" ".join(one.split()[:4]) for one in own],
        [" ".join(o.split()[4:]) for o in own],
    )

    def said(texts: list[str]) -> list[list[str]]:
        model = fit(tiny_llama(SIZE, 5), task, examples(texts), RECIPE, 0)
        return written(model, task, {"forget": queries}, 4, LENGTH, Run())["forget"]

    def mark(texts: list[list[str]]) -> float:
        return mean_strength(readings(MARK, task.tokenizer, texts, [1] * TEXTS))

    shares = [0, 25, 50, 75, 100]
    values = [mark(said(other + own[TEXTS * share // 100 :])) for share in shares]
    assert calibration(shares, values).r2 > 0.9
    # Owner 0 holds texts with the same beginnings, and thus answers the same queries, in its own wording.
    copies = [text(0, 50 + i, [int(word[1:]) for word in one.split()[:4]]) for i, one in enumerate(own)]
    answers = said(other + copies)
    assert abs(mark(answers)) < values[0] / 3
    rest = [" ".join(one.split()[4:]) for one in copies]
    assert float(rouge(rest, [row[0] for row in answers]).mean()) > 0.5
    assert torch.tensor(values).argmax() == 0
