"""A comparison: the answers to what the page asks, from views that were made before; no model is needed any more."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lethe.errors import LetheError, nearest
from lethe.ui import plane, sampling
from lethe.ui.classifier_reading import probabilities
from lethe.ui.schema import Embedding, Overview, Recovery, SettingView, plain
from lethe.ui.shelf import Shelf


class Unknown(LetheError):
    """There is no setting, model or row of that name."""


@dataclass(frozen=True)
class Place:
    """Where the views of one setting lie on the shelf.

    Attributes:
        setting: the view of the setting itself.
        examples: name of its examples.
        inspected: rows that have examples and predictions.
        near: places among the inspected rows of those that are laid out by their neighbours.
        models: model id to the name of its views, of every model that can be shown.
        recovery: model id to the attacks of its audit.
    """

    setting: SettingView
    examples: str
    inspected: Sequence[int]
    near: Sequence[int]
    models: Mapping[str, str]
    recovery: Mapping[str, Sequence[Recovery]]


@dataclass
class Comparison:
    """Everything about one folder that a page can ask for.

    Args:
        overview: the table.
        places: setting id to its views.
        shelf: where these lie.
    """

    overview: Overview
    places: Mapping[str, Place]
    shelf: Shelf
    _examples: dict[str, dict[int, Any]] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def runs(self) -> Any:
        """Return the table."""
        return plain(self.overview)

    def setting(self, setting: str) -> Any:
        """Return what all models of a setting are shown on; raises Unknown where there is none of that name."""
        return plain(self._place(setting).setting)

    def model(self, setting: str, model: str) -> Any:
        """Return everything measured of one model; raises Unknown where there is none of that name."""
        view = self.shelf.get(f"{self._model(setting, model)}-view")
        # An audit may have come later than the view, and a run may have moved.
        return {**view, "setting": setting, "id": model, "recovery": plain(self._place(setting).recovery[model])}

    def embedding(self, setting: str, model: str, method: str) -> Any:
        """Return a model's features in the plane, made now where nobody asked for them before.

        Raises:
            Unknown: there is no such setting or model.
            ConfigurationError: there is no such method, or it is not installed.
        """
        name = self._model(setting, model)
        plane.check(method)
        with self._lock:
            if not self.shelf.has(f"{name}-{method}"):
                self.shelf.put(f"{name}-{method}", self._laid_out(setting, model, method))
            return self.shelf.get(f"{name}-{method}")

    def examples(self, setting: str, rows: Sequence[int]) -> Any:
        """Return what the models were shown in these rows; raises Unknown where a row cannot be inspected."""
        place = self._place(setting)
        with self._lock:
            if place.examples not in self._examples:
                self._examples[place.examples] = {one["row"]: one for one in self.shelf.get(place.examples)}
        return [self._examples[place.examples][row] for row in _inspected(place, rows)]

    def predictions(self, setting: str, model: str, rows: Sequence[int]) -> Any:
        """Return what a model makes of these rows; raises Unknown where a row cannot be inspected."""
        place, name = self._place(setting), self._model(setting, model)
        at = {row: i for i, row in enumerate(place.inspected)}
        places = [at[row] for row in _inspected(place, rows)]
        if not place.setting.classes:
            said = self.shelf.get(f"{name}-said")
            return [said[i] for i in places]
        logits = self.shelf.tensors(name)["logits"][places]
        found = zip(rows, probabilities(logits), strict=True)
        return [{"row": row, "probabilities": given, "generated": "", "tokens": []} for row, given in found]

    def bundle(self, most: int = 400) -> Any:
        """Return all answers as one value, for a page that has nobody to ask.

        Args:
            most: rows of each setting with examples and predictions, forget examples before others; those of language
                models are half as many.
        """
        parts: dict[str, Any] = {name: {} for name in ("settings", "models", "embeddings", "examples", "predictions")}
        for setting, place in self.places.items():
            rows = _of_forget_first(place, most if place.setting.classes else most // 2)
            parts["settings"][setting] = plain(replace(place.setting, inspectable=rows))
            parts["examples"][setting] = {one["row"]: one for one in self.examples(setting, rows)}
            parts["models"][setting] = {model: self.model(setting, model) for model in place.models}
            parts["embeddings"][setting] = {model: self._made(place.models[model]) for model in place.models}
            parts["predictions"][setting] = {
                model: {one["row"]: one for one in self.predictions(setting, model, rows)} for model in place.models
            }
        return {"version": self.overview.version, "overview": self.runs(), **parts}

    def _made(self, name: str) -> dict[str, Any]:
        """Return the embeddings of a model that were made so far."""
        made = [method for method in plane.METHODS if self.shelf.has(f"{name}-{method}")]
        return {method: self.shelf.get(f"{name}-{method}") for method in made}

    def _laid_out(self, setting: str, model: str, method: str) -> Embedding:
        place = self._place(setting)
        own, original = (self.shelf.tensors(place.models[one])["features"].numpy() for one in (model, "original"))
        rows = [place.inspected[i] for i in place.near]
        return embedded(setting, model, method, rows, plane.laid_out(method, own, original))

    def _place(self, setting: str) -> Place:
        if setting not in self.places:
            raise Unknown(f"there is no setting '{setting}' that can be shown{nearest(setting, self.places)}")
        return self.places[setting]

    def _model(self, setting: str, model: str) -> str:
        known = self._place(setting).models
        if model not in known:
            raise Unknown(f"setting '{setting}' has no model '{model}' that can be shown{nearest(model, known)}")
        return known[model]


def embedded(setting: str, model: str, method: str, rows: Sequence[int], found: plane.Plane) -> Embedding:
    """Return a layout as the page is given it."""
    x, y = found.at.T.tolist()
    from_x, from_y = found.origin.T.tolist() if found.origin is not None else ([], [])
    return Embedding(setting, model, method, rows, x, y, from_x, from_y, found.note)


def _of_forget_first(place: Place, most: int) -> list[int]:
    """Return at most so many of the rows that can be inspected, in ascending order."""
    of_sets = place.setting.set_of
    counts = {name: sum(of_sets[row] == i for row in place.inspected) for i, name in enumerate(place.setting.sets)}
    return [place.inspected[at] for at in sampling.rows(counts, most, "bundle")]


def _inspected(place: Place, rows: Sequence[int]) -> Sequence[int]:
    known = set(place.inspected)
    for row in rows:
        if row not in known:
            raise Unknown(f"row {row} cannot be inspected; the setting's `inspectable` lists those that can")
    return rows
