"""Every format must give the same examples: ids, labels, columns and pixels."""

from __future__ import annotations

import io

import datasets
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from lethe.errors import InputError
from lethe.sources.formats import read
from lethe.sources.images import ImageReader
from lethe.sources.preprocessing import Preprocessing
from lethe.sources.tables import class_indices

LABEL2ID = {"cat": 1, "dog": 0}
READER = ImageReader(channels=3, preprocessing=Preprocessing())


def png(picture):
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "png")
    return buffer.getvalue()


def write_npz(path, pictures):
    np.savez(
        path, train_images=pictures[:4].transpose(0, 3, 1, 2), train_labels=["cat", "cat", "dog", "dog"],
        train_ids=["a", "b", "c", "d"], train_group=["x", "y", "x", "y"], test_images=pictures[4:],
        test_labels=["cat", "dog"],
    )  # fmt: skip
    return path


def write_parquet(path, pictures):
    rows = {
        "id": ["a", "b", "c", "d"], "image": [{"bytes": png(p), "path": None} for p in pictures[:4]],
        "label": ["cat", "cat", "dog", "dog"], "group": ["x", "y", "x", "y"],
    }  # fmt: skip
    pd.DataFrame(rows).to_parquet(path)
    return path


def write_nested(path, pictures):
    """Images as nested lists, the labels as the model counts them."""
    rows = {
        "id": list("abcd"),
        "image": [p.tolist() for p in pictures[:4]],
        "label": [1, 1, 0, 0],
        "group": list("xyxy"),
    }
    pd.DataFrame(rows).to_parquet(path)
    return path


def write_datasets(path, pictures):
    """Here the data count cat as 0 and dog as 1, the model the other way round."""
    features = datasets.Features(
        id=datasets.Value("string"), image=datasets.Image(), label=datasets.ClassLabel(names=["cat", "dog"]),
        group=datasets.Value("string"),
    )  # fmt: skip
    columns = {"id": list("abcd"), "image": [Image.fromarray(p) for p in pictures[:4]], "group": list("xyxy")}
    train = datasets.Dataset.from_dict({**columns, "label": [0, 0, 1, 1]}, features=features)
    test = datasets.Dataset.from_dict(
        {"id": ["e", "f"], "image": [Image.fromarray(p) for p in pictures[4:]], "label": [0, 1], "group": ["x", "y"]},
        features=features,
    )
    datasets.DatasetDict(train=train, test=test).save_to_disk(str(path))
    return path


@pytest.mark.parametrize(
    ("write", "name"),
    [(write_npz, "d.npz"), (write_parquet, "d.parquet"), (write_nested, "d.parquet"), (write_datasets, "d")],
)
def test_files_with_columns_agree(write, name, tmp_path, pictures):
    """A layout read wrongly transposes pixels, a label order read wrongly swaps the classes."""
    train = read(write(tmp_path / name, pictures)).train
    assert train.ids == ("a", "b", "c", "d")
    assert train.own_ids
    assert class_indices(train, LABEL2ID).tolist() == [1, 1, 0, 0]
    assert list(train.columns["group"]) == ["x", "y", "x", "y"]
    assert torch.equal(READER.read(train, [3, 0]), torch.from_numpy(pictures[[3, 0]]).permute(0, 3, 1, 2))


@pytest.mark.parametrize(("write", "name"), [(write_npz, "d.npz"), (write_datasets, "d")])
def test_test_splits(write, name, tmp_path, pictures):
    """The test split must be found, and hold its own images."""
    test = read(write(tmp_path / name, pictures)).test
    assert test is not None
    assert class_indices(test, LABEL2ID).tolist() == [1, 0]
    assert torch.equal(READER.read(test, [0, 1]), torch.from_numpy(pictures[4:]).permute(0, 3, 1, 2))


def test_image_folders(folder, pictures):
    """Ids must be relative paths, so that a list of ids means the same on another machine."""
    splits = read(folder)
    assert splits.train.ids == ("train/cat/0.png", "train/cat/1.png", "train/dog/0.png", "train/dog/1.png")
    assert splits.test is not None
    assert splits.test.ids == ("test/cat/0.png", "test/dog/0.png")
    assert class_indices(splits.train, LABEL2ID).tolist() == [1, 1, 0, 0]
    assert torch.equal(READER.read(splits.train, range(4)), torch.from_numpy(pictures[:4]).permute(0, 3, 1, 2))
    plain = read(folder / "train")
    assert plain.train.ids[0] == "cat/0.png"
    assert plain.test is None


