"""Corrective unlearning as somebody runs it, card 040: how much of the harm goes with a part of its cause."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

from lethe.benchmarks.corrective import Corrective
from lethe.benchmarks.corrective_data import manipulate, triggered
from lethe.cli import main
from lethe.errors import ConfigurationError, InputError
from lethe.examples import Examples
from tests.benchmarks.classifiers import digit_arrays, write_classifier, write_digits


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corrective")
    write_digits(folder / "digits.npz")
    write_classifier(folder / "start", 8, 10)
    return folder


def digits() -> Examples:
    arrays = digit_arrays()
    return Examples.of(
        prefix="train-", image=torch.from_numpy(arrays["train_images"]).unsqueeze(1),
        label=torch.from_numpy(arrays["train_labels"]).long(),
    )  # fmt: skip


def arguments(place: Path, out: Path, *more: str, epochs: int = 14, **settings: object) -> list[str]:
    chosen = {"manipulated": 60, "batch_size": 64, "patch": 2, **settings}
    sets = [word for name, value in chosen.items() for word in ("--set", f"corrective.{name}={value}")]
    return [
        "bench", "corrective", "--model", str(place / "start"), "--data", str(place / "digits.npz"), "--out", str(out),
        "--epochs", str(epochs), "--learning-rate", "0.05", *sets, *more,
    ]  # fmt: skip


def values(out: Path) -> dict[str, dict[str, float]]:
    found = json.loads((out / "results.json").read_text())
    return {model["name"]: model["values"] for model in found["models"]}


@pytest.fixture(scope="module")
def few(place: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, float]]:
    """A tenth of the poison is found."""
    out = tmp_path_factory.mktemp("few")
    assert main(arguments(place, out, "--methods", "ssd", "--set", "ssd.alpha=30", identified=0.1)) == 0
    return values(out)


def test_the_target_falls_for_the_trigger_and_not_without_it(few: dict[str, dict[str, float]]) -> None:
    assert few["target"]["corrected_accuracy"] < 0.3
    assert few["target"]["retain_accuracy"] > few["clean"]["retain_accuracy"] - 0.03
    assert few["clean"]["corrected_accuracy"] > 0.8


def test_retraining_without_a_tenth_of_the_poison_is_no_gold(few: dict[str, dict[str, float]]) -> None:
    assert few["retrained"]["corrected_accuracy"] < few["target"]["corrected_accuracy"] + 0.15
    assert few["retrained"]["unidentified_accuracy"] < 0.5


def test_dampening_what_a_tenth_of_the_poison_uses_undoes_most_of_the_harm(few: dict[str, dict[str, float]]) -> None:
    assert few["ssd"]["corrected_accuracy"] > few["retrained"]["corrected_accuracy"] + 0.2
    assert few["ssd"]["retain_accuracy"] > few["target"]["retain_accuracy"] - 0.1


@pytest.mark.slow
def test_retraining_without_all_of_it_is_and_more_is_better(
    place: Path, few: dict[str, dict[str, float]], tmp_path: Path
) -> None:
    corrected = [few["retrained"]["corrected_accuracy"]]
    for share in (0.8, 1.0):
        out = tmp_path / str(share)
        # Trained to the end: after 14 epochs the few images less still show.
        assert main(arguments(place, out, "--methods", "finetune", epochs=30, identified=share)) == 0
        found = values(out)
        corrected.append(found["retrained"]["corrected_accuracy"])
    assert corrected == sorted(corrected)
    assert corrected[-1] > found["clean"]["corrected_accuracy"] - 0.05
    assert "unidentified_accuracy" not in found["target"]


def test_a_method_is_given_the_found_part_alone(place: Path, tmp_path: Path) -> None:
    more = ("--methods", "finetune", "--set", "finetune.epochs=1")
    assert main(arguments(place, tmp_path, *more, epochs=2, manipulation="confusion", manipulated=40)) == 0
    facts = json.loads((tmp_path / "data.json").read_text())
    assert set(facts["identified"]) < set(facts["manipulated"])
    assert (len(facts["manipulated"]), len(facts["identified"])) == (40, 4)
    found = json.loads((tmp_path / "results.json").read_text())
    arrays = digit_arrays()
    confused = int(((arrays["test_labels"] == 3) | (arrays["test_labels"] == 5)).sum())
    assert found["rows"] == {
        "affected": confused, "unaffected": 597 - confused, "identified": 4, "unidentified": 36
    }  # fmt: skip
    assert [model["name"] for model in found["models"]] == ["target", "retrained", "clean", "finetune"]


def test_the_same_seed_manipulates_the_same_and_less_found_is_a_part_of_more() -> None:
    train = digits()
    drawn = [manipulate(train, "poison", 50, share) for share in (0.2, 0.2, 0.6)]
    assert torch.equal(drawn[0].rows, drawn[2].rows)
    assert torch.equal(drawn[0].found, drawn[1].found)
    assert set(drawn[0].found.tolist()) < set(drawn[2].found.tolist()) < set(drawn[0].rows.tolist())
    assert len(drawn[2].found) == 30
    assert not torch.equal(manipulate(train, "poison", 50, 0.2, seed=1).rows, drawn[0].rows)
    assert len(drawn[0].retained) == len(train) - 10


def test_each_manipulation_changes_what_it_says() -> None:
    train = digits()
    labels = train.tensor("label")
    poisoned = manipulate(train, "poison", 40, 0.5, patch=2)
    untouched = torch.ones(len(train), dtype=torch.bool)
    untouched[poisoned.rows] = False
    images = poisoned.data.tensor("image")
    assert (poisoned.data.tensor("label")[poisoned.rows] == 0).all()
    assert (images[poisoned.rows][..., -2:, -2:] == 255).all()
    assert torch.equal(images[untouched], train.tensor("image")[untouched])
    assert torch.equal(images[poisoned.rows][..., :-2, :], train.tensor("image")[poisoned.rows][..., :-2, :])
    assert torch.equal(poisoned.with_true_labels(poisoned.rows).tensor("label"), labels[poisoned.rows])

    confused = manipulate(train, "confusion", 20, 0.5, classes=(3, 5))
    first = [(labels == one).nonzero().flatten()[:10].tolist() for one in (3, 5)]
    assert sorted(confused.rows.tolist()) == sorted(first[0] + first[1])
    assert (confused.data.tensor("label")[first[0]] == 5).all()
    assert (confused.data.tensor("label")[first[1]] == 3).all()

    swapped = manipulate(train, "swap", 200, 0.5)
    new, old = swapped.data.tensor("label")[swapped.rows], labels[swapped.rows]
    assert torch.equal(new.sort().values, old.sort().values)
    assert float((new != old).float().mean()) > 0.8


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"identified": 0}, "identified must be above 0"),
        ({"manipulated": 5000}, "manipulated=5000 is not less than the 1200 training images"),
        ({"manipulation": "confusion", "manipulated": 500}, "takes 250 images of class 3, and there are"),
        ({"classes": "3,3"}, "two different classes"),
        ({"patch": 9}, "no room for a trigger of 9"),
    ],
)
def test_impossible_manipulations_are_refused(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], settings: dict[str, object], message: str
) -> None:
    assert main(arguments(place, tmp_path, **settings)) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_language_models_methods_and_templates_of_theirs_are_refused(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for more, message in (
        (("--methods", "npo"), "npo: does not work on image classifiers"),
        (("--template", "chat"), "is for language models, and corrective has images"),
    ):
        assert main(arguments(place, tmp_path, *more)) == 2
        assert message in capsys.readouterr().err
    with pytest.raises(ConfigurationError, match="patch must be at least 1"):
        Corrective(patch=0)
    with pytest.raises(InputError, match="lower patch"):
        triggered(digits(), 9)


@pytest.mark.slow
def test_poison_in_real_images_of_mnist(tmp_path: Path) -> None:
    folder = os.environ.get("LETHE_DATA")
    if not folder:
        pytest.skip("needs the public data sets: set LETHE_DATA to their folder")
    write_classifier(tmp_path / "start", 28, 10)
    data = next((Path(folder) / "mnist").glob("*.npz"))
    sets = ("manipulated=60", "batch_size=64", "limit=1000")
    assert main([
        "bench", "corrective", "--model", str(tmp_path / "start"), "--data", str(data), "--out", str(tmp_path / "out"),
        "--epochs", "14", "--learning-rate", "0.05", *(word for one in sets for word in ("--set", f"corrective.{one}")),
    ]) == 0  # fmt: skip
    found = values(tmp_path / "out")
    assert found["target"]["corrected_accuracy"] < 0.3
    assert found["target"]["retain_accuracy"] > 0.8
    assert found["clean"]["corrected_accuracy"] > 0.8
