"""Groups: the runs of one problem, which can be set side by side, and the problem itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lethe.errors import InputError, LetheError
from lethe.grid.settings import FilesSetting, WorldSetting
from lethe.problem import Problem
from lethe.store import digest
from lethe.ui.folders import Found

CHECKED = {"model": "the original model", "forget": "the forget set", "retain": "the retain set"}


@dataclass(frozen=True)
class Group:
    """Runs on one problem.

    Attributes:
        id: names it in links.
        name: what people read.
        hashes: of the original and the sets.
        runs: by name.
    """

    id: str
    name: str
    hashes: Mapping[str, Any]
    runs: tuple[Found, ...]

    @property
    def evidence(self) -> Mapping[str, Any] | None:
        """The evidence of the first run that was audited."""
        return next((run.evidence for run in self.runs if run.evidence is not None), None)

    def inputs(self) -> Mapping[str, Any]:
        """Return the paths of the problem, with the gold models that an audit was given; empty where none is named."""
        named = [run.inputs for run in self.runs if run.inputs]
        audited = [run.evidence["settings"].get("inputs") or {} for run in self.runs if run.evidence is not None]
        every = [one for one in (*audited, *named) if one]
        return next((one for one in every if one.get("gold")), every[0] if every else {})

    def key(self) -> str:
        """Return what tells it from every other problem, the content of its gold models included."""
        golds = self.evidence["models"]["gold"] if self.evidence is not None else []
        paths = [path for gold in self.inputs().get("gold", ()) for path in sorted(Path(gold).rglob("*.safetensors"))]
        stamps = [[str(path), path.stat().st_size, path.stat().st_mtime_ns] for path in paths]
        facts = next((run.facts for run in self.runs if run.facts), {})
        return digest([dict(self.hashes), golds, stamps, dict(facts)])

    def problem(self) -> Problem:
        """Return the problem, loaded from where the grid or the record says.

        Raises:
            InputError: nothing says where it is, or a part of it changed since the runs were made.
        """
        problem = self._loaded()
        now = problem.fingerprint()
        changed = [words for name, words in CHECKED.items() if now[name] != self.hashes.get(name)]
        if changed:
            raise InputError(f"{' and '.join(changed)} changed since the runs were made; restore it, or unlearn again")
        return problem

    def _loaded(self) -> Problem:
        from lethe.sources import Inputs, assemble

        facts = dict(next((run.facts for run in self.runs if run.facts), {}))
        if "world" in facts:
            return WorldSetting(self.name, str(facts.pop("world")), facts).problem()
        if facts:
            return FilesSetting(self.name, facts).problem()
        inputs = self.inputs()
        if not inputs:
            raise InputError(
                "the runs were made from Python and name no files, so that nothing can be measured of them"
            )
        return assemble(Inputs.from_dict(inputs, "record.json"))


def grouped(runs: Sequence[Found]) -> list[Group]:
    """Return the runs by problem: what a grid calls alike, or what has the same original and the same sets."""
    of_setting = {run.setting: run.problem for run in runs if run.setting and run.problem}
    names = {digest(dict(problem)): setting for setting, problem in reversed(of_setting.items())}
    members: dict[str, list[Found]] = {}
    for run in runs:
        # A cell that was never finished is known by its problem.
        key = run.setting or (names.get(digest(dict(run.problem))) or f":{digest(dict(run.problem))}")
        members.setdefault(key, []).append(run)
    groups: list[Group] = []
    for key, found in members.items():
        hashes = next((run.problem for run in found if run.problem), {})
        name = key if not key.startswith(":") else _described(found)
        taken = sum(one.name == name or one.name.startswith(f"{name} (") for one in groups)
        name = f"{name} ({taken + 1})" if taken else name
        groups.append(Group(name, name, hashes, tuple(found)))
    return groups


def _described(runs: Sequence[Found]) -> str:
    """Return what people call a problem that no grid named: its model and what it is to forget."""
    inputs: Mapping[str, Any] | None = next((run.inputs for run in runs if run.inputs), None)
    if inputs is None:
        return f"problem {str(runs[0].problem.get('forget'))[:6]}"
    forget = str(inputs["forget"])
    return f"{Path(inputs['model']).name}: {Path(forget).name if '/' in forget else forget}"


def loadable(group: Group) -> tuple[Problem | None, str]:
    """Return the problem, or None and why it cannot be had."""
    try:
        return group.problem(), ""
    except LetheError as error:
        return None, str(error)
