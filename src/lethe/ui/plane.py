"""The plane: features of many dimensions drawn in two, so that original and unlearned model share their coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from lethe.errors import ConfigurationError, nearest

METHODS = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}
MOST_NEIGHBOURHOOD = 600
"""Most examples drawn by t-SNE and UMAP, whose effort grows faster than their number."""

ALIKE = 0.5
"""From which cosine of the centred features on two models are taken to share their coordinates."""

_SHARED = {
    "pca": "Axes are the principal components of the original's features, the same for both models: moves are real.",
    "tsne": "Both models were laid out together: near points were near, but distances between groups mean nothing.",
    "umap": "Both models were laid out together: near points were near, but distances between groups mean nothing.",
}
_APART = (
    "This model's features do not correspond to the original's (as after training anew): it is laid out by itself, and "
    "its positions cannot be compared with those of others."
)


@dataclass(frozen=True)
class Plane:
    """Where examples lie.

    Attributes:
        at: [M, 2] where the model puts them.
        origin: [M, 2] where the original put them in the same coordinates; None where they cannot be compared.
        note: what can be read from it.
    """

    at: np.ndarray
    origin: np.ndarray | None
    note: str


def available(method: str) -> bool:
    """Whether what the method needs is installed."""
    return method != "umap" or find_spec("umap") is not None


def check(method: str) -> None:
    """Raise ConfigurationError where there is no such method, or it is not installed."""
    if method not in METHODS:
        raise ConfigurationError(f"there is no embedding '{method}'{nearest(method, METHODS)}")
    if not available(method):
        raise ConfigurationError("UMAP is not installed; pip install umap-learn, or choose PCA or t-SNE")


def alikeness(own: np.ndarray, original: np.ndarray) -> float:
    """Return the cosine between two models' centred features [N, D], of all examples together; 0 where sizes differ.

    Weights that were moved keep what a feature stands for; training anew numbers features afresh, and the cosine is
    near 0.

    >>> alikeness(np.array([[0.0, 1.0], [2.0, 0.0]]), np.array([[1.0, 1.0], [3.0, 0.0]]))
    1.0
    """
    if own.shape != original.shape:
        return 0.0
    x, y = own - own.mean(0), original - original.mean(0)
    sizes = float(np.linalg.norm(x) * np.linalg.norm(y))
    return round(float((x * y).sum()) / sizes, 12) if sizes else 0.0


def laid_out(method: str, own: np.ndarray, original: np.ndarray) -> Plane:
    """Return the model's features in the plane, together with the original's where the two share their coordinates.

    The same features give the same plane every time.

    Args:
        method: `pca`, `tsne` or `umap`.
        own: the model's features of M examples, [M, D].
        original: the original's of the same examples.

    Raises:
        ConfigurationError: there is no such method, or it is not installed.
    """
    check(method)
    own, original = own.astype(np.float64), original.astype(np.float64)
    shared = alikeness(own, original) >= ALIKE
    if method == "pca":
        axes = _components(original if shared else own, 2)
        at = axes(own)
        return Plane(at, axes(original), _SHARED[method]) if shared else Plane(at, None, _APART)
    if not shared:
        return Plane(_neighbours(method, own), None, _APART)
    both = _neighbours(method, np.concatenate([original, own]))
    return Plane(both[len(original) :], both[: len(original)], _SHARED[method])


def _components(features: np.ndarray, most: int) -> Any:
    """Return the map to the first principal components, zeros beyond those there are."""
    from sklearn.decomposition import PCA

    count = min(most, *features.shape)
    fitted = PCA(count, svd_solver="auto", random_state=0).fit(features)

    def onto(values: np.ndarray) -> np.ndarray:
        return np.pad(fitted.transform(values), ((0, 0), (0, most - count)))

    return onto


def _neighbours(method: str, features: np.ndarray) -> np.ndarray:
    """Return a layout that keeps neighbours, after noise beyond 50 principal components was dropped."""
    reduced = _components(features, 50)(features) if features.shape[1] > 50 else features
    if method == "tsne":
        from sklearn.manifold import TSNE

        perplexity = min(30.0, max((len(features) - 1) / 3, 1.0))
        tsne: np.ndarray = TSNE(2, perplexity=perplexity, init="pca", random_state=0).fit_transform(reduced)
        return tsne
    from umap import UMAP

    # As in the Unlearning Comparator (arXiv:2508.12730): 9 neighbours, 0.45 least distance.
    around = min(9, len(features) - 1)
    umap = UMAP(n_neighbors=around, min_dist=0.45, init="pca", random_state=0, n_jobs=1)
    at: np.ndarray = umap.fit_transform(reduced)
    return at
