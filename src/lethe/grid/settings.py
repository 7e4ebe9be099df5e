"""Setting: where the problem of a cell comes from, a world of lethe's own or files of the user's."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from lethe.errors import ConfigurationError, nearest
from lethe.problem import Problem

WORLDS = {
    "digits": "lethe.worlds.digits:Digits",
    "mnist": "lethe.worlds.mnist:Mnist",
    "cifar10": "lethe.worlds.cifar10:Cifar10",
    "people": "lethe.worlds.people:People",
}
"""The worlds a grid can name."""


class Setting(ABC):
    """One problem of a grid. Subclasses are frozen dataclasses that can be sent to other processes."""

    name: str

    @abstractmethod
    def problem(self) -> Problem:
        """Return the problem with its gold models; what was trained once is loaded."""

    @abstractmethod
    def validation(self) -> Setting | None:
        """Return the setting on which hyperparameters are chosen: of the same kind, with another forget set."""

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """Return what it is, as plain data."""

    def alike(self) -> bool:
        """Whether what is forgotten is known to be a random part of the data, like what is held out."""
        return False


@dataclass(frozen=True)
class WorldSetting(Setting):
    """A world of lethe's own.

    Args:
        name: what tables call the setting.
        world: one of `WORLDS`.
        options: of the world.
        tuned_on: options of the world that differ where hyperparameters are chosen; empty takes another forget set.

    Raises:
        ConfigurationError: there is no such world, or it has no such option.
    """

    name: str
    world: str
    options: Mapping[str, Any] = field(default_factory=dict)
    tuned_on: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.world not in WORLDS:
            raise ConfigurationError(f"there is no world '{self.world}'{nearest(self.world, WORLDS)}")
        known = [one.name for one in dataclasses.fields(self._kind())]
        for option in {**self.options, **self.tuned_on}:
            if option not in known:
                raise ConfigurationError(f"world {self.world} has no option '{option}'{nearest(option, known)}")

    def _kind(self) -> type[Any]:
        module, _, name = WORLDS[self.world].partition(":")
        kind: type[Any] = getattr(import_module(module), name)
        return kind

    def made(self) -> Any:
        """Return the world itself; raises ConfigurationError where it needs public data that are not there."""
        kind, options = self._kind(), dict(self.options)
        if "folder" in {one.name for one in dataclasses.fields(kind)} and "folder" not in options:
            from lethe.worlds.cifar10 import data_folder

            options["folder"] = data_folder()
            if options["folder"] is None:
                raise ConfigurationError(f"world {self.world} needs public data: set LETHE_DATA to their folder")
        return kind(**options)

    def problem(self) -> Problem:
        """Return the world's problem."""
        problem: Problem = self.made().problem()
        return problem

    def validation(self) -> Setting | None:
        """Return the world with another class, or another draw, to be forgotten."""
        instead = dict(self.tuned_on)
        if not instead:
            known = {one.name: one.default for one in dataclasses.fields(self._kind())}
            for option in ("forget_class", "split_seed", "seed"):
                if option in known:
                    instead[option] = int(self.options.get(option, known[option])) + 1
        return WorldSetting(f"{self.name}-tuning", self.world, {**self.options, **instead}) if instead else None

    def alike(self) -> bool:
        """Whether the world's forget set is a random part."""
        return self.options.get("forget") == "random"

    def facts(self) -> dict[str, Any]:
        """Return world and options."""
        return {"world": self.world, **self.options}


@dataclass(frozen=True)
class FilesSetting(Setting):
    """A model and data of the user's, as `lethe unlearn` takes them.

    Args:
        name: what tables call the setting.
        inputs: `model`, `data`, `forget`, `retain`, `holdout`, `gold` …, as the options of `lethe unlearn`.
        tuned_on: what differs where hyperparameters are chosen: at least `forget` and `gold`.

    Raises:
        ConfigurationError: an entry is unknown or missing.
    """

    name: str
    inputs: Mapping[str, Any]
    tuned_on: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        from lethe.sources import Inputs

        known = [one.name for one in dataclasses.fields(Inputs)]
        for name in {**self.inputs, **self.tuned_on}:
            if name not in known:
                raise ConfigurationError(f"setting {self.name} has no entry '{name}'{nearest(name, known)}")
        for name in ("model", "forget"):
            if name not in self.inputs:
                raise ConfigurationError(f"setting {self.name} names no {name}; add it, as for lethe unlearn")

    def problem(self) -> Problem:
        """Return the problem the files describe."""
        from lethe.sources import Inputs, assemble

        given: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in self.inputs.items()
        }
        if isinstance(given.get("gold"), str):
            given["gold"] = (given["gold"],)
        return assemble(Inputs(**given).absolute())

    def validation(self) -> Setting | None:
        """Return the same model with the other forget set that `tuned_on` names."""
        return FilesSetting(f"{self.name}-tuning", {**self.inputs, **self.tuned_on}) if self.tuned_on else None

    def facts(self) -> dict[str, Any]:
        """Return the inputs."""
        return {name: str(value) if isinstance(value, Path) else value for name, value in self.inputs.items()}
