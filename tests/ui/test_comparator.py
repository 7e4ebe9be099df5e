"""What is shown of classifiers: the same examples for all models, measured once, with numbers that fit together."""

from __future__ import annotations

import base64
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lethe.errors import ConfigurationError
from lethe.ui import groups
from lethe.ui.comparator import Comparator
from lethe.ui.comparison import Comparison, Unknown
from lethe.ui.schema import VERSION
from tests.ui.conftest import CLASS

FINETUNE = "cells/digits_one_class/finetune/seed-0"
SALUN = "cells/digits_one_class/salun/seed-0"
MODELS = ("original", "gold-1", FINETUNE, SALUN)


def test_the_table_lists_original_and_gold_first_with_the_numbers_of_the_audit(digits: Comparison) -> None:
    table = digits.runs()
    assert [run["id"] for run in table["runs"]] == ["original", "gold-1", "gold-2", "gold-3", FINETUNE, SALUN]
    values = {run["id"]: run["values"] for run in table["runs"]}
    assert values["original"]["forget_accuracy"] == 1
    assert values["gold-1"]["forget_accuracy"] < 0.1
    assert values["gold-1"]["forgetting_quality"] is None
    assert values["original"]["forgetting_quality"] < 0.3 < 0.7 < values["gold-2"]["forgetting_quality"]
    assert values[SALUN]["forget_accuracy"] < 0.1 < 0.9 < values[FINETUNE]["forget_accuracy"]
    assert values[FINETUNE]["seconds"] > 0
    groups_of = {axis["key"]: axis["group"] for axis in table["axes"]}
    assert groups_of.items() >= {"retain_accuracy": "accuracy", "seconds": "efficiency", "relearn": "privacy"}.items()
    assert table["runs"][-1]["sparks"][0]["title"] == "Relearn steps: accuracy"
    assert table["version"] == VERSION


def test_shares_of_predictions_sum_to_one_and_their_diagonal_is_the_accuracy(digits: Comparison) -> None:
    setting = digits.setting(CLASS)
    assert setting["forget_classes"] == [3]
    for model in MODELS:
        view = digits.model(CLASS, model)
        for name, matrix in view["matrices"].items():
            share, confidence = (np.array(matrix[part], dtype=float) for part in ("share", "confidence"))
            there = np.array(matrix["count"]) > 0
            assert share[there].sum(1) == pytest.approx(1, abs=1e-4)
            assert confidence[there].sum(1) == pytest.approx(1, abs=1e-4)
            accuracy = np.array(matrix["accuracy"], dtype=float)
            assert share.diagonal()[there] == pytest.approx(accuracy[there])
            # By hand, from the rows themselves.
            rows = np.array(setting["set_of"]) == setting["sets"].index(name)
            labels, predicted = np.array(setting["labels"])[rows], np.array(view["columns"]["prediction"])[rows]
            for label in np.flatnonzero(there):
                right = (predicted[labels == label] == label).mean()
                assert accuracy[label] == pytest.approx(right, abs=1e-4)
            assert view["means"]["accuracy"][name] == pytest.approx((labels == predicted).mean(), abs=1e-4)


def test_a_model_is_like_itself_and_gold_less_like_the_original_the_deeper(digits: Comparison) -> None:
    original, gold = digits.model(CLASS, "original")["cka"], digits.model(CLASS, "gold-1")["cka"]
    assert original["original"]["forget"] == pytest.approx([1] * 4, abs=1e-3)
    assert gold["gold"]["retain"] == pytest.approx([1] * 4, abs=1e-3)
    similar = gold["original"]["forget"]
    assert similar[-1] < similar[0] - 0.1
    assert gold["original"]["forget"] == original["gold"]["forget"]


def test_moves_are_from_where_the_original_puts_an_example(digits: Comparison) -> None:
    original, tuned = (digits.embedding(CLASS, model, "pca") for model in ("original", FINETUNE))
    assert original["x"] == original["from_x"] == tuned["from_x"]
    assert tuned["x"] != original["x"]
    assert tuned["rows"] == list(range(len(digits.setting(CLASS)["ids"])))
    gold = digits.embedding(CLASS, "gold-1", "pca")
    assert gold["from_x"] == []
    assert "cannot be compared" in gold["note"]


def test_examples_are_pictures_and_predictions_their_probabilities(digits: Comparison) -> None:
    (example,) = digits.examples(CLASS, [5])
    picture = Image.open(io.BytesIO(base64.b64decode(example["image"].partition(",")[2])))
    assert picture.size == (32, 32)
    (prediction,) = digits.predictions(CLASS, SALUN, [5])
    assert sum(prediction["probabilities"].values()) == pytest.approx(1, abs=0.02)
    best = max(prediction["probabilities"], key=lambda key: prediction["probabilities"][key])
    assert int(best) == digits.model(CLASS, SALUN)["columns"]["prediction"][5]


