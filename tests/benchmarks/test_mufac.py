"""MUFAC and MUCAC as somebody runs them, card 055: forgetting people and not what is asked about them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lethe.benchmarks.mufac_data import PARTS, read_identities, read_mucac, read_mufac, split_by_identity
from lethe.cli import main
from lethe.errors import ConfigurationError, InputError
from tests.benchmarks.classifiers import write_classifier, write_real_faces

SIZE, PEOPLE, SHOTS, CLASSES = 12, 40, 6, 4


def faces(people: int = PEOPLE, seed: int = 0) -> dict[str, np.ndarray]:
    """Invented faces: a pattern of the person's own beside one of four of the attribute, and noise."""
    draw = torch.Generator().manual_seed(seed)
    own = torch.rand(people, SIZE, SIZE, generator=draw)
    shown = torch.rand(CLASSES, SIZE, SIZE, generator=draw)
    who = torch.arange(people).repeat_interleave(SHOTS)
    # A person's label is that of the pattern, save for half, whose label can only be learnt by the face.
    pattern = torch.randint(CLASSES, (people,), generator=draw)
    other = (pattern + torch.randint(1, CLASSES, (people,), generator=draw)) % CLASSES
    label = torch.where(torch.rand(people, generator=draw) < 0.5, other, pattern)
    noise = torch.rand(len(who), SIZE, SIZE, generator=draw)
    images = 0.4 * own[who] + 0.4 * shown[pattern[who]] + 0.2 * noise
    return {
        "images": (255 * images).byte().numpy(), "labels": label[who].numpy(),
        "identity": np.array([f"person {i}" for i in who.tolist()]),
    }  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mufac")
    np.savez(folder / "faces.npz", **faces())
    write_classifier(folder / "start", SIZE, CLASSES)
    return folder


def arguments(place: Path, out: Path, *more: str, epochs: int = 25) -> list[str]:
    sets = ("kind=identities", "shares=0.25,0.25,0.25", "batch_size=16")
    return [
        "bench", "mufac", "--model", str(place / "start"), "--data", str(place / "faces.npz"), "--out", str(out),
        "--epochs", str(epochs), "--learning-rate", "0.05", *more,
        *(word for one in sets for word in ("--set", f"mufac.{one}")),
    ]  # fmt: skip


def test_people_are_told_by_the_target_and_by_gold_less_and_tuning_hides_nothing(place: Path, tmp_path: Path) -> None:
    tuned = ("finetune.epochs=2", "finetune.learning_rate=0.001", "finetune.momentum=0.0", "finetune.weight_decay=0.0")
    ascent = ("gradient_ascent.epochs=12", "gradient_ascent.learning_rate=0.1", "gradient_ascent.batch_size=16")
    scrub = ("scrub.learning_rate=0.002", "scrub.temperature=1.0", "scrub.batch_size=16")
    sets = [word for one in (*tuned, *ascent, *scrub) for word in ("--set", one)]
    assert main(arguments(place, tmp_path, "--methods", "finetune,gradient_ascent,scrub", *sets)) == 0
    found = json.loads((tmp_path / "results.json").read_text())
    assert found["rows"] == {"forget": 60, "test": 60, "holdout": 60}
    values = {model["name"]: model["values"] for model in found["models"]}
    for one in values.values():
        assert one["nomus"] == pytest.approx((one["accuracy"] + 1 - 2 * one["forgetting_score"]) / 2)
        assert one["forgetting_score"] == pytest.approx(abs(one["membership"] - 0.5))
        assert one["accuracy"] <= one["accuracy_top2"]
    assert values["target"]["forgetting_score"] > 0.15
    assert values["gold"]["forgetting_score"] < values["target"]["forgetting_score"] - 0.15
    assert values["finetune"]["forgetting_score"] == pytest.approx(values["target"]["forgetting_score"], abs=0.03)
    # SCRUB lies between the two, as in the published table.
    assert values["gold"]["forgetting_score"] + 0.05 < values["scrub"]["forgetting_score"]
    assert values["scrub"]["forgetting_score"] < values["target"]["forgetting_score"] - 0.05
    assert values["scrub"]["accuracy"] > values["target"]["accuracy"] - 0.1
    assert values["gradient_ascent"]["accuracy"] < values["target"]["accuracy"] - 0.1
    facts = json.loads((tmp_path / "data.json").read_text())
    people = [set(facts[f"{part}_identities"]) for part in PARTS]
    assert sum(map(len, people)) == len(set.union(*people)) == PEOPLE


def test_nobody_is_in_two_sets_and_the_seed_decides() -> None:
    people = [f"p{i % 20}" for i in range(100)]
    rows = split_by_identity(people, (0.1, 0.2, 0.3), 0)
    assert [len(rows[part]) for part in PARTS] == [10, 40, 20, 30]
    assert sorted(row for some in rows.values() for row in some) == list(range(100))
    seen = [{people[row] for row in rows[part]} for part in PARTS]
    assert all(not one & other for i, one in enumerate(seen) for other in seen[i + 1 :])
    assert split_by_identity(people, (0.1, 0.2, 0.3), 0) == rows != split_by_identity(people, (0.1, 0.2, 0.3), 1)
    with pytest.raises(ConfigurationError, match="cannot be split in four"):
        split_by_identity(people, (0.4, 0.4, 0.4), 0)
    with pytest.raises(ConfigurationError, match="of 2 people cannot be split"):
        split_by_identity(["a", "b"], (0.1, 0.1, 0.1), 0)


