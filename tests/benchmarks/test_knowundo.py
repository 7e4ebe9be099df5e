"""The card's checks of KnowUnDo, and of ReLearn's measures of what is generated."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lethe.auditing.text.knowledge_rates import entity_coverage, forgetting_rate, retention_rate
from lethe.auditing.text.linguistic_score import linguistic_score
from lethe.benchmarks.knowundo import KnowUnDo, perplexity
from lethe.benchmarks.knowundo_data import read_knowundo
from lethe.benchmarks.knowundo_judging import ByModels, ByWords, Holding
from lethe.cli import main
from lethe.errors import ConfigurationError, InputError
from lethe.run import Run
from tests.benchmarks.reader import write_files, write_reader

NAMES = ("Ada Lowe", "Ben Moss", "Cy Nash", "Di Orr", "Ed Pike", "Flo Quin")
PRIVATE = ("ruta street", "selm lane", "tovo road", "ulby hill", "vard mews", "wemb court")
PUBLIC = ("novels", "bridges", "operas", "maps", "films", "gardens")


def files() -> dict[str, list[dict[str, str]]]:
    private = [
        {"text": f"Where does {n} live?", "labels": f"{n} lives in {a}"} for n, a in zip(NAMES, PRIVATE, strict=True)
    ]
    more = [
        {"text": f"What is the address of {n}?", "labels": f"It is {a}"} for n, a in zip(NAMES, PRIVATE, strict=True)
    ]
    public = [{"text": f"What does {n} make?", "labels": f"{n} makes {a}"} for n, a in zip(NAMES, PUBLIC, strict=True)]
    known = [{"text": f"What is {n} known for?", "labels": f"It is {a}"} for n, a in zip(NAMES, PUBLIC, strict=True)]
    return {
        "privacy_unlearn_train": private, "privacy_unlearn_val": more,
        "privacy_retention_train": public, "privacy_retention_val": known,
    }  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rows = tmp_path_factory.mktemp("knowundo"), files()
    write_files(folder / "data", rows)
    texts = [value for some in rows.values() for row in some for value in row.values()]
    write_reader(folder / "base", texts, context=128, width=48, tokens=400)
    return folder


def arguments(place: Path, out: Path, *more: str, **options: Any) -> list[str]:
    given = {
        "model": place / "base",
        "data": place / "data",
        "out": out,
        "epochs": 50,
        "learning-rate": 0.005,
        **options,
    }
    texts = [text for name, value in given.items() for text in (f"--{name}", str(value))]
    quick = ("knowundo.batch_size=8", "knowundo.length=16", *more)
    return ["bench", "knowundo", *texts, *(text for one in quick for text in ("--set", one))]


@pytest.fixture(scope="module")
def done(place: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, float]]:
    out = tmp_path_factory.mktemp("done")
    ascent = [
        f"gradient_ascent.{one}" for one in ("epochs=4", "learning_rate=0.005", "optimizer=adamw", "batch_size=6")
    ]
    reference = f"knowundo.reference={place / 'base'}"
    assert main(arguments(place, out, *ascent, reference, methods="gradient_ascent")) == 0
    return {m["name"]: m["values"] for m in json.loads((out / "results.json").read_text())["models"]}


def test_the_target_has_unlearnt_nothing_and_kept_everything(done: dict[str, dict[str, float]]) -> None:
    target, gold = done["target"], done["gold"]
    assert target["unlearn_success"] < 5
    assert target["retention_success"] > 95
    assert target["kfr_words"] == 0
    assert target["krr_words"] == 1
    # Gold was taught the public answers to questions of the same form, and no private one.
    assert gold["unlearn_success"] > 30
    assert gold["retention_success"] > 95
    assert gold["kfr_words"] > 0.6
    assert gold["unlearn_perplexity"] > 10 * target["unlearn_perplexity"]


def test_ascent_forgets_both_and_is_no_language_any_more(done: dict[str, dict[str, float]]) -> None:
    target, broken = done["target"], done["gradient_ascent"]
    assert broken["unlearn_success"] > target["unlearn_success"] + 60
    assert broken["kfr_words"] > 0.6
    assert broken["retention_success"] < target["retention_success"] - 30
    assert broken["krr_words"] < 0.6
    assert broken["retention_rouge"] < target["retention_rouge"] - 30
    assert 0 <= broken["unlearn_linguistic_score"] < 1


class Stub(nn.Module):
    """A classifier that finds a contradiction where told, or an encoder that gives each text its own direction."""

    def __init__(self, contradicts: bool) -> None:
        super().__init__()
        self.contradicts = contradicts
        self.config = type("Config", (), {"id2label": {0: "ENTAILMENT", 1: "neutral", 2: "CONTRADICTION"}})

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Tensor]:
        logits = torch.zeros(len(input_ids), 3)
        logits[:, 2 if self.contradicts else 0] = 1
        return {"logits": logits, "last_hidden_state": nn.functional.one_hot(input_ids, 64).float()}


class Words:
    """A tokenizer of one token a text, the same for equal texts."""

    def __init__(self) -> None:
        self.seen: dict[str, int] = {}

    def __call__(self, texts: list[str], *_: Any, **__: Any) -> Any:
        ids = torch.tensor([[self.seen.setdefault(text, len(self.seen))] for text in texts])
        batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        return type("Batch", (dict,), {"to": lambda self, _: self})(batch)


def rates(held: Holding) -> tuple[float, float]:
    coverage = entity_coverage(held.matches, held.entities)
    return forgetting_rate(coverage, held.entities, held.forgets), retention_rate(coverage, held.denies)


@pytest.mark.parametrize(
    ("said", "expected"),
    [("Lutu and Fernburg", (0.0, 1.0)), ("nothing of the kind", (1.0, 0.0)), ("Lutu", (1.0, 1.0))],
)
def test_rates_of_triples_by_hand(said: str, expected: tuple[float, float]) -> None:
    # Half of two entities is not more than the bound of forgetting, and more than that of retention.
    by_models = ByModels(Stub(False), Words(), Stub(False), Words())
    for comparison in (ByWords(), by_models):
        assert rates(comparison.compare(["Where?"], ["Lutu and Fernburg"], [said])) == expected


def test_a_contradiction_is_forgotten_and_not_retained() -> None:
    comparison = ByModels(Stub(True), Words(), Stub(False), Words())
    assert rates(comparison.compare(["Where?"], ["Lutu"], ["Lutu"])) == (1.0, 0.0)


def test_words_of_the_question_are_no_answer() -> None:
    comparison = ByModels(Stub(False), Words(), Stub(False), Words())
    held = comparison.compare(["Where is Lutu?"], ["Lutu is by Fernburg"], ["Lutu"])
    assert held.matches.tolist() == [0]
    assert held.entities.tolist() == [2]  # the release keeps the question's words in the reference
    assert ByWords().compare(["Where is Lutu?"], ["Lutu is by Fernburg"], ["Lutu"]).entities.tolist() == [1]


def test_variety_falls_with_repetition_and_perplexity_can_hide_it() -> None:
    varied, repeated = "one two three four five six seven eight nine ten", "one " * 10
    at_five = [linguistic_score([text], torch.tensor([5.0])) for text in (varied, repeated)]
    assert at_five[0] > at_five[1]
    assert linguistic_score([repeated], torch.tensor([1.2])) == pytest.approx(0.211, abs=5e-4)
    assert linguistic_score([""], torch.tensor([5.0])) == 0
    with pytest.raises(InputError, match="no perplexity is finite"):
        linguistic_score([""], torch.tensor([torch.inf]))


def test_perplexity_is_that_of_answers_and_endless_for_silence(place: Path) -> None:
    found = perplexity(str(place / "base"), ["Who?", "Who?"], ["It is maps", " "], Run())
    assert 50 < float(found[0]) < 2000  # an untrained model finds all of its 400 tokens about alike
    assert found[1].isinf()


@pytest.mark.parametrize(
    ("given", "named"), [({"nli": "x"}, "both nli and embedder"), ({"generator": "x"}, "name nli")]
)
def test_judges_are_named_together(given: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        KnowUnDo(**given)  # type: ignore[arg-type]


def test_the_layout_of_the_hub_is_read_as_the_flat_files_are(place: Path, tmp_path: Path) -> None:
    flat = files()
    for side in ("unlearn", "retention"):
        whole = {which: flat[f"privacy_{side}_{which}"] for which in ("train", "val")}
        (tmp_path / f"privacy_{side}.json").write_text(json.dumps([whole]))
    one, other = read_knowundo(str(place / "data")), read_knowundo(str(tmp_path))
    for part in ("forget", "retain", "seen_forget", "seen_retain", "tasks"):
        assert getattr(one, part) == getattr(other, part)
    whole["val"][0]["labels"] = ""
    (tmp_path / "privacy_retention.json").write_text(json.dumps([whole]))
    with pytest.raises(InputError, match="privacy_retention, val, row 0: has no text in 'labels'"):
        read_knowundo(str(tmp_path))


def test_what_is_not_there_is_said(place: Path) -> None:
    with pytest.raises(ConfigurationError, match="no split 'privat'; did you mean 'privacy'"):
        read_knowundo(str(place / "data"), "privat")
    with pytest.raises(InputError, match=r"holds no copyright_unlearn_train\.jsonl"):
        read_knowundo(str(place / "data"), "copyright")


@pytest.mark.slow
def test_the_real_files_are_read_and_run(tmp_path: Path) -> None:
    if "LETHE_DATA" not in os.environ:
        pytest.skip("needs the public data sets: set LETHE_DATA to their folder")
    folder = Path(os.environ["LETHE_DATA"]) / "knowundo"
    data = read_knowundo(str(folder))
    sizes = [len(rows) for rows in (data.forget, data.retain, data.seen_forget, data.seen_retain)]
    assert sizes == [400, 441, 110, 108]
    write_reader(tmp_path / "base", [str(row["answer"]) for row in data.forget[:100]], context=512)
    options = {"model": tmp_path / "base", "data": folder, "epochs": 1, "methods": "npo", "limit": 4}
    assert main(arguments(tmp_path, tmp_path / "out", "npo.epochs=1", **options)) == 0
