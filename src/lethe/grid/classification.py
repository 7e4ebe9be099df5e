"""The comparison of all classification methods: one grid on settings of lethe's own, every method tuned alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import torch

from lethe import catalogue
from lethe.clock import Moment
from lethe.errors import ConfigurationError, nearest
from lethe.grid.cells import Spec
from lethe.grid.running import Grid, Planned
from lethe.grid.settings import WorldSetting
from lethe.grid.working import Looking
from lethe.methods.exact.service import Deletable
from lethe.pool import Local, Pool
from lethe.progress import Progress, Silent
from lethe.store import read_json, write_json
from lethe.tasks import Classification
from lethe.worlds.base import World, fit
from lethe.worlds.cifar10 import data_folder

QUICK = ("digits-class", "digits-random", "digits-mislabelled")
RETRAINING = "retraining.json"
MAX_STEPS = 100
LOOKING = Looking(
    metrics=("forget_accuracy", "retain_accuracy", "holdout_accuracy", "mia_confidence", "mia_loss"),
    attacks=("relearn",),
    resamples=0,
    options={"relearn": {"fraction": "0.5", "learning_rate": "0.003", "max_steps": str(MAX_STEPS)}},
)
"""Half of what was forgotten has to come back: even a tenth of wrong labels does within 100 steps, in gold models."""

VARIANTS = (Spec("ssd-label-free", "ssd", {"label_free": "true"}),)
"""Forms of a method that stand in the table beside its defaults."""

LEFT_OUT = {"retrain": "retraining is gold itself, the row 'gold' of the table"}

DEAR = {
    "datamodel_matching": "attribution of the whole training set before it begins",
}
"""Methods that take minutes a run, and why: where nobody names them they run on `QUICK` alone, and are not tuned."""

ANEW = ("sisa", "uer", "prune_then_unlearn")
"""Methods that begin with an untrained network, which the few images of CIFAR-10 here do not train."""

FITTED = {
    "s3t": ({"slices": "3"}, "the vision transformer has three blocks"),
    "lcodec": ({"perturbations": "200"}, "its published 1000 take more than ten times as long"),
}
"""Options that differ from the published ones in every setting, and why."""

MNIST, CIFAR10 = {"train_count": 800, "epochs": 60}, {"train": 250, "test": 500}
"""How many real images are taken: a run is a matter of seconds on one core."""

GROUPS = {
    "all data": "read labelled forget and retain data",
    "no labels": "read images of both sets and no label",
    "no retain data": "read the forget set alone",
    "by construction": "train anew in a way that makes deletion cheap; most are exact or certified",
    "given gold": "read the gold models they are set beside: an upper bound, and no answer to a request",
}
"""Groups that are compared among themselves, and what their methods do."""


def settings() -> dict[str, WorldSetting]:
    """Return every setting of the comparison by name."""
    found = (
        WorldSetting("digits-class", "digits", {"forget": "class"}),
        WorldSetting("digits-random", "digits", {"forget": "random"}),
        WorldSetting("digits-mislabelled", "digits", {"forget": "mislabelled"}),
        WorldSetting("mnist-class", "mnist", {"forget": "class", **MNIST}),
        WorldSetting("mnist-random", "mnist", {"forget": "random", **MNIST}),
        WorldSetting("cifar10-class", "cifar10", {"forget": "class", **CIFAR10}),
        WorldSetting("cifar10-random", "cifar10", {"forget": "random", **CIFAR10}),
    )
    return {one.name: one for one in found}


FILES = {"mnist": ("mnist/*.npz",), "cifar10": ("cifar10/cifar10_small.npz", "cifar10_resnet/*.npz")}


def missing(setting: WorldSetting) -> str:
    """Return in one line which public data a setting lacks; nothing where it has all it needs."""
    if setting.world not in FILES:
        return ""
    folder = data_folder()
    if folder is None:
        return f"{setting.name} needs public data: set LETHE_DATA to the folder that holds {FILES[setting.world][0]}"
    lacking = [pattern for pattern in FILES[setting.world] if not any(folder.glob(pattern))]
    return f"{setting.name} needs {lacking[0]}, which the folder of LETHE_DATA does not hold" if lacking else ""


def chosen_settings(names: Sequence[str], quick: bool) -> tuple[list[WorldSetting], dict[str, str]]:
    """Return the settings to run, and by name why others cannot be; those asked for by name must be there.

    Raises:
        ConfigurationError: there is no such setting, or one that was named lacks its data.
    """
    known = settings()
    if quick and names:
        raise ConfigurationError("--quick and --settings both choose the settings; leave one out")
    for name in names:
        if name not in known:
            raise ConfigurationError(f"--settings: there is no setting '{name}'{nearest(name, known)}")
        if reason := missing(known[name]):
            raise ConfigurationError(f"--settings: {reason}")
    wanted = [known[name] for name in names or (QUICK if quick else known)]
    skipped = {one.name: reason for one in wanted if (reason := missing(one))}
    return [one for one in wanted if one.name not in skipped], skipped


def specs(names: Sequence[str] = (), options: Mapping[str, Mapping[str, str]] | None = None) -> list[Spec]:
    """Return the methods by name, or all that work on classifiers, with fixed options of some.

    Raises:
        ConfigurationError: there is no such method or option, or one does not work on classifiers.
    """
    every = {spec.label: spec for spec in (*_of_catalogue(), *VARIANTS)}
    for name in [*names, *(options or {})]:
        if name in LEFT_OUT:
            raise ConfigurationError(f"--methods {name}: {LEFT_OUT[name]}; leave it out")
        if name not in every and name in catalogue.entries("method"):
            raise ConfigurationError(f"--methods {name}: does not work on image classifiers; see lethe methods")
        if name not in every:
            raise ConfigurationError(f"--methods: there is no method '{name}'{nearest(name, every)}")
    found = []
    for label in names or every:
        spec = every[label]
        own = {**FITTED.get(label, ({},))[0], **spec.options, **(options or {}).get(label, {})}
        spec = Spec(label, spec.slug, own, tuned=label in names or label not in DEAR)
        spec.build()
        found.append(spec)
    return found


def _of_catalogue() -> list[Spec]:
    slugs = [slug for slug in catalogue.entries("method") if slug not in LEFT_OUT]
    return [Spec(slug, slug) for slug in slugs if Classification in catalogue.find("method", slug).tasks]


def kept_out(settings: Sequence[WorldSetting], specs: Sequence[Spec]) -> dict[tuple[str, str], str]:
    """Return, by setting and method, why some stay out of larger settings: `DEAR` ones nobody named, `ANEW` ones."""
    found: dict[tuple[str, str], str] = {}
    for setting in settings:
        for spec in specs:
            if setting.name not in QUICK and spec.label in DEAR and not spec.tuned:
                found[setting.name, spec.label] = f"too dear: {DEAR[spec.label]}; name it with --methods"
            if setting.world == "cifar10" and spec.label in ANEW:
                found[setting.name, spec.label] = (
                    "trains the network anew, and few of the 50,000 images that the published one has seen are here"
                )
    return found


def group(spec: Spec) -> str:
    """Return which of `GROUPS` a method is compared in, from what it says of itself."""
    method = spec.build()
    if isinstance(method, Deletable):
        return "by construction"
    if "gold" in method.requirements():
        return "given gold"
    if "retain" not in method.requirements():
        return "no retain data"
    return "all data" if method.reads_labels() else "no labels"


def reads(spec: Spec) -> str:
    """Return what a method reads beside the model and the forget set.

    >>> reads(Spec("duck", "duck")), reads(Spec("boundary_expanding", "boundary_expanding"))
    ('retain, holdout, labels', 'nothing')
    """
    method = spec.build()
    parts = [name for name in ("retain", "holdout", "gold") if name in method.requirements()]
    return ", ".join([*parts, *(["labels"] if method.reads_labels() else [])]) or "nothing"


@dataclass(frozen=True)
class Outcome:
    """What a comparison found.

    Attributes:
        table: of all cells, as in results.parquet.
        planned: every cell with its state, those that are impossible with the reason.
        retraining: processor time of one retraining, by setting; those that nobody can retrain are missing.
    """

    table: pd.DataFrame
    planned: Sequence[Planned]
    retraining: Mapping[str, float]


@dataclass(frozen=True)
class Comparison:
    """A comparison of classification methods.

    Args:
        settings: where they are compared.
        specs: the methods.
        out: folder of everything; the same comparison again goes on there.
        seeds: one run each.
        trials: of tuning a method on a setting, on another forget set; 0 takes the published defaults.
        pool: where cells are worked on.
        progress: who is shown how far it is.
    """

    settings: Sequence[WorldSetting]
    specs: Sequence[Spec]
    out: Path
    seeds: Sequence[int] = (0, 1, 2)
    trials: int = 6
    pool: Pool = field(default_factory=Local)
    progress: Progress = field(default_factory=Silent)

    def __call__(self) -> Outcome:
        """Do what is not done, and return what was found.

        Raises:
            ConfigurationError: nothing can run.
            StorageError: the folder is in use or holds another comparison.
        """
        grid = self.grid()
        table = grid()
        return Outcome(table, grid.plan(), self._retraining())

    def grid(self) -> Grid:
        """Return the grid of it."""
        return Grid(
            settings=self.settings,
            specs=self.specs,
            out=self.out,
            seeds=self.seeds,
            trials=self.trials,
            looking=LOOKING,
            pool=self.pool,
            progress=self.progress,
            left_out=kept_out(self.settings, self.specs),
        )

    def _retraining(self) -> dict[str, float]:
        """Return the time of retraining by setting, each timed once in the pool where the cells were."""
        path = self.out / RETRAINING
        known: dict[str, float] = read_json(path) if path.exists() else {}
        left = [one for one in self.settings if one.name not in known]
        for place, answer in self.pool.each(retraining_seconds, left):
            if isinstance(answer, Exception):
                raise answer
            if answer is not None:
                known[left[place].name] = answer
        write_json(path, known)
        return known


def retraining_seconds(setting: WorldSetting) -> float | None:
    """Return the processor time of training on the retain set from scratch; None where nobody knows the recipe."""
    world = setting.made()
    if not isinstance(world, World):
        return None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = world.network()
    retain = world.sets[1]
    start = Moment()
    fit(model, world.task, retain, world.training, 0)
    return start.passed()["cpu_seconds"]