def test_relearning_is_shown_for_the_model_the_original_and_gold(digits: Comparison) -> None:
    (own,) = digits.model(CLASS, SALUN)["recovery"]
    (gold,) = digits.model(CLASS, "gold-1")["recovery"]
    assert own["curve"][0][0] == 0
    assert own["gold_curve"] == gold["curve"] != own["curve"]
    assert own["value"] == own["curve"][-1][0]


def test_unknown_names_and_rows_are_said_to_be_unknown(digits: Comparison) -> None:
    with pytest.raises(Unknown, match=r"no setting 'digit, one class'.*did you mean 'digits, one class'"):
        digits.setting("digit, one class")
    with pytest.raises(Unknown, match="no model 'gold-9'"):
        digits.model(CLASS, "gold-9")
    with pytest.raises(Unknown, match="row 99999 cannot be inspected"):
        digits.examples(CLASS, [99999])
    with pytest.raises(ConfigurationError, match="no embedding 'tsn'"):
        digits.embedding(CLASS, SALUN, "tsn")


def test_what_was_measured_is_not_measured_again(
    digits: Comparison, digits_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loaded(group: groups.Group) -> None:
        raise AssertionError("the problem was loaded although everything was on the shelf")

    monkeypatch.setattr(groups.Group, "problem", loaded)
    again = Comparator()(digits_folder)
    assert again.runs() == digits.runs()
    assert again.bundle() == digits.bundle()


def test_a_new_run_is_measured_and_the_others_stay(digits: Comparison, digits_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(digits_folder, tmp_path / "more"))
    views = {path.name: path.stat().st_mtime_ns for path in (folder / "compare").iterdir()}
    shutil.rmtree(folder / "cells/digits_one_class/salun")
    shutil.copytree(folder / FINETUNE, folder / "cells/digits_one_class/copy/seed-0")
    found = Comparator()(folder)
    assert [run["id"] for run in found.runs()["runs"]][-2:] == ["cells/digits_one_class/copy/seed-0", FINETUNE]
    assert {path.name: path.stat().st_mtime_ns for path in (folder / "compare").iterdir()} == views


def test_weights_that_are_not_the_runs_and_weights_that_are_gone_are_said_and_not_shown(
    digits_folder: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(digits_folder, tmp_path / "broken", ignore=shutil.ignore_patterns("compare")))
    weights = next((folder / SALUN / "model").glob("*.safetensors"))
    shutil.copy(next((folder / FINETUNE / "model").glob("*.safetensors")), weights)
    shutil.rmtree(folder / FINETUNE / "model")
    table = {run["id"]: run for run in Comparator()(folder).runs()["runs"]}
    assert not table[SALUN]["viewable"]
    assert "not those the run ended with" in table[SALUN]["reason"]
    assert not table[FINETUNE]["viewable"]
    assert table[FINETUNE]["values"]["forget_accuracy"] > 0.9, "what its audit says is still there"
    assert table["original"]["viewable"]


def test_fewer_examples_are_chosen_by_the_rule_that_is_stated(digits_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(digits_folder, tmp_path / "few", ignore=shutil.ignore_patterns("compare")))
    few = Comparator(most=100, inspected=20)
    setting = few(folder).setting(CLASS)
    assert {name: one["shown"] for name, one in setting["counts"].items()} == {
        "forget": 50,
        "retain": 25,
        "holdout": 25,
    }
    assert "100 of 1,749 examples" in setting["rule"]
    assert len(setting["ids"]) == len(set(setting["ids"])) == 100
    assert len(setting["inspectable"]) == 20
    assert setting == few(folder).setting(CLASS)


def test_everything_fits_into_one_value_of_plain_json(digits: Comparison) -> None:
    bundle = json.loads(json.dumps(digits.bundle(most=40), allow_nan=False))
    rows = bundle["settings"][CLASS]["inspectable"]
    assert 0 < len(rows) <= 40
    assert set(bundle["examples"][CLASS]) == {str(row) for row in rows}
    assert bundle["models"][CLASS][SALUN] == digits.model(CLASS, SALUN)
    assert set(bundle["predictions"][CLASS][SALUN]) == {str(row) for row in rows}


def test_numbers_too_small_to_show_anything_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="inspected must be at least 8, not 0"):
        Comparator(inspected=0)
