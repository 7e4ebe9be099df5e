"""ConceptVectors as somebody runs it, and the card's checks of its figures."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from lethe.benchmarks.concept_vectors import ConceptVectors
from lethe.benchmarks.concept_vectors_data import read_concepts
from lethe.cli import main
from lethe.errors import ConfigurationError, InputError
from lethe.worlds.people import People
from lethe.worlds.people.folders import write_model

WORLD = People.tiny()


def concept(name: str, layer: int, unit: int) -> dict[str, Any]:
    """A concept in the file's own shape: a person of the tiny world."""
    rows = [row for row in WORLD.text.facts if row.group in ("forget", "retain")]
    half = len(rows) // 2
    some = rows[:half] if name == "One" else rows[half:]
    return {
        "Concept": name, "Layer": layer, "Dim": unit,
        "QA": [f" {row.question}\n" for row in some[:3]],
        "wikipedia_content": " ".join(row.answer for row in some),
        "text_completion": [
            {"First_half": " ".join(row.answer.split()[:1]), "Second_half": " ".join(row.answer.split()[1:])}
            for row in some[:2]
        ],
        "unrelated_QA": [row.question for row in rows[-3:]],
    }  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("conceptvectors")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        write_model(WORLD, WORLD.network(), folder / "model")
    (folder / "data").mkdir()
    lines = [json.dumps(concept("One", 1, 4)), json.dumps(concept("Two", 0, 2))]
    (folder / "data" / "tiny_concepts_dev.jsonl").write_text("\n".join(lines))
    return folder / "model", folder / "data"


def arguments(place: tuple[Path, Path], out: Path, *more: str) -> list[str]:
    model, data = place
    quick = ("conceptvectors.words=12", "conceptvectors.length=6", "conceptvectors.rows=3", "conceptvectors.article=60")
    sets = [text for one in quick for text in ("--set", one)]
    return ["bench", "conceptvectors", "--model", str(model), "--data", str(data), "--out", str(out), "--limit", "3",
            *sets, *more]  # fmt: skip


def test_a_run_ends_in_a_table_in_which_only_the_needle_changes_the_vector(
    place: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ("needle.layer=1", "needle.unit=4", "needle.batch_size=2", "grad_diff.epochs=1", "grad_diff.batch_size=2")
    sets = [text for one in more for text in ("--set", one)]
    assert main(arguments(place, tmp_path, "--methods", "needle,grad_diff", "--json", *sets)) == 0
    found = {model["name"]: model["values"] for model in json.loads(capsys.readouterr().out)["models"]}
    copy = found["target"]
    assert copy["cosine"] == pytest.approx(1.0)
    assert (copy["distance"], copy["jaccard"]) == (0.0, 1.0)
    assert [copy[f"{name}_{what}"] for name in ("qa", "completion", "unrelated") for what in ("bleu", "rouge")] == [
        1.0
    ] * 6
    assert found["needle"]["cosine"] < 0.9 < found["grad_diff"]["cosine"]
    assert {"jailbreak_role_rouge", "jailbreak_grandmother_bleu", "jailbreak_article_rouge"} <= found["needle"].keys()


def test_the_concept_can_be_named_and_another_is_refused(place: tuple[Path, Path]) -> None:
    data = ConceptVectors(split="Two", words=12, limit=2).read(str(place[1]))
    assert (data.tasks["vector"][0]["layer"], data.tasks["vector"][0]["unit"]) == (0, 2)
    assert len(data.forget) == len(data.retain) == 2
    assert data.retain == ConceptVectors(words=12, limit=2).read(str(place[1])).forget
    with pytest.raises(ConfigurationError, match="no concept 'Tow' for this model; did you mean 'Two'"):
        ConceptVectors(split="Tow").read(str(place[1]))


def test_a_model_without_the_vector_is_told_from_the_files(
    place: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    lines = [json.dumps(concept("One", 23, 743)), json.dumps(concept("Two", 0, 2))]
    (folder / "llama_concepts.jsonl").write_text("\n".join(lines))
    assert main(arguments((place[0], folder), tmp_path / "out")) == 2
    error = capsys.readouterr().err
    assert "no unit 743 in block 23" in error
    assert "give the model in which the vector was found" in error


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda row: row.pop("Dim"), r"tiny_concepts\.jsonl:1: has no whole number in 'Dim'"),
        (lambda row: row.update(QA="one question"), r":1: has no list of texts in 'QA'"),
        (lambda row: row["text_completion"][0].pop("Second_half"), "row 0 .* lacks First_half or Second_half"),
    ],
)
def test_what_is_wrong_with_a_row_is_named(tmp_path: Path, edit: Any, message: str) -> None:
    row = concept("One", 1, 4)
    edit(row)
    (tmp_path / "tiny_concepts.jsonl").write_text(json.dumps(row))
    with pytest.raises(InputError, match=message):
        read_concepts(str(tmp_path))


def test_several_files_need_a_name(place: tuple[Path, Path], tmp_path: Path) -> None:
    for name in ("a_concepts_dev", "a_concepts_test"):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(concept("One", 1, 4)))
    with pytest.raises(ConfigurationError, match=r"holds 2 files .* there are: a_concepts_dev, a_concepts_test"):
        read_concepts(str(tmp_path))
    assert read_concepts(str(tmp_path), "a_concepts_test")[0].name == "One"
    with pytest.raises(ConfigurationError, match="a single concept"):
        ConceptVectors(file="a_concepts_test").read(str(tmp_path))


@pytest.mark.slow
def test_the_real_file_is_whole() -> None:
    folder = os.environ.get("LETHE_DATA")
    if not folder:
        pytest.skip("needs the public data sets: set LETHE_DATA to their folder")
    concepts = read_concepts(str(Path(folder) / "conceptvectors"))
    assert len(concepts) == 10
    assert (concepts[0].name, concepts[0].layer, concepts[0].unit) == ("Poland", 23, 743)
    assert all(len(one.questions) == 10 and len(one.unrelated) == 50 for one in concepts)
    assert [len(one.halves) for one in concepts] == [10, 10, 10, 1, 10, 10, 10, 10, 10, 10]
    data = ConceptVectors(split="William Shakespeare", limit=4).read(str(Path(folder) / "conceptvectors"))
    assert (len(data.forget), len(data.retain)) == (4, 4)
