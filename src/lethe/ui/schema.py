"""Schema: what the page is given, as dataclasses that become JSON; `schema.md` explains it to whoever writes a page."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

VERSION = 1
"""Of everything here: a page refuses another one."""

Numbers = Sequence[float | None]


@dataclass(frozen=True)
class Axis:
    """A number that every run may have: a column of the table, an axis of the parallel coordinates.

    Attributes:
        key: its name in `Run.values`.
        title: what people read.
        group: `accuracy`, `efficiency` or `privacy`.
        unit: `%` (values are shares), `s`, `nats`, `steps`, or empty.
        goal: which value is best: the largest (`max`), the smallest (`min`), or gold's (`gold`).
        shown: whether it is shown before anybody chooses.
    """

    key: str
    title: str
    group: str
    unit: str = ""
    goal: str = "gold"
    shown: bool = True


@dataclass(frozen=True)
class Spark:
    """A small curve in the table: what happened on the way, or how soon it comes back."""

    title: str
    x: Numbers
    y: Numbers
    unit: str = ""


@dataclass(frozen=True)
class Run:
    """A row of the table: an unlearned model, the original, or gold.

    Attributes:
        setting: id of its setting; `setting` and `id` together name a model.
        id: its name within the setting: `original`, `gold-1` …, or where its folder lies.
        role: `unlearned`, `original` or `gold`.
        name: what people read.
        method: what the grid calls the method.
        slug: the method's name in the catalogue.
        seed: of the run; None where it is not known.
        options: hyperparameter to value, as text.
        status: `done`, `failed` or `incomplete`.
        reason: why it is not done, or why its model cannot be shown; empty where it can.
        viewable: whether `/api/model` answers for it.
        verdict: `outcome` and `sentence` of its audit; None without one.
        values: axis key to value; None where it was not measured.
        sparks: its curves.
        folder: where it lies, below the folder that is compared.
    """

    setting: str
    id: str
    role: str
    name: str
    method: str = ""
    slug: str = ""
    seed: int | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    status: str = "done"
    reason: str = ""
    viewable: bool = True
    verdict: Mapping[str, str] | None = None
    values: Mapping[str, float | None] = field(default_factory=dict)
    sparks: Sequence[Spark] = ()
    folder: str = ""


@dataclass(frozen=True)
class Overview:
    """Everything the first screen shows.

    Attributes:
        title: name of the folder.
        settings: `id`, `name` and `kind` (`classifier` or `language model`) of each.
        axes: the columns of numbers.
        runs: of each setting original and gold first.
        unreadable: `folder` and `reason` of what cannot be shown at all.
        embeddings: `method`, `title`, `available` and `note` of each way to draw features in the plane.
        version: of the schema.
    """

    title: str
    settings: Sequence[Mapping[str, str]]
    axes: Sequence[Axis]
    runs: Sequence[Run]
    unreadable: Sequence[Mapping[str, str]] = ()
    embeddings: Sequence[Mapping[str, Any]] = ()
    version: int = VERSION


@dataclass(frozen=True)
class Statistic:
    """What an attacker who guesses membership looks at.

    Attributes:
        key: its name in `ModelView.columns`.
        title: what people read.
        low: least threshold; smaller values count as this one.
        high: largest threshold; larger values count as this one.
        step: between two thresholds.
        member: which side of the threshold training data are expected on: `above` or `below`.
        default: where the threshold stands before anybody drags it.
    """

    key: str
    title: str
    low: float
    high: float
    step: float
    member: str
    default: float


@dataclass(frozen=True)
class SettingView:
    """What all models of a setting are shown on: the same examples, in the same rows.

    Attributes:
        id: the setting's.
        name: what people read.
        kind: `classifier` or `language model`.
        sets: names of the sets, of `forget`, `retain` and `holdout` those that are there.
        counts: set name to `shown` and `total`.
        rule: how the shown ones were chosen, in one sentence.
        ids: [N] name of each row's example.
        set_of: [N] index into `sets`.
        labels: [N] class index; empty for language models.
        classes: names of the classes; empty for language models.
        forget_classes: classes of which at least half of the training examples are to be forgotten.
        layers: names of the layers that similarity is measured at, from input to output.
        models: `id`, `name` and `role` of every model that can be viewed.
        gold: id of the gold model that attacks and similarity refer to; None without gold.
        statistics: what membership can be guessed by.
        inspectable: rows with examples in this bundle; None where every row has (a running server).
    """

    id: str
    name: str
    kind: str
    sets: Sequence[str]
    counts: Mapping[str, Mapping[str, int]]
    rule: str
    ids: Sequence[str]
    set_of: Sequence[int]
    labels: Sequence[int]
    classes: Sequence[str]
    forget_classes: Sequence[int]
    layers: Sequence[str]
    models: Sequence[Mapping[str, str]]
    gold: str | None
    statistics: Sequence[Statistic]
    inspectable: Sequence[int] | None = None


@dataclass(frozen=True)
class Matrix:
    """Predictions of one set by true class, K classes.

    Attributes:
        count: [K] examples of each true class.
        accuracy: [K] share of each true class that is predicted right; None where there is no example.
        share: [K][K] share of each true class (row) that is predicted as each class (column); None without examples.
        confidence: [K][K] mean probability that examples of the true class (row) are given for each class (column).
    """

    count: Sequence[int]
    accuracy: Numbers
    share: Sequence[Numbers]
    confidence: Sequence[Numbers]


@dataclass(frozen=True)
class AttackCurve:
    """An attacker with one statistic and direction who tells a model's outputs from gold's, at each threshold."""

    threshold: Numbers
    fpr: Numbers
    fnr: Numbers
    attack_score: Numbers


@dataclass(frozen=True)
class AttackView:
    """The attack of the forgetting quality score.

    Attributes:
        against: id of the gold model.
        samples: forget examples of each model.
        score: forgetting quality score: 1 minus the largest attack score of all curves.
        worst: `statistic`, `above` (`unlearned` or `gold`), `threshold` and `attack_score` of the strongest attack.
        curves: `entropy_above_unlearned`, `entropy_above_gold`, `confidence_above_unlearned`, `confidence_above_gold`.
    """

    against: str
    samples: int
    score: float
    worst: Mapping[str, Any]
    curves: Mapping[str, AttackCurve]


@dataclass(frozen=True)
class Recovery:
    """An attack that tries to bring the forgotten back, of one model.

    Attributes:
        name: the attack's.
        title: what people read.
        unit: of the value.
        value: what it found; None where unknown.
        original: the same of the original.
        gold: mean over gold models.
        measure: what the curves show.
        curve: [step, value] of this model; empty where the attack has no curve.
        original_curve: the same of the original.
        gold_curve: the same of a gold model.
        target: the value that ends the attack; None where there is none.
    """

    name: str
    title: str
    unit: str
    value: float | None
    original: float | None
    gold: float | None
    measure: str = ""
    curve: Sequence[Numbers] = ()
    original_curve: Sequence[Numbers] = ()
    gold_curve: Sequence[Numbers] = ()
    target: float | None = None


@dataclass(frozen=True)
class ModelView:
    """Everything measured of one model, by the rows of its setting.

    Attributes:
        setting: id of the setting.
        id: the model's.
        columns: name to [N] values. Classifiers: `prediction` (class index), `truth` (probability of the label),
            `entropy`, `confidence`, `loss`. Language models: `probability`, `confidence`, `loss`, `min_k`,
            `truth_ratio`, `rouge`.
        means: column to set to mean; of classifiers also `accuracy`.
        matrices: set to its matrix; empty for language models.
        cka: `original` or `gold` to set to similarity of each layer to the same layer of that model.
        attack: None without gold, and for gold itself.
        membership: statistic to `auc`, `threshold`, `accuracy`, `tpr`, `fpr` of the attacker who tells forget from
            holdout; empty without holdout.
        recovery: attacks that the audit carried out.
    """

    setting: str
    id: str
    columns: Mapping[str, Numbers]
    means: Mapping[str, Mapping[str, float | None]]
    matrices: Mapping[str, Matrix]
    cka: Mapping[str, Mapping[str, Numbers]]
    attack: AttackView | None
    membership: Mapping[str, Mapping[str, float]]
    recovery: Sequence[Recovery] = ()


@dataclass(frozen=True)
class Embedding:
    """Features in the plane.

    Attributes:
        setting: id of the setting.
        model: id of the model.
        method: `pca`, `tsne` or `umap`.
        rows: [M] rows of the setting that are drawn.
        x: [M] where the model puts them.
        y: [M].
        from_x: [M] where the original put them, in the same coordinates; empty where the two cannot be compared.
        from_y: [M].
        note: what can be read from it and what cannot, in one sentence.
    """

    setting: str
    model: str
    method: str
    rows: Sequence[int]
    x: Numbers
    y: Numbers
    from_x: Numbers
    from_y: Numbers
    note: str


@dataclass(frozen=True)
class Example:
    """What a row shows a model.

    Attributes:
        row: of the setting.
        image: PNG as a data URI; empty where the example is none.
        values: the numbers of an example that is no image.
        prompt: text that a language model is given.
        answer: the true answer.
        wrong: wrong answers.
    """

    row: int
    image: str = ""
    values: Numbers = ()
    prompt: str = ""
    answer: str = ""
    wrong: Sequence[str] = ()


@dataclass(frozen=True)
class Prediction:
    """What a model makes of a row.

    Attributes:
        row: of the setting.
        probabilities: class index (as text) to probability, above 0.001; empty for language models.
        generated: what a language model answers.
        tokens: `text` and `log_prob` of each token of the true answer, and whether it is the likeliest (`greedy`).
    """

    row: int
    probabilities: Mapping[str, float] = field(default_factory=dict)
    generated: str = ""
    tokens: Sequence[Mapping[str, Any]] = ()


def plain(value: Any) -> Any:
    """Return a view as JSON holds it: numbers to 5 significant digits, and those that are not finite as None.

    >>> plain(Spark("loss", [0, 1], [0.1234567, float("nan")]))
    {'title': 'loss', 'x': [0, 1], 'y': [0.12346, None], 'unit': ''}
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.5g}") if math.isfinite(value) else None
    return value
