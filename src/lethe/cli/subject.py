"""Subject: which model an audit is about, from a run folder or from options, and whether it is still the same."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lethe.errors import ConfigurationError, InputError, StorageError

if TYPE_CHECKING:
    from torch import nn

    from lethe.problem import Problem
    from lethe.sources import Inputs
    from lethe.tasks import Task


@dataclass(frozen=True)
class Subject:
    """What is audited.

    Attributes:
        name: what tables call it.
        model: its folder.
        inputs: the problem it was made for.
        record: the record of the run that made it, where there is one.
        originals: folders of further models trained on everything.
        siblings: folders of further models unlearned in the same way.
        retrain_seconds: what retraining takes; None where nobody measured it.
        run: the run folder that made it, where there is one.
    """

    name: str
    model: str
    inputs: Inputs
    record: Mapping[str, Any] | None = None
    originals: tuple[str, ...] = ()
    siblings: tuple[str, ...] = ()
    retrain_seconds: float | None = None
    run: Path | None = None

    def task(self) -> type[Task]:
        """Return the kind of task that models of its kind have."""
        from lethe.sources.kinds import kind_of
        from lethe.tasks import CausalLM, Classification

        return CausalLM if kind_of(self.inputs.model) == "language model" else Classification


def of_run(run: Path, model: str, original: str, named: Mapping[str, Any]) -> Subject:
    """Return what a run folder holds; paths given beside it replace those of its record.

    Raises:
        StorageError: the folder holds no finished run.
    """
    from lethe.sources import Inputs
    from lethe.store import RECORD, RunFolder

    if model:
        raise ConfigurationError("--run and --model both name the model to audit; leave one of them out")
    folder = RunFolder(run)
    record = folder.record()
    if record is None:
        raise StorageError(f"{run}: holds no {RECORD}; give the --out of a lethe unlearn")
    if record["status"] != "done":
        raise StorageError(f"{run}: the run is not done ({record['status']}); finish it with the same lethe unlearn")
    inputs = Inputs.from_dict(record["inputs"], f"{run / RECORD}")
    instead = {**named, **({"model": original} if original else {})}
    return Subject(run.resolve().name, str(folder.model), dataclasses.replace(inputs, **instead), record, run=run)


def of_folders(model: str, original: str, named: Mapping[str, Any]) -> Subject:
    """Return what the options name; raises ConfigurationError where one is missing."""
    from lethe.sources import Inputs

    needed = {"--model": model, "--original": original, "--forget": named.get("forget")}
    missing = [option for option, value in needed.items() if not value]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise ConfigurationError(f"{' and '.join(missing)} {verb} missing; give --run, or all of {', '.join(needed)}")
    return Subject(Path(model).resolve().name, model, Inputs(model=original, **named))


def recorded_seconds(golds: Sequence[str]) -> float | None:
    """Return the mean seconds that gold models took which are run folders themselves; None where none is."""
    from lethe.store import RunFolder

    records = [RunFolder(Path(gold)).record() for gold in golds]
    seconds = [record["cost"]["seconds"] for record in records if record is not None]
    return sum(seconds) / len(seconds) if seconds else None


def check_unchanged(subject: Subject, problem: Problem, model: nn.Module) -> None:
    """Raise InputError where the model, the original or the data are not those of the run any more."""
    from lethe.models import fingerprint

    assert subject.record is not None
    before, now = subject.record["configuration"]["problem"], problem.fingerprint()
    changed = [name for name in ("model", "forget", "retain") if before[name] != now[name]]
    if changed:
        names = {"model": "the original model", "forget": "the forget set", "retain": "the retain set"}
        raise InputError(
            f"{' and '.join(names[name] for name in changed)} changed since {subject.name} was made; restore "
            f"{subject.inputs.model} and {subject.inputs.data or subject.inputs.forget}, or unlearn again"
        )
    if fingerprint(model) != subject.record["result"]:
        raise InputError(f"{subject.model}: the weights are not those the run ended with; run lethe unlearn again")