def write_faces(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.fromarray(np.zeros((SIZE, SIZE, 3), np.uint8)).save(folder / name)


def write_release(folder: Path) -> None:
    """Write MUFAC's own files, with few rows."""
    for name, count in (("train", 8), ("val", 3), ("test", 2)):
        images = [f"F{i:04d}_AGE_D_18_{'abcdefgh'[i % 8]}1.jpg" for i in range(count)]
        write_faces(folder / f"{name}_images", images)
        rows = [f"{image},{'abcdefgh'[i % 8]}" for i, image in enumerate(images)]
        (folder / f"custom_{name}_dataset.csv").write_text("\n".join(["image_path,age_class", *rows]))


def test_the_releases_own_names_are_read(tmp_path: Path) -> None:
    write_release(tmp_path)
    found = read_mufac(str(tmp_path), forgotten=3)
    assert {part: len(rows) for part, rows in found.rows.items()} == {"forget": 3, "retain": 5, "test": 3, "unseen": 2}
    assert found.table["forget"].labels == list(range(8))
    assert found.table["test"].where.endswith("val_images")
    assert found.table["unseen"].picture(0).size == (SIZE, SIZE)
    with pytest.raises(ConfigurationError, match="has 8 rows, of which 8 cannot be forgotten"):
        read_mufac(str(tmp_path), forgotten=8)
    path = tmp_path / "custom_val_dataset.csv"
    path.write_text(path.read_text().replace(",b", ",k"))
    with pytest.raises(InputError, match=r"custom_val_dataset\.csv:3: needs .* not 'F0001_AGE_D_18_b1\.jpg' and 'k'"):
        read_mufac(str(tmp_path), forgotten=3)
    path.unlink()
    with pytest.raises(InputError, match=r"holds no custom_val_dataset\.csv"):
        read_mufac(str(tmp_path), forgotten=3)


def test_ranges_of_identity_numbers_make_mucacs_sets(tmp_path: Path) -> None:
    numbers = {"0.jpg": 3, "1.jpg": 189, "2.jpg": 190, "3.jpg": 1249, "4.jpg": 1250, "5.jpg": 4854, "6.jpg": 4855}
    write_faces(tmp_path / "CelebA-HQ-img", list(numbers))
    (tmp_path / "CelebA-HQ-identity.txt").write_text("".join(f"{name} {number}\n" for name, number in numbers.items()))
    lines = []
    for i, name in enumerate(numbers):
        signs = ["-1"] * 40
        signs[31] = "1" if i % 2 else "-1"  # the 32nd column, the name being column 0
        lines.append(f"{name} {' '.join(signs)}")
    (tmp_path / "CelebA-HQ-attribute.txt").write_text("\n".join(["7", "names", *lines]))
    found = read_mucac(str(tmp_path), "smiling")
    assert found.rows == {"forget": [2, 3], "retain": [4, 5], "test": [0, 1], "unseen": [6]}
    assert found.table["test"].labels == [0, 1, 0, 1, 0, 1, 0]
    assert found.identities["forget"] == ["190", "1249"]
    with pytest.raises(ConfigurationError, match="no attribute 'smilling'; did you mean 'smiling'"):
        read_mucac(str(tmp_path), "smilling")
    (tmp_path / "CelebA-HQ-attribute.txt").write_text("\n".join(["7", "names", *lines[:-1]]))
    with pytest.raises(InputError, match=r"has no line for 6\.jpg"):
        read_mucac(str(tmp_path), "smiling")


def test_a_missing_column_of_identities_is_named(place: Path) -> None:
    with pytest.raises(InputError, match=r"has no column 'identities' .* did you mean 'identity'"):
        read_identities(str(place / "faces.npz"), "identities", (0.1, 0.1, 0.1), 0)


@pytest.mark.slow
def test_real_faces_are_split_by_person(tmp_path: Path) -> None:
    write_real_faces(tmp_path / "faces.npz")
    write_classifier(tmp_path / "start", 28, 2)
    sets = ("kind=identities", "shares=0.2,0.2,0.2", "batch_size=16")
    assert main([
        "bench", "mufac", "--model", str(tmp_path / "start"), "--data", str(tmp_path / "faces.npz"),
        "--out", str(tmp_path / "out"), "--epochs", "6", "--learning-rate", "0.05",
        *(word for one in sets for word in ("--set", f"mufac.{one}")),
    ]) == 0  # fmt: skip
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert found["rows"] == {"forget": 60, "test": 60, "holdout": 60}
    values = {model["name"]: model["values"] for model in found["models"]}
    assert values["target"]["forgetting_score"] > values["gold"]["forgetting_score"]
