"""Images must reach the network as its own preprocessing makes them, whatever they were stored as."""

from __future__ import annotations

import errno
import json
import os
import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor

from lethe.errors import InputError, LetheWarning, StorageError
from lethe.examples import Examples
from lethe.sources.formats import read
from lethe.sources.images import ImageReader
from lethe.sources.preprocessing import Preprocessing, load_preprocessing
from lethe.tasks import Classification

PROCESSORS = {
    "square": {"image_processor_type": "ViTImageProcessor", "size": {"height": 5, "width": 5}},
    "crop": {
        "image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 4}, "crop_pct": 0.875,
        "image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.3, 0.4],
    },
    "none": {"image_processor_type": "ViTImageProcessor", "do_resize": False},
    "unscaled": {"image_processor_type": "ViTImageProcessor", "do_resize": False, "do_rescale": False},
}  # fmt: skip


@pytest.mark.parametrize("name", PROCESSORS)
def test_the_network_sees_what_its_own_processor_gives(name, tmp_path, folder):
    """Bytes resized once and normalised on the device must equal the ecosystem's own processor on the image files."""
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(PROCESSORS[name]))
    preprocessing = load_preprocessing(str(tmp_path), local=True, channels=3)
    table = read(folder).train
    images = ImageReader(3, preprocessing).read(table, range(4))
    assert images.dtype == torch.uint8
    task = Classification(
        classes=2, input="image", scale=preprocessing.scale, mean=preprocessing.mean, std=preprocessing.std
    )
    batch = Examples(table.ids, {"image": images}).batch(torch.arange(4))
    processor = AutoImageProcessor.from_pretrained(tmp_path, backend="pil")
    expected = processor([Image.open(folder / name) for name in table.ids], return_tensors="pt")["pixel_values"]
    assert torch.allclose(task.normalise(task.pixels(batch)), expected.float(), atol=1e-5)


def test_without_a_preprocessor_pixels_are_scaled_and_the_user_is_told(tmp_path):
    """Silence would let a model that expects normalised input be unlearned on noise."""
    with pytest.warns(LetheWarning, match="has no preprocessor_config.json"):
        assert load_preprocessing(str(tmp_path), local=True, channels=3).scale == 1 / 255


def test_a_processor_for_other_channels(tmp_path):
    """Means of three channels on a grey model would broadcast to three channels."""
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(PROCESSORS["crop"]))
    with pytest.raises(InputError, match="image_mean has 3 values, the model takes 1"):
        load_preprocessing(str(tmp_path), local=True, channels=1)
    (tmp_path / "preprocessor_config.json").write_text("{")
    with pytest.raises(InputError, match=r"preprocessor_config\.json"):
        load_preprocessing(str(tmp_path), local=True, channels=1)


def test_floats_are_pixels_already(tmp_path, pictures):
    """Stored as bytes or as x/255, an image must be the same to the network."""
    np.savez(tmp_path / "f.npz", images=(pictures / 255).astype(np.float32), labels=range(6))
    np.savez(tmp_path / "b.npz", images=pictures, labels=range(6))
    reader = ImageReader(3, Preprocessing(mean=(0.5,) * 3, std=(0.5,) * 3))
    floats = reader.read(read(tmp_path / "f.npz").train, range(6)) * reader.preprocessing.scale
    bytes_ = reader.read(read(tmp_path / "b.npz").train, range(6)).float() * reader.preprocessing.scale
    assert torch.allclose(floats, bytes_, atol=1e-6)
    np.savez(tmp_path / "n.npz", images=pictures / 255 - 0.5, labels=range(6))
    with pytest.raises(InputError, match=r"outside \[0, 1\]"):
        reader.read(read(tmp_path / "n.npz").train, [0])


def test_grey_and_colour(tmp_path, pictures):
    """A grey image in a colour model is grey, not a third of an image."""
    np.savez(tmp_path / "d.npz", images=pictures[:, :, :, 0], labels=range(6))
    images = ImageReader(3, Preprocessing()).read(read(tmp_path / "d.npz").train, range(6))
    assert images.shape == (6, 3, 6, 8)
    assert torch.equal(images[:, 0], images[:, 2])
    assert torch.equal(images[:, 1], torch.from_numpy(pictures[:, :, :, 0]))


def test_images_of_mixed_size(folder, tmp_path):
    """They are refused by name, unless the preprocessor resizes them."""
    Image.new("RGB", (9, 9)).save(folder / "train" / "dog" / "1.png")
    table = read(folder).train
    with pytest.raises(InputError, match=r"'train/dog/1.png' is 9×9 .*'train/cat/0.png' is 8×6"):
        ImageReader(3, Preprocessing()).read(table, range(4))
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(PROCESSORS["square"]))
    resized = ImageReader(3, load_preprocessing(str(tmp_path), local=True, channels=3)).read(table, range(4))
    assert resized.shape == (4, 3, 5, 5)


@pytest.mark.parametrize("content", [b"", b"no image", b"half"])
def test_an_unreadable_image(folder, content):
    """The file must be named; among a million images nobody finds it otherwise."""
    path = folder / "train" / "cat" / "1.png"
    path.write_bytes(path.read_bytes()[:90] if content == b"half" else content)
    with pytest.raises(InputError, match=r"'train/cat/1\.png' cannot be read"):
        ImageReader(3, Preprocessing()).read(read(folder).train, range(4))


def test_what_does_not_fit_in_memory_lies_in_a_file_that_goes_with_the_process(folder, tmp_path):
    """Mapped images must be the same as those in memory, and leave nothing behind."""
    table = read(folder).train
    mapped = ImageReader(3, Preprocessing(), folder=tmp_path / "run", in_memory=0).read(table, range(4))
    assert torch.equal(mapped, ImageReader(3, Preprocessing()).read(table, range(4)))
    assert list((tmp_path / "run").iterdir()) == []


def test_no_room_for_the_images(folder, tmp_path, monkeypatch):
    """A full disk under a mapped file kills the process; it must be found out before."""

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(StorageError, match="No space left"):
        ImageReader(3, Preprocessing(), folder=tmp_path, in_memory=0).read(read(folder).train, range(4))


def test_reading_leaves_no_file_open(folder):
    """A thousand open images are more than a process may have."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        before = len(os.listdir("/proc/self/fd"))
        ImageReader(3, Preprocessing()).read(read(folder).train, range(4))
        assert len(os.listdir("/proc/self/fd")) == before
