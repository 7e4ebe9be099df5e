"""Running a grid: what is shared is made once, methods are tuned alike, and every cell that is not done is run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from lethe.errors import ConfigurationError, LetheError, StorageError
from lethe.grid import results
from lethe.grid.cells import CELL, CELLS, VERSION, Cell, Spec, state
from lethe.grid.settings import Setting
from lethe.grid.tuning import Tuning, search
from lethe.grid.working import CellJob, Looking, facts_of, work_cell
from lethe.pool import Local, Pool
from lethe.progress import Progress, Silent
from lethe.store import RECORD, RunFolder, digest, read_json, write_json

PLAN = "grid.json"


@dataclass(frozen=True)
class Planned:
    """One line of a plan.

    Attributes:
        cell: which.
        state: `done`, `open`, `failed` (is tried again), or `impossible`.
        reason: why it failed or is impossible.
        seconds: what unlearning took in cells of the same method and setting; None where none is done.
    """

    cell: Cell
    state: str
    reason: str = ""
    seconds: float | None = None


@dataclass(frozen=True)
class Grid:
    """Methods × settings × seeds.

    Args:
        settings: the problems.
        specs: the methods.
        seeds: one run each.
        trials: of tuning a method on a setting; 0 takes the options as they are.
        looking: what is measured.
        out: folder of everything; the same grid again goes on there.
        pool: where cells are worked on.
        progress: who is shown how far it is.
        left_out: why a method does not run in a setting that it could run in, by their names.
    """

    settings: Sequence[Setting]
    specs: Sequence[Spec]
    out: Path
    seeds: Sequence[int] = (0,)
    trials: int = 0
    looking: Looking = field(default_factory=Looking)
    pool: Pool = field(default_factory=Local)
    progress: Progress = field(default_factory=Silent)
    left_out: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = {"setting": [one.name for one in self.settings], "method": [one.label for one in self.specs]}
        for what, given in names.items():
            twice = next((name for name in given if given.count(name) > 1), None)
            if twice is not None or not given:
                said = f"names {what} '{twice}' twice" if twice is not None else f"names no {what}"
                raise ConfigurationError(f"the grid {said}; name at least one {what}, and each once")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ConfigurationError("the grid needs at least one seed, and each once")

    def cells(self) -> Iterator[Cell]:
        """Yield every cell: setting by setting, method by method, seed by seed."""
        for setting in self.settings:
            for spec in self.specs:
                for seed in self.seeds:
                    yield Cell(setting, spec, seed)

    def plan(self) -> list[Planned]:
        """Return what would run, what is done, and what cannot run and why; nothing is started.

        What settings share, such as gold models, is trained here where it is not there yet.
        """
        self.looking.audit()
        obstacles = self._obstacles()
        seconds = self._seconds()
        found = []
        for cell in self.cells():
            what, reason = state(cell.folder(self.out))
            obstacle = obstacles[cell.setting.name, cell.spec.label]
            if what != "done" and obstacle:
                what, reason = "impossible", obstacle
            found.append(Planned(cell, what, reason, seconds.get((cell.setting.name, cell.spec.label))))
        return found

    def __call__(self) -> pd.DataFrame:
        """Do what is not done, and return the table of all cells; it is kept in results.parquet.

        A cell that fails is reported in the table and stops no other; the same grid again tries it once more.

        Raises:
            ConfigurationError: nothing can run, or there is nothing to tune on.
            StorageError: the folder is in use or holds another grid.
        """
        with RunFolder(self.out).owned():
            self._claim()
            planned = self.plan()
            todo = [one.cell for one in planned if one.state not in ("done", "impossible")]
            if not todo and not any(one.state == "done" for one in planned):
                raise ConfigurationError(f"no cell of the grid can run: {planned[0].cell.name}: {planned[0].reason}")
            chosen = self._tuned(todo)
            jobs = [CellJob(cell, chosen[cell.setting.name, cell.spec.label], self.looking, self.out) for cell in todo]
            with self.progress.bar("cells", len(planned)) as bar:
                bar.advance(len(planned) - len(todo))
                for place, answer in self.pool.each(work_cell, jobs):
                    if isinstance(answer, Exception):
                        self._note(jobs[place], answer)
                    bar.advance()
            results.write(self.out, results.collect(self.out))
        return results.read(self.out)

    def _obstacles(self) -> dict[tuple[str, str], str]:
        """Return by setting and method why it cannot run."""
        found: dict[tuple[str, str], str] = {}
        with self.progress.bar("preparing settings", len(self.settings)) as bar:
            for setting in self.settings:
                try:
                    problem, reason = setting.problem(), ""
                except LetheError as error:
                    problem, reason = None, str(error)
                for spec in self.specs:
                    found[setting.name, spec.label] = reason if problem is None else spec.obstacle(problem)
                bar.advance()
        return found | dict(self.left_out)

    def _tuned(self, todo: Sequence[Cell]) -> dict[tuple[str, str], dict[str, str]]:
        """Return what tuning chose, by setting and method; nothing where nothing is tuned."""
        settings = {setting.name: setting for setting in self.settings}
        specs = {spec.label: spec for spec in self.specs}
        chosen: dict[tuple[str, str], dict[str, str]] = {(c.setting.name, c.spec.label): {} for c in todo}
        searches: dict[tuple[str, str], Tuning] = {}
        for name, label in [key for key in chosen if specs[key[1]].tuned] if self.trials else ():
            where = settings[name].validation()
            if where is None:
                raise ConfigurationError(
                    f"setting {name} names no other forget set to tune on; add tuned_on, or leave out tune"
                )
            searches[name, label] = Tuning(where, specs[label], self.trials, self.looking, self.out)
        return chosen | self._searched(searches)

    def _searched(self, searches: Mapping[tuple[str, str], Tuning]) -> dict[tuple[str, str], dict[str, str]]:
        """Return what each search found: one spreads its trials over the pool, several are spread themselves."""
        keys, found = list(searches), dict[tuple[str, str], dict[str, str]]()
        if len(keys) == 1:
            return {keys[0]: searches[keys[0]].best(self.pool, self.progress)}
        for where in {tuning.setting.name: tuning.setting for tuning in searches.values()}.values():
            where.problem()  # what searches share is trained once, not by each of them
        with self.progress.bar("tuning methods", len(keys)) as bar:
            for place, answer in self.pool.each(search, list(searches.values())):
                if isinstance(answer, Exception):
                    raise answer
                found[keys[place]] = answer
                bar.advance()
        return found

    def _note(self, job: CellJob, error: Exception) -> None:
        """Leave the reason in the folder of a cell whose worker could not."""
        folder = job.cell.folder(self.out)
        if state(folder)[0] != "failed":
            reason = f"{type(error).__name__}: {error}"
            write_json(folder / CELL, {"status": "failed", "reason": reason, **facts_of(job)})

    def _seconds(self) -> dict[tuple[str, str], float]:
        """Return the mean seconds of finished cells, by setting and method."""
        taken: dict[tuple[str, str], list[float]] = {}
        for cell in self.cells():
            if state(cell.folder(self.out))[0] == "done":
                cost: Mapping[str, float] = read_json(cell.folder(self.out) / RECORD)["cost"]
                taken.setdefault((cell.setting.name, cell.spec.label), []).append(cost["seconds"])
        return {key: sum(values) / len(values) for key, values in taken.items()}

    def _claim(self) -> None:
        """Raise StorageError where the folder holds cells of these names that mean something else."""
        facts: dict[str, dict[str, Any]] = {
            "settings": {one.name: one.facts() for one in self.settings},
            "methods": {one.label: [one.slug, dict(one.options)] for one in self.specs},
        }
        path = self.out / PLAN
        if path.exists():
            before = read_json(path)
            for what, now in facts.items():
                for name, value in now.items():
                    old = before.get(what, {}).get(name, value)
                    if digest(old) != digest(value):
                        raise StorageError(
                            f"{self.out}: holds another {what[:-1]} '{name}'; rename it, or take another folder"
                        )
            facts = {what: {**before.get(what, {}), **now} for what, now in facts.items()}
            trials = before.get("trials", self.trials)
            if trials != self.trials and any((self.out / CELLS).rglob(CELL)):
                raise StorageError(
                    f"{self.out}: holds runs that were tuned with {trials} trials, not {self.trials}; take that "
                    "number, or another folder"
                )
        write_json(path, {"version": VERSION, "trials": self.trials, **facts})
