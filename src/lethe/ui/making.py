"""Making: the views of all models of one problem; what lies on the shelf already is left as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import nn

from lethe import models
from lethe.errors import InputError, LetheError
from lethe.examples import Examples
from lethe.problem import Problem
from lethe.run import Run
from lethe.store import MODEL, digest
from lethe.tasks import Classification
from lethe.ui import plane, sampling
from lethe.ui.comparison import Place, embedded
from lethe.ui.folders import Found
from lethe.ui.groups import Group
from lethe.ui.modelview import model_view, recoveries, statistics_of
from lethe.ui.overview import Shown
from lethe.ui.reading import CLASSIFIER, Reading, kind_of, read
from lethe.ui.schema import VERSION, SettingView
from lethe.ui.shelf import Shelf
from lethe.ui.showing import examples_of
from lethe.ui.similarity import chosen_layers

ORIGINAL, GOLD = "original", "gold"
REFERENCE = f"{GOLD}-1"
"""The gold model that attacks and similarity refer to."""


class Amounts(Protocol):
    """How many examples are shown, inspected and compared."""

    @property
    def most(self) -> int:
        """Examples shown of a classifier's sets."""

    @property
    def most_texts(self) -> int:
        """The same of a language model."""

    @property
    def inspected(self) -> int:
        """Examples that can be looked at."""

    @property
    def compared(self) -> int:
        """Examples on which layers are compared."""


@dataclass(frozen=True)
class Made:
    """What became of a group.

    Attributes:
        kind: `classifier` or `language model`; the former where nobody knows.
        place: where its views lie; None where nothing of it can be shown.
        shown: its models, original and gold first.
    """

    kind: str
    place: Place | None
    shown: Sequence[Shown]


@dataclass(frozen=True, eq=False)
class _Loaded:
    """The problem with the examples that are shown, and what its references make of them."""

    problem: Problem
    sets: Mapping[str, Examples]
    compared: Mapping[str, Examples]
    original: Reading
    golds: Mapping[str, Reading]

    @property
    def gold(self) -> tuple[str, Reading] | None:
        """The gold model that attacks and similarity refer to."""
        return (REFERENCE, self.golds[REFERENCE]) if REFERENCE in self.golds else None


