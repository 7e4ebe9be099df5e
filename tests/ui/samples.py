"""Sample folders for the comparator: a grid on the digits and on fictitious people. Run it to look at one yourself.

python -m tests.ui.samples FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

from lethe.grid.cells import Spec
from lethe.grid.running import Grid
from lethe.grid.settings import Setting, WorldSetting
from lethe.grid.working import Looking

DIGITS = WorldSetting("digits, one class", "digits", {"forget": "class"})
TINY = {"people": 14, "forget_share": 1 / 7, "towns": 8, "largest_number": 4, "batch_size": 16}
PEOPLE = WorldSetting("people", "people", TINY)


def sample_grid(
    folder: Path, settings: tuple[Setting, ...] = (DIGITS, PEOPLE), attacks: tuple[str, ...] = ("relearn",)
) -> Path:
    """Return the folder of a small grid: fine-tuning, SalUn and SSD on digits, NPO and gradient ascent on people."""
    specs = (
        Spec("finetune", "finetune", {"epochs": "1"}),
        Spec("salun", "salun", {"epochs": "2"}),
        Spec("ssd", "ssd"),
        Spec("npo", "npo", {"epochs": "4", "batch_size": "12", "learning_rate": "1e-3"}),
    )
    Grid(settings=settings, specs=specs, seeds=(0, 1), looking=Looking((), attacks, 0), out=folder)()
    return folder


if __name__ == "__main__":
    sample_grid(Path(sys.argv[1]))
