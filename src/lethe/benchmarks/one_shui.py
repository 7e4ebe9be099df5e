"""1-SHUI: forget people from one image of each that was never trained on, when the training data are gone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from lethe.auditing.metric import References, Rows
from lethe.auditing.metrics.forest import MIAForest
from lethe.auditing.metrics.rmia import RMIA
from lethe.auditing.metrics.tug_of_war import TugOfWar
from lethe.benchmarks.faces import Portraits, read_celeba_hq, read_labelled
from lethe.benchmarks.images import ImageBenchmark, ImageData, Reader, accuracy
from lethe.benchmarks.one_shui_data import PARTS, split_one_shot
from lethe.errors import ConfigurationError
from lethe.methods.baselines.finetune import FineTune


@dataclass(frozen=True, kw_only=True)
class OneShui(ImageBenchmark):
    """1-SHUI: a classifier of faces forgets all it was trained on of some people, given a single further image of each.

    One image of each person to forget is drawn and left out of training; it is all that methods are given, beside the
    model. Before that, while the training data are there, a method may learn from them (`meta_unlearn` learns its loss
    then, with the people of the validation set as those never seen). The other images of the same people are what is to
    be forgotten; gold is trained on the people who are retained.

    `tow` is Π (1 - |a - a_gold|) over `retain_accuracy`, `forget_accuracy` and `test_accuracy`: 1 for gold.
    `membership_forest` is the share of the forget set that a random forest on losses takes for unseen, `rmia` the AUC
    of forget set against validation set with one reference model: gold after the same unlearning, which makes every
    method run twice. Gold itself has none.

    Args:
        kind: `identities` reads any labelled images with a column that says who is seen, `celeba_hq` CelebA-HQ's files.
        identity: the column of `identities`.
        attribute: label of `celeba_hq`, by its name in the file of attributes. One at a time: the published task
            predicts all at once.
        people: N, how many are to be forgotten. For 1, MetaUnlearn should simulate requests of more people.
        shares: of the images, to train on, for validation and for test; nobody is in two of them.
        relaxed: give methods the retain set as well, and the validation set as holdout.
        limit: most people that are taken, for small machines; 0 takes all.
        seed: of all that is drawn.
        epochs: passes over the data in which target and gold are trained.
        batch_size: images a step of that.
        learning_rate: step size of that.
        weight_decay: weight decay of that.
        warmup: epochs over which the learning rate rises, before it falls along a cosine.

    Source: De Min et al. 2025, Unlearning Personal Data from a Single Image, TMLR, arXiv:2407.12069. Images are not
        augmented; RMIA has the settings of its own paper, where the release takes the best of sixteen.
    """

    kind: Literal["identities", "celeba_hq"] = "identities"
    identity: str = "identity"
    attribute: str = "smiling"
    people: int = 5
    shares: tuple[float, ...] = (0.6, 0.2, 0.2)
    relaxed: bool = False
    limit: int = 0
    seed: int = 0
    epochs: int = 30
    batch_size: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 1e-3
    warmup: float = 2.0

    title: ClassVar[str] = "1-SHUI"
    learns_ahead: ClassVar[bool] = True
    twin: ClassVar[str] = "gold"

    def __post_init__(self) -> None:
        for name, least in (("people", 1), ("limit", 0)):
            if getattr(self, name) < least:
                raise ConfigurationError(f"{name} must be at least {least}, not {getattr(self, name)}")
        self.recipe.check()

    @property
    def offers(self) -> frozenset[str]:
        """Nothing beside the images that are shown, unless the protocol is relaxed."""
        return frozenset({"retain", "holdout"}) if self.relaxed else frozenset()

    @property
    def mend(self) -> str:
        """The relaxed protocol, where that would help."""
        return "leave it out" if self.relaxed else "leave it out, or give it with --set one_shui.relaxed=true"

    @property
    def recipe(self) -> FineTune:
        """SGD with momentum and a cosine."""
        return FineTune(
            epochs=self.epochs, batch_size=self.batch_size, learning_rate=self.learning_rate, optimizer="sgd",
            momentum=0.9, weight_decay=self.weight_decay, schedule="cosine", warmup_epochs=self.warmup,
        )  # fmt: skip

    def read(self, source: str, reader: Reader) -> ImageData:
        """Return the five sets, with who is seen in the column `identity`."""
        faces = self._faces(source)
        rows = split_one_shot(faces.people, self.people, self.shares, self.seed, self.limit)
        sets = {part: reader.examples(faces.table, rows[part], identity=faces.people) for part in PARTS}
        facts = {part: list(examples.ids) for part, examples in sets.items()}
        facts |= {f"{part}_identities": sorted({faces.people[row] for row in rows[part]}) for part in PARTS}
        return ImageData(
            forget=sets["forget"],
            retain=sets["retain"],
            evaluated={part: sets[part] for part in PARTS if part != "support"},
            references={"gold": sets["retain"]},
            facts=facts,
            given=sets["support"],
            holdout=sets["holdout"],
        )

    def values(self, measured: Rows, beside: Mapping[str, Rows], twin: Rows | None) -> dict[str, float]:
        """Return the accuracies, the tug of war, and both attacks; RMIA where there is a reference model."""
        references = References(original=beside["target"], gold=(beside["gold"],))
        values = {
            **{f"{name}_accuracy": accuracy(measured, name) for name in ("retain", "forget", "test")},
            "tow": TugOfWar()(measured, references).value,
            "membership_forest": MIAForest()(measured, references, seed=self.seed).value,
        }
        if twin is not None:
            values["rmia"] = RMIA()(measured, References(original=beside["target"], gold=(twin,))).value
        return values

    def _faces(self, source: str) -> Portraits:
        if self.kind == "celeba_hq":
            return read_celeba_hq(source, self.attribute, "CelebA-HQ")
        return read_labelled(source, self.identity)
