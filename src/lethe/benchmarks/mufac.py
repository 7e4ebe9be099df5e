"""MUFAC and MUCAC: forget people from a classifier of faces that was trained on something else about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from lethe.auditing.metric import References, Rows
from lethe.auditing.metrics.nomus import NoMUS
from lethe.benchmarks.images import ImageBenchmark, ImageData, Reader, accuracy
from lethe.benchmarks.mufac_data import FORGOTTEN_ROWS, Faces, kind_in, read_identities, read_mucac, read_mufac
from lethe.errors import ConfigurationError
from lethe.methods.baselines.finetune import FineTune
from lethe.run import Run


@dataclass(frozen=True, kw_only=True)
class Mufac(ImageBenchmark):
    """MUFAC and MUCAC: identities are forgotten from a classifier of ages or attributes; nobody is in two sets.

    `accuracy` A is that on other people, `membership` M the accuracy of a logistic regression that tells losses of
    forgotten images from those of people never seen, `forgetting_score` F = |M - ½|, and `nomus` is
    ½ A + ½ (1 - 2 F). Tables of the benchmark head F with `MIA`. A method that destroys the model has a small F too:
    read A beside it. Gold is trained on the retained people alone.

    Args:
        kind: `mufac` and `mucac` read the releases' own files; `identities` any labelled images with a column that
            says who is seen; `auto` is the one whose files are there.
        attribute: label of `mucac`: `male`, `smiling` or `young`. One at a time: the release's head for all three at
            once is left out.
        identity: the column of `identities`.
        shares: of the people of `identities`, to forget, for test and for unseen.
        forgotten: rows of MUFAC's training table to forget; the release's first 1500.
        limit: most images of each set, for small machines; 0 keeps all.
        seed: of the split of `identities`, and of what a limit keeps.
        epochs: passes over the data in which target and gold are trained.
        batch_size: images a step of that.
        learning_rate: step size of that.

    Source: Choi and Na 2023, arXiv:2311.02240. Images are not augmented, and the learning rate falls along a cosine,
        not in steps.
    """

    kind: Literal["auto", "mufac", "mucac", "identities"] = "auto"
    attribute: str = "smiling"
    identity: str = "identity"
    shares: tuple[float, ...] = (0.15, 0.15, 0.15)
    forgotten: int = FORGOTTEN_ROWS
    limit: int = 0
    seed: int = 42
    epochs: int = 30
    batch_size: int = 64
    learning_rate: float = 0.01

    title: ClassVar[str] = "MUFAC"

    def __post_init__(self) -> None:
        if self.limit < 0:
            raise ConfigurationError(f"limit must not be negative, not {self.limit}; 0 keeps all images")
        self.recipe.check()

    @property
    def recipe(self) -> FineTune:
        """SGD with momentum and a cosine."""
        return FineTune(
            epochs=self.epochs, batch_size=self.batch_size, learning_rate=self.learning_rate, optimizer="sgd",
            momentum=0.9, weight_decay=0.0, schedule="cosine",
        )  # fmt: skip

    def read(self, source: str, reader: Reader) -> ImageData:
        """Return the four sets; see `read_mufac`, `read_mucac` and `read_identities` for what may be wrong."""
        faces = self._faces(source)
        rows = {part: self._limited(part, some) for part, some in faces.rows.items()}
        sets = {part: reader.examples(faces.table[part], some) for part, some in rows.items()}
        facts = {part: list(examples.ids) for part, examples in sets.items()}
        facts |= {f"{part}_identities": sorted(set(people)) for part, people in faces.identities.items()}
        return ImageData(
            forget=sets["forget"],
            retain=sets["retain"],
            # As metrics of the audit call them: the people nobody has seen are its holdout.
            evaluated={"forget": sets["forget"], "test": sets["test"], "holdout": sets["unseen"]},
            references={"gold": sets["retain"]},
            facts=facts,
        )

    def values(self, measured: Rows, beside: Mapping[str, Rows], twin: Rows | None) -> dict[str, float]:
        """Return NoMUS and what it is made of, and top-2 accuracy."""
        score = NoMUS()(measured, References(original=beside["target"]), seed=self.seed)
        return {
            "nomus": score.value,
            **{name: float(value) for name, value in score.details.items()},
            "accuracy_top2": accuracy(measured, "test", within=2),
            "forget_accuracy": accuracy(measured, "forget"),
        }

    def _faces(self, source: str) -> Faces:
        kind = kind_in(source) if self.kind == "auto" else self.kind
        if kind == "mufac":
            return read_mufac(source, self.forgotten)
        if kind == "mucac":
            return read_mucac(source, self.attribute)
        return read_identities(source, self.identity, self.shares, self.seed)

    def _limited(self, part: str, rows: Sequence[int]) -> Sequence[int]:
        if not self.limit or len(rows) <= self.limit:
            return rows
        draw = Run(seed=self.seed).generator("mufac", part)
        kept = torch.randperm(len(rows), generator=draw)[: self.limit].sort().values.tolist()
        return [rows[i] for i in kept]
