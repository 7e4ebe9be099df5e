"""The comparator: every model of a folder measured on the same examples, once, and kept for the page."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from lethe.errors import ConfigurationError
from lethe.run import Run
from lethe.ui import plane
from lethe.ui.comparison import Comparison, Place
from lethe.ui.folders import COMPARE, runs_below
from lethe.ui.groups import grouped
from lethe.ui.making import Making
from lethe.ui.overview import axes, rows
from lethe.ui.schema import Overview
from lethe.ui.schema import Run as Row
from lethe.ui.shelf import Shelf


@dataclass(frozen=True, kw_only=True)
class Comparator:
    """Compare many unlearned models of the same problems: screen them in a table, contrast two, attack them.

    Each is set beside the original and models retrained without the forget set: accuracy by class, prediction matrix,
    similarity of layers (linear CKA), features in the plane, single examples with what the models say to them, and an
    attacker who guesses with a threshold. The forgetting quality score is 1 minus the largest attack score 1 - q with
    which entropy or confidence tells the model's outputs on the forget set from the retrained model's; q = 2^-ε, with
    the smallest ε of (ε, δ = 1e-5)-indistinguishability that the attack's error rates leave possible.

    Args:
        most: examples shown and measured of a classifier's sets.
        most_texts: the same of a language model.
        inspected: examples that can be looked at one by one.
        compared: examples on which the layers of classifiers are compared; of language models all that are shown.

    Raises:
        ConfigurationError: a number is too small to show anything.

    Source: Unlearning Comparator, arXiv:2508.12730.
    """

    most: int = 50_000
    most_texts: int = 600
    inspected: int = 2_000
    compared: int = 1_000

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value < 8:
                raise ConfigurationError(f"{name} must be at least 8, not {value}")

    def __call__(self, root: Path, run: Run | None = None) -> Comparison:
        """Measure what was not measured before, keep it in the folder's `compare/`, and return the answers.

        Args:
            root: the --out of lethe unlearn, lethe grid or lethe bench, or a folder of such folders.
            run: device and progress.

        Raises:
            InputError: there is no run in the folder that can be shown.
            StorageError: the folder cannot be written.
        """
        run = run or Run()
        found, unreadable = runs_below(root)
        groups, shelf = grouped(found), Shelf(root / COMPARE)
        places: dict[str, Place] = {}
        kinds: list[str] = []
        table: list[Row] = []
        for group in groups:
            made = Making(self, group, shelf, run)()
            if made.place is not None:
                places[group.id] = made.place
            kinds.append(made.kind)
            table += list(rows(group, made.kind, made.shown))
        overview = Overview(
            title=root.resolve().name,
            settings=[{"id": g.id, "name": g.name, "kind": kind} for g, kind in zip(groups, kinds, strict=True)],
            axes=axes(groups, kinds, table),
            runs=table,
            unreadable=[asdict(one) for one in unreadable],
            embeddings=[
                {"method": method, "title": title, "available": plane.available(method)}
                for method, title in plane.METHODS.items()
            ],
        )
        return Comparison(overview, places, shelf)