class Making:
    """Makes the views of one group.

    Args:
        amounts: how many examples.
        group: the runs.
        shelf: where views are kept.
        run: device and progress.
    """

    def __init__(self, amounts: Amounts, group: Group, shelf: Shelf, run: Run) -> None:
        self.amounts, self.group, self.shelf, self.run = amounts, group, shelf, run
        sizes = [amounts.most, amounts.most_texts, amounts.inspected, amounts.compared]
        self.key = digest([VERSION, sizes, group.key()])[:20]

    def __call__(self) -> Made:
        """Return where the views of all models are, after making those that are missing."""
        try:
            if not any(run.result for run in self.group.runs):
                raise InputError("none of the setting's runs is done")
            if not self.shelf.has(f"{self.key}-setting"):
                _ = self.loaded
        except LetheError as error:
            return Made(CLASSIFIER, None, [_unshown(run, str(error)) for run in self.group.runs])
        facts = self._setting()
        names = {model: f"{self.key}-{model}" for model in (ORIGINAL, *facts["golds"])}
        shown = [self._summarised(model, names[model]) for model in names]
        with self.run.progress.bar("models measured", len(self.group.runs)) as bar:
            for run in self.group.runs:
                name = f"{self.key}-{run.result[:20]}"
                reason = self._unlearned(run, name) if run.result else run.reason or "there is no model yet"
                if not reason:
                    names[run.name] = name
                shown.append(_unshown(run, reason) if reason else self._summarised(run.name, name, run))
                bar.advance()
        return Made(facts["view"]["kind"], self._place(facts, names, shown), shown)

    @cached_property
    def loaded(self) -> _Loaded:
        """The problem and the readings of its references; loaded only where a view is missing."""
        problem = self.group.problem()
        kind = kind_of(problem)
        every = sampling.sets_of(problem)
        most = self.amounts.most if kind == CLASSIFIER else self.amounts.most_texts
        sets = sampling.shown(every, most)
        compared = sampling.shown(sets, self.amounts.compared)

        def reading(model: nn.Module) -> Reading:
            return read(self._moved(model), problem, sets, compared, self.run)

        golds = {f"{GOLD}-{i}": reading(model) for i, model in enumerate(problem.gold, start=1)}
        return _Loaded(problem, sets, compared, reading(problem.model), golds)

    def _setting(self) -> Any:
        """Return the view of the setting with `golds`, `inspected` and `near`, and make those of its references."""
        name = f"{self.key}-setting"
        if self.shelf.has(name):
            return self.shelf.get(name)
        loaded = self.loaded
        counts = {part: len(examples) for part, examples in loaded.sets.items()}
        inspected = sampling.rows(counts, self.amounts.inspected, "inspected")
        near = sampling.rows(_by_set(counts, inspected), plane.MOST_NEIGHBOURHOOD, "neighbourhood")
        facts = {"view": self._view(loaded), "golds": list(loaded.golds), "inspected": inspected, "near": near}
        self.shelf.put(f"{self.key}-examples", list(examples_of(loaded.problem.task, loaded.sets, inspected)))
        for model, reading in {ORIGINAL: loaded.original, **loaded.golds}.items():
            self._keep(f"{self.key}-{model}", model, reading, facts)
        # Last of all: where it lies, everything else does.
        self.shelf.put(name, facts)
        return self.shelf.get(name)

    def _view(self, loaded: _Loaded) -> SettingView:
        problem = loaded.problem
        every = sampling.sets_of(problem)
        counts = {part: len(examples) for part, examples in every.items()}
        labels = loaded.original.labels
        kind = kind_of(problem)
        classes = problem.task.classes if isinstance(problem.task, Classification) else 0
        return SettingView(
            id=self.group.id,
            name=self.group.name,
            kind=kind,
            sets=list(loaded.sets),
            counts={part: {"shown": len(loaded.sets[part]), "total": total} for part, total in counts.items()},
            rule=sampling.rule(counts, self.amounts.most if kind == CLASSIFIER else self.amounts.most_texts),
            ids=[name for examples in loaded.sets.values() for name in examples.ids],
            set_of=[i for i, examples in enumerate(loaded.sets.values()) for _ in range(len(examples))],
            labels=labels.tolist() if labels is not None else [],
            classes=[str(k) for k in range(classes)],
            forget_classes=_forgotten(problem),
            layers=chosen_layers(list(loaded.original.layers["forget"])),
            models=[],
            gold=loaded.gold[0] if loaded.gold is not None else None,
            statistics=statistics_of(loaded.original),
        )

    def _unlearned(self, run: Found, name: str) -> str:
        """Make the views of a run; return why it cannot be shown, nothing where it can."""
        if self.shelf.has(f"{name}-summary"):
            return ""
        try:
            model = models.load_weights(self.loaded.problem.model, run.folder / MODEL).eval()
            if models.fingerprint(model) != run.result:
                raise InputError(f"{run.folder / MODEL}: the weights are not those the run ended with; unlearn again")
            loaded = self.loaded
            reading = read(self._moved(model), loaded.problem, loaded.sets, loaded.compared, self.run)
        except (LetheError, OSError) as error:
            return str(error)
        self._keep(name, run.name, reading, self.shelf.get(f"{self.key}-setting"))
        return ""

    def _keep(self, name: str, model: str, reading: Reading, facts: Mapping[str, Any]) -> None:
        """Put everything measured of a model on the shelf."""
        loaded, setting = self.loaded, self.group.id
        layers = chosen_layers(list(loaded.original.layers["forget"]))
        classes = loaded.problem.task.classes if isinstance(loaded.problem.task, Classification) else 0
        view = model_view(setting, model, reading, loaded.original, loaded.gold, layers, classes)
        laid_out = plane.laid_out("pca", reading.features, loaded.original.features)
        rows = list(range(len(reading.features)))
        inspected = facts["inspected"]
        tensors = {"features": torch.from_numpy(reading.features[[inspected[i] for i in facts["near"]]])}
        if reading.logits is not None:
            tensors["logits"] = reading.logits[inspected]
        else:
            self.shelf.put(f"{name}-said", [reading.predictions[row] for row in inspected])
        self.shelf.put_tensors(name, {key: value.contiguous() for key, value in tensors.items()})
        self.shelf.put(f"{name}-pca", embedded(setting, model, "pca", rows, laid_out))
        self.shelf.put(f"{name}-view", view)
        best = max((one["accuracy"] for one in view.membership.values()), default=None)
        quality = view.attack.score if view.attack is not None else None
        self.shelf.put(f"{name}-summary", {"means": view.means, "quality": quality, "guessed": best})

    def _place(self, facts: Mapping[str, Any], names: Mapping[str, str], shown: Sequence[Shown]) -> Place:
        view = SettingView(**facts["view"])
        listed = [{"id": one.id, "name": one.name, "role": one.role} for one in shown if one.id in names]
        every = len(facts["inspected"]) == len(view.ids)
        evidence = {one.id: one.run.evidence if one.run is not None else self.group.evidence for one in shown}
        return Place(
            # A folder may have got another name since.
            setting=replace(view, models=listed, inspectable=None if every else facts["inspected"]),
            examples=f"{self.key}-examples",
            inspected=facts["inspected"],
            near=facts["near"],
            models=names,
            recovery={one.id: recoveries(evidence[one.id], one.role) for one in shown},
        )

    def _summarised(self, model: str, name: str, run: Found | None = None) -> Shown:
        facts = self.shelf.get(f"{name}-summary")
        role = "unlearned" if run is not None else ORIGINAL if model == ORIGINAL else GOLD
        words = {ORIGINAL: "Original", GOLD: f"Retrained {model.removeprefix('gold-')}"}
        return Shown(model, role, _called(run) if run is not None else words[role], run, **facts)

    def _moved(self, model: nn.Module) -> nn.Module:
        at_home = next(model.parameters()).device == self.run.device
        return model if at_home else models.copied(model).to(self.run.device)


def _by_set(counts: Mapping[str, int], rows: Sequence[int]) -> dict[str, int]:
    """Return how many of the rows, in ascending order, lie in each set."""
    found, start = {}, 0
    for name, count in counts.items():
        found[name] = sum(start <= row < start + count for row in rows)
        start += count
    return found


def _forgotten(problem: Problem) -> list[int]:
    """Return the classes of which at least half of the training examples are to be forgotten."""
    task = problem.task
    if not isinstance(task, Classification):
        return []
    gone = torch.bincount(problem.forget.tensor(task.label).long(), minlength=task.classes)
    kept = torch.zeros_like(gone)
    if problem.retain is not None:
        kept = torch.bincount(problem.retain.tensor(task.label).long(), minlength=task.classes)
    return ((gone > 0) & (gone >= kept)).nonzero().flatten().tolist()


def _called(run: Found) -> str:
    """Return what people call a run: its method and seed in a grid, else its folder."""
    return f"{run.method}, seed {run.seed}" if run.setting else run.name


def _unshown(run: Found, reason: str) -> Shown:
    return Shown(run.name, "unlearned", _called(run), run, reason=reason)
