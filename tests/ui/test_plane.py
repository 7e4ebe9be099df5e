"""Features in the plane: the same every time, and in the original's coordinates where the two correspond."""

from __future__ import annotations

import numpy as np
import pytest

from lethe.errors import ConfigurationError
from lethe.ui import plane
from lethe.ui.plane import alikeness, laid_out


def features(seed: int = 0) -> np.ndarray:
    draws = np.random.default_rng(seed)
    return draws.normal(size=(60, 5)) * np.array([9, 3, 0.1, 0.1, 0.1])


def test_principal_components_are_the_directions_of_largest_variance_every_time() -> None:
    x = features()
    found, again = laid_out("pca", x, x), laid_out("pca", x, x)
    assert np.array_equal(found.at, again.at)
    values = np.linalg.eigvalsh(np.cov(x.T))[::-1][:2]
    assert found.at.var(axis=0, ddof=1) == pytest.approx(values, rel=1e-10)
    assert found.origin == pytest.approx(found.at)


def test_a_moved_example_moves_in_the_originals_axes_by_as_much() -> None:
    x = features()
    moved = x.copy()
    moved[7, 0] += 2
    found = laid_out("pca", moved, x)
    assert found.origin is not None
    steps = np.linalg.norm(found.at - found.origin, axis=1)
    assert steps[7] == pytest.approx(2, abs=0.02)
    assert np.delete(steps, 7) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_a_model_trained_anew_is_laid_out_by_itself(method: str) -> None:
    x = features()
    renumbered = x[:, ::-1].copy()
    assert alikeness(renumbered, x) < plane.ALIKE
    found = laid_out(method, renumbered, x)
    assert found.origin is None
    assert found.at.shape == (60, 2)
    assert "cannot be compared" in found.note


def test_neighbours_are_laid_out_together_and_the_same_every_time() -> None:
    x = features()
    found, again = laid_out("tsne", x + 0.01, x), laid_out("tsne", x + 0.01, x)
    assert np.array_equal(found.at, again.at)
    assert found.origin is not None
    # An example that hardly moved stays by its old place.
    moves = np.linalg.norm(found.at - found.origin, axis=1)
    assert np.median(moves) < 0.2 * np.abs(found.at).max()


def test_features_of_one_dimension_have_a_second_coordinate_of_nought() -> None:
    found = laid_out("pca", np.arange(4.0)[:, None], np.arange(4.0)[:, None])
    assert found.at[:, 1].tolist() == [0, 0, 0, 0]


def test_an_unknown_method_and_one_that_is_not_installed_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="no embedding 'ump'; did you mean 'umap'"):
        plane.check("ump")
    monkeypatch.setattr(plane, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match="pip install umap-learn"):
        plane.check("umap")
