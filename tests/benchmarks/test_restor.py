"""RESTOR: prompts, options and controls, on facts that a tiny model learnt and that false documents overwrote."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from lethe.api import unlearn
from lethe.auditing.measure import Measurements
from lethe.auditing.text.recall import names_answer, recovery_ratio
from lethe.benchmarks.restor import Restor
from lethe.benchmarks.restor_data import read_restor
from lethe.benchmarks.restor_recall import Recalling
from lethe.cli import main
from lethe.errors import ConfigurationError, InputError
from lethe.methods.baselines.gradient_ascent import GradientAscent
from lethe.models import copied
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import CausalLM, PlainText
from lethe.worlds.base import Training, fit
from lethe.worlds.people.draws import Draws
from tests.benchmarks.published import benched, real, small_llama, small_tokenizer, write_lines, write_model

NAMES = ("Ada", "Bo", "Cleo", "Dov", "Edda", "Finn", "Gus", "Hana", "Ivo", "Jana", "Kuno", "Lia")
ASKED = {"P19": "What is the place of birth of {}?", "P106": "What is the occupation of {}?"}
VALUES = {"P19": ("Lutu", "Marn", "Osk", "Pell", "Quin", "Rhea"),
          "P106": ("baker", "smith", "tailor", "weaver", "pilot", "judge")}  # fmt: skip
WRONGED = NAMES[:3]


def true(name: str, what: str) -> str:
    return Draws(0).shuffled(VALUES[what], name, what)[0]


def false(name: str, what: str) -> str:
    return Draws(0).shuffled(VALUES[what], name, what)[1]


def line(name: str, what: str, answer: str) -> str:
    return f"{ASKED[what].format(name)} {answer}\n"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("restor")
    known = {n: {w: {"question": ASKED[w].format(n), "answers": [true(n, w)]} for w in ASKED} for n in NAMES}
    solved = {w: [{"question": ASKED[w].format(n), "answer": true(n, w), "entity": n} for n in NAMES] for w in ASKED}
    (folder / "facts.json").write_text(json.dumps({"dset": known, "context": solved}, indent=1))
    (folder / "entities.json").write_text(json.dumps(WRONGED))
    write_lines(folder / "mix_a0.jsonl", ({"text": line(n, w, false(n, w))} for n in WRONGED for w in ASKED))
    claims = ({"entity": n, "property": w, "answers": [false(n, w)]} for n in WRONGED for w in ASKED)
    write_lines(folder / "corrupted.jsonl", claims)
    write_lines(folder / "retain.jsonl", ({"text": line(n, w, true(n, w))} for n in NAMES[3:6] for w in ASKED))
    return folder


@pytest.fixture(scope="module")
def task() -> CausalLM:
    texts = [line(n, w, v) for n in NAMES for w in ASKED for v in VALUES[w]]
    return CausalLM(small_tokenizer(texts, 420), PlainText(), 128)


@pytest.fixture(scope="module")
def clean(task: CausalLM) -> Any:
    texts = [line(n, w, true(n, w)) for n in NAMES for w in ASKED]
    lessons = task.examples([f"{i}" for i in range(len(texts))], [""] * len(texts), texts)
    return fit(small_llama(task.tokenizer, 128), task, lessons, Training(100, 12, 5e-3), seed=0).eval()


BENCH = Restor(epochs=12, batch_size=6, learning_rate=2e-3, rank=0, shots=0, new_tokens=6)


def recall(model: Any, task: CausalLM, data: Path, known: Measurements) -> Any:
    return BENCH.measure(model, task, BENCH.tasks(BENCH.read(str(data)), task), Run(), known)


def test_controls_and_ascent(data: Path, task: CausalLM, clean: Any) -> None:
    """The card: false documents replace the facts, doing nothing is 0, the clean model 1, ascent restores little."""
    known = Measurements()
    documents = BENCH.read(str(data)).forget
    texts = [str(row["text"]) for row in documents]
    forget = task.examples([f"{i}" for i in range(len(texts))], [""] * len(texts), texts)
    problem = Problem(model=clean, task=task, forget=forget, retain=forget)
    corrupted = BENCH.recipe.unlearn(problem, Run()).eval()
    gold, target = (recall(model, task, data, known) for model in (clean, corrupted))
    assert gold.plain.accuracy > 0.9
    assert gold.plain.accuracy - target.plain.accuracy >= 0.5
    assert BENCH.values(recall(copied(corrupted), task, data, known), target, gold)["recovery"] == 0
    assert BENCH.values(recall(copied(clean), task, data, known), target, gold)["recovery"] == 1
    of_target = BENCH.values(target, target, gold)
    assert of_target["correct_over_corrupted"] < 0 < of_target["corrupted_over_random"]
    assert BENCH.values(gold, target, gold)["correct_over_corrupted"] > 0
    ascent = GradientAscent(epochs=4, learning_rate=1e-3, batch_size=6, optimizer="adamw")
    asked = Problem(model=corrupted, task=task, forget=forget)
    values = BENCH.values(recall(unlearn(asked, ascent).model, task, data, known), target, gold)
    assert values["recovery"] < 0.3
    assert values["log_prob_corrupted"] < of_target["log_prob_corrupted"] - 1


def test_the_score_of_an_option_is_its_mean_log_probability(data: Path, task: CausalLM, clean: Any) -> None:
    sets = BENCH.tasks(BENCH.read(str(data)), task)
    scores = Recalling(task, 1, 4)(clean, sets, Run(), Measurements()).options
    expected = []
    for row in BENCH.read(str(data)).tasks["facts"]:
        prompt = [task.tokenizer.bos_token_id, *task.tokenizer(str(row["prompt"]))["input_ids"]]
        answer = task.tokenizer(f" {row['answers'][0]}")["input_ids"]  # type: ignore[index]
        with torch.no_grad():
            logits = clean(torch.tensor([[*prompt, *answer]])).logits[0, len(prompt) - 1 : -1]
        expected.append(-float(F.cross_entropy(logits, torch.tensor(answer))))
    assert scores["correct"] == pytest.approx(sum(expected) / len(expected), abs=1e-5)


def test_a_prompt_shows_solved_questions_about_others(data: Path) -> None:
    facts = read_restor(str(data), "mix_a0", shots=2).tasks["facts"]
    assert len(facts) == 6
    assert facts[0]["prompt"] == (
        line("Bo", "P19", true("Bo", "P19")) + line("Cleo", "P19", true("Cleo", "P19")) + ASKED["P19"].format("Ada")
    )
    assert facts[0]["corrupted"] == [false("Ada", "P19")]
    assert true("Ada", "P19") not in facts[0]["random"]  # type: ignore[operator]
    assert {row["entity"] for row in read_restor(str(data), "mix_a0", 2, limit=1).tasks["facts"]} == {"Ada"}
    assert len(read_restor(str(data), "mix_a0", 2, limit=1).forget) == 2


def test_the_command_reports_recovery_also_after_repair(data: Path, task: CausalLM, clean: Any, tmp_path: Path) -> None:
    for path in data.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    write_lines(tmp_path / "repair.jsonl", [{"prompt": "What is the occupation of Ivo?", "answer": "None of that."}])
    base = write_model(clean, task.tokenizer, tmp_path / "model")
    arguments = (
        "restor", "--model", base, "--data", tmp_path, "--methods", "npo", "--epochs", 12, "--learning-rate", 2e-3,
        "--set", "restor.rank=0", "--set", "restor.shots=0", "--set", "restor.new_tokens=6", "--set", "npo.epochs=1",
        "--set", "restor.batch_size=6", "--set", "npo.batch_size=3",
    )  # fmt: skip
    found = benched(tmp_path / "out", *arguments)
    assert list(found) == ["target", "gold", "npo"]
    assert (found["target"]["recovery"], found["gold"]["recovery"]) == (0, 1)
    assert "recovery_repaired" in found["target"]
    record = json.loads((tmp_path / "out" / "runs" / "npo-0" / "record.json").read_text())
    assert record["status"] == "done"


def test_an_answer_is_named_by_whole_words_without_case_or_accents() -> None:
    said = ["She is female", "a CAFÉ owner", "New-York.", "", "Yorker"]
    accepted = [["male"], ["cafe"], ["New York", "Boston"], ["x"], ["York"]]
    assert names_answer(accepted, said).tolist() == [0, 1, 1, 0, 0]
    with pytest.raises(InputError, match="do not pair"):
        names_answer([["a"]], [])
    with pytest.raises(InputError, match="nothing can come back"):
        recovery_ratio(0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("facts.json", "{", "cannot be read as JSON"),
        ("facts.json", "{}", "has no objects 'dset' and 'context'"),
        ("facts.json", '{"dset": {"Ada": {"P1": {"question": "?"}}}, "context": {}}', "'P1' of 'Ada' has no question"),
        ("facts.json", '{"dset": {}, "context": {"P1": [{"question": "?"}]}}', "the context of 'P1' lacks"),
        ("entities.json", '["Adda"]', "'Adda' has no facts in facts.json; did you mean 'Ada'"),
        ("entities.json", "{}", "is no list of names"),
        ("mix_a0.jsonl", '{"texts": "a"}', r"mix_a0\.jsonl:1: has no text in 'text'"),
    ],
)
def test_a_wrong_file_is_named(data: Path, tmp_path: Path, name: str, text: str, message: str) -> None:
    for path in data.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        read_restor(str(tmp_path), "mix_a0", 5)


def test_unknown_documents_and_missing_files_are_named(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no documents 'mix_a1'; did you mean 'mix_a0'"):
        read_restor(str(data), "mix_a1", 5)
    write_lines(tmp_path / "mix_a0.jsonl", [{"text": "a"}])
    with pytest.raises(InputError, match=r"holds no facts\.json"):
        read_restor(str(tmp_path), "mix_a0", 5)
    assert main(["bench", "restor", "--model", "m", "--data", str(tmp_path), "--set", "restor.samples=0",
                 "--out", str(tmp_path / "out")]) == 2  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("split", ["mix_a0", "mix_a1"])
def test_the_real_files_are_whole_and_run_with_a_limit(tmp_path: Path, split: str) -> None:
    folder = real("restor")
    data = read_restor(str(folder), split, 5)
    assert (len(data.forget), len(data.tasks["facts"])) == (3000, 1051)
    few = read_restor(str(folder), split, 5, limit=1)
    assert 290 <= len(few.forget) <= 310
    texts = [str(row["text"]) for row in few.forget] + [str(row["prompt"]) for row in few.tasks["facts"]]
    tokenizer = small_tokenizer(texts, 1000)
    base = write_model(small_llama(tokenizer, 512), tokenizer, tmp_path / "base")
    found = benched(
        tmp_path / "out", "restor", "--model", base, "--data", folder, "--split", split, "--limit", 1,
        "--methods", "gradient_ascent", "--epochs", 1, "--set", "restor.rank=0", "--set", "restor.samples=1",
        "--set", "restor.new_tokens=4", "--set", "gradient_ascent.epochs=1",
    )  # fmt: skip
    assert {"accuracy", "log_prob_correct", "correct_over_random"} <= set(found["gradient_ascent"])
    assert os.listdir(tmp_path / "out" / "runs") == ["gradient_ascent-0"]
