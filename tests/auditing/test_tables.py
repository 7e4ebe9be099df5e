from __future__ import annotations

import dataclasses
import io

import pytest
from rich.console import Console

from lethe.auditing import Evidence
from lethe.auditing.tables import comparison, latex, markdown, terminal
from lethe.errors import InputError


def named(evidence: Evidence, name: str) -> Evidence:
    return dataclasses.replace(evidence, subject={"name": name, "method": None})


def row_of(evidences: list[Evidence], title: str) -> tuple[str, ...]:
    return next(row.cells for row in comparison(evidences).rows if row.cells[0].startswith(title))


def test_every_metric_stands_beside_original_and_gold(on_original: Evidence, on_gold: Evidence) -> None:
    table = comparison([on_original, on_gold])
    assert table.columns == ("Metric", "Original", "Gold", "nothing done", "gold 4")
    titles = [row.cells[0] for row in table.rows]
    for entry in (*on_original.metrics, *on_original.attacks):
        assert any(title.startswith(entry.title) for title in titles)
    assert row_of([on_original, on_gold], "Forget accuracy")[1:4] == ("100.0", "0.0±0.8", "100.0 (>+99)")


def test_time_is_relative_to_retraining(on_original: Evidence, on_gold: Evidence) -> None:
    assert row_of([on_original, on_gold], "Time")[-2:] == ("0.25", "–")
    assert not any(row.cells[0].startswith("Time") for row in comparison([on_gold]).rows)


def test_what_had_no_power_is_marked_and_explained(on_original: Evidence) -> None:
    table = comparison([on_original])
    mute = [row.cells[0] for row in table.rows if row.mute]
    assert "Retain accuracy, % *" in mute
    assert any("Retain accuracy" in note and "cannot be told apart" in note for note in table.notes)
    assert not any("Forget accuracy" in note for note in table.notes)


def test_a_metric_that_one_model_lacks_leaves_a_dash(on_original: Evidence, on_gold: Evidence) -> None:
    partly = dataclasses.replace(on_gold, metrics=on_gold.metrics[1:])
    assert row_of([on_original, partly], on_gold.metrics[0].title)[-1] == "–"


def test_many_models_stay_within_the_width(on_original: Evidence, on_gold: Evidence) -> None:
    models = [named(on_gold, f"model number {i}") for i in range(7)]
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(terminal([on_original, *models], width=100))
    text = console.export_text()
    assert all(len(line) <= 100 for line in text.splitlines())
    assert "…" not in text, "a cell was cut off"
    for evidence in models:
        assert evidence.name in text
    assert text.count("Original") == text.count("Gold")
    assert text.count("0.0±0.8") >= 2, "the references stand beside every group of models"


def test_markdown_is_one_whole_table(on_original: Evidence, on_gold: Evidence) -> None:
    text = markdown([on_original, named(on_gold, "a|b")])
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + len(comparison([on_original, on_gold]).rows)
    assert {line.replace("\\|", "").count("|") for line in lines} == {6}


def test_latex_escapes_what_it_must(on_original: Evidence, on_gold: Evidence) -> None:
    text = latex([on_original, named(on_gold, "neg_grad & 5%")])
    assert r"neg\_grad \& 5\%" in text
    body = text[text.index(r"\midrule") : text.index(r"\bottomrule")].strip().splitlines()[1:]
    assert {line.replace(r"\&", "").count("&") for line in body} == {4}
    assert all(line.endswith(r"\\") for line in body)
    assert "±" not in text[: text.index("tabular}", 30)]


def test_models_of_different_problems_are_not_put_side_by_side(on_original: Evidence, on_gold: Evidence) -> None:
    other = dataclasses.replace(on_gold, data={**on_gold.data, "forget": "0"})
    with pytest.raises(InputError, match="different problems"):
        comparison([on_original, other])
    with pytest.raises(InputError, match="no evidence"):
        comparison([])