def test_ids_are_row_numbers_where_the_data_have_none(tmp_path, pictures):
    """Such ids mean nothing in another file: the table must say so, and be renamed when it becomes a holdout."""
    np.savez(tmp_path / "d.npz", images=pictures, labels=np.zeros(6))
    table = read(tmp_path / "d.npz").train
    assert table.ids[:2] == ("0", "1")
    assert not table.own_ids
    assert table.renamed("holdout").ids[0] == "holdout/0"


def test_digits_as_class_names(tmp_path, pictures):
    """Folders 0 … 9 beside a model whose labels have no names of their own are class indices."""
    np.savez(tmp_path / "d.npz", images=pictures, labels=["0", "1", "2", "0", "1", "2"])
    generic = {f"LABEL_{i}": i for i in range(3)}
    assert class_indices(read(tmp_path / "d.npz").train, generic).tolist() == [0, 1, 2, 0, 1, 2]


def damaged(path):
    path.write_bytes(path.read_bytes()[:-60])
    return path


def without(path, column):
    pd.read_parquet(path).drop(columns=column).to_parquet(path)
    return path


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda path, p: (path / "e.npz").touch() or path / "e.npz", "is empty"),
        (lambda path, p: (path / "d.csv").write_text("a,b") and path / "d.csv", "not a data file lethe reads"),
        (lambda path, p: path / "missing.npz", "no such file"),
        (lambda path, p: damaged(write_npz(path / "d.npz", p)), "not a whole .npz"),
        (lambda path, p: damaged(write_parquet(path / "d.parquet", p)), "not a whole Parquet"),
        (lambda path, p: without(write_parquet(path / "d.parquet", p), "label"), "has no column 'label'"),
        (lambda path, p: without(write_parquet(path / "d.parquet", p), "image"), "has no column 'image'"),
        (lambda path, p: path, "no images in class subfolders"),
        (lambda path, p: np.savez(path / "d.npz", images=p) or path / "d.npz", "holds no array 'labels'"),
        (lambda path, p: np.savez(path / "d.npz", images=p, labels=[1, 2]) or path / "d.npz", "6 images"),
        (
            lambda path, p: np.savez(path / "d.npz", images=p, labels=np.array([None] * 6)) or path / "d.npz",
            "Python objects",
        ),
        (
            lambda path, p: np.savez(path / "d.npz", images=p, labels=range(6), ids=["a"] * 6) or path / "d.npz",
            "the id 'a' stands twice",
        ),
    ],
)
def test_damaged_and_unknown_files(make, names, tmp_path, pictures):
    """One line that names the file and what is wrong with it, whatever the reader below raised."""
    with pytest.raises(InputError, match=names) as caught:
        read(make(tmp_path, pictures))
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["cat", "cow"], "label 'cow', which is not in label2id.*; there are: cat, dog"),
        ([0.0, 1.5], "label 1.5"),
        ([0.0, float("nan")], "label nan"),
        ([0, 2], "has label 2, but the model knows classes 0 to 1"),
        ([0, -1], "has label -1"),
    ],
)
def test_labels_that_mean_no_class(labels, names, tmp_path, pictures):
    """A label that is guessed at trains the wrong class."""
    np.savez(tmp_path / "d.npz", images=pictures[:2], labels=labels)
    with pytest.raises(InputError, match=names):
        class_indices(read(tmp_path / "d.npz").train, LABEL2ID)


def test_an_image_that_is_only_a_path_is_not_followed(tmp_path):
    """A data file must not make lethe read other files of the machine."""
    secret = tmp_path / "secret.png"
    Image.new("RGB", (4, 4)).save(secret)
    pd.DataFrame({"image": [{"bytes": None, "path": str(secret)}], "label": [0]}).to_parquet(tmp_path / "d.parquet")
    with pytest.raises(InputError, match="embed the images"):
        READER.read(read(tmp_path / "d.parquet").train, [0])
