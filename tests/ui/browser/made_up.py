"""Made-up answers for the page: a classifier of ten classes and a language model, whose numbers are known."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from lethe.ui.schema import (
    VERSION,
    AttackCurve,
    AttackView,
    Axis,
    Embedding,
    Example,
    Matrix,
    ModelView,
    Overview,
    Prediction,
    Recovery,
    Run,
    SettingView,
    Spark,
    Statistic,
    plain,
)

HTML = "<img src=x onerror=\"document.title='run'\"><b>bold</b>"
"""What nobody's text may do to the page."""

AXES = (
    Axis("forget_accuracy", "Forget accuracy", "accuracy", "%"),
    Axis("retain_accuracy", "Retain accuracy", "accuracy", "%", "max"),
    Axis("seconds", "Time", "efficiency", "s", "min"),
    Axis("steps", "Steps", "efficiency", "steps", "min", False),
    Axis("quality", "Forgetting quality", "privacy", "", "max"),
    Axis("mia", "Membership AUC", "privacy"),
)
CLASSES, SETS = 10, ("forget", "retain", "holdout")
STATISTICS = (
    Statistic("entropy", "Entropy", 0.0, 2.5, 0.05, "below", 1.25),
    Statistic("confidence", "Confidence", -2.5, 10.0, 0.25, "above", 3.75),
)
TEXT_STATISTICS = (Statistic("loss", "Loss", 0.0, 6.0, 0.1, "below", 2.0),)
SURE = {
    "original": 1.0,
    "gold-1": 0.0,
    "finetune/seed-0": 0.8,
    "salun/seed-0": 0.15,
    "salun/seed-1": 0.2,
    "ssd/seed-0": 0.5,
}
"""How much of the forget set each model still knows: 1 as the original, 0 as gold."""


def answers(shown: int = 600) -> dict[str, Any]:
    """Return everything a page asks for, as a bundle holds it; `shown` examples of the classifier."""
    digits, texts = _Digits(shown), _Texts()
    settings = {"digits": digits, "people": texts}
    return {
        "version": VERSION,
        "overview": plain(_overview()),
        "settings": {key: plain(one.setting()) for key, one in settings.items()},
        "models": {key: {model: plain(one.model(model)) for model in SURE} for key, one in settings.items()},
        "embeddings": {
            key: {model: {method: plain(one.embedding(model, method)) for method in ("pca", "tsne")} for model in SURE}
            for key, one in settings.items()
        },
        "examples": {
            key: {str(row): plain(one.example(row)) for row in range(one.inspected)} for key, one in settings.items()
        },
        "predictions": {
            key: {
                model: {str(row): plain(one.prediction(model, row)) for row in range(one.inspected)} for model in SURE
            }
            for key, one in settings.items()
        },
    }


def _overview() -> Overview:
    runs = [_run(setting, model) for setting in ("digits", "people") for model in SURE]
    failed = Run(
        "digits", "npo/seed-0", "unlearned", "npo", "npo", "npo", 0, {}, "failed", "works on language models", False
    )
    return Overview(
        title="made up",
        settings=[
            {"id": "digits", "name": "digits, one class", "kind": "classifier"},
            {"id": "people", "name": "people", "kind": "language model"},
        ],
        axes=AXES,
        runs=[*runs, failed],
        unreadable=[{"folder": "half", "reason": "record.json is cut off"}],
        embeddings=[
            {"method": "pca", "title": "PCA", "available": True, "note": ""},
            {"method": "tsne", "title": "t-SNE", "available": True, "note": ""},
        ],
    )


def _run(setting: str, model: str) -> Run:
    sure, role = SURE[model], "original" if model == "original" else "gold" if model == "gold-1" else "unlearned"
    method = model.split("/")[0]
    values = {
        "forget_accuracy": sure,
        "retain_accuracy": 0.97 - 0.1 * (1 - sure) * (role == "unlearned"),
        "seconds": None if role != "unlearned" else 2.0 + 30 * sure,
        "steps": None if role != "unlearned" else 100.0,
        "quality": None if role == "gold" else 1 - sure,
        "mia": 0.5 + sure / 2,
    }
    return Run(
        setting,
        model,
        role,
        method if role == "unlearned" else role,
        method if role == "unlearned" else "",
        method,
        int(model[-1]) if role == "unlearned" else None,
        {"rate": "0.01", "note": HTML} if method == "ssd" else {"epochs": "2"} if role == "unlearned" else {},
        verdict={"outcome": "forgotten" if sure < 0.3 else "not forgotten", "sentence": "As the audit says."}
        if role == "unlearned"
        else None,
        values=values,
        sparks=[Spark("Relearning", [0, 1, 2, 3], [sure, 0.5 + sure / 2, 0.9, 1.0], "%")]
        if role == "unlearned"
        else [],
    )


def _set_of(rows: int) -> np.ndarray:
    """A third of the rows is of each set."""
    return np.arange(rows) * 3 // rows


class _Digits:
    """The forget set is class 0; what a model knows of it decides its predictions and how sure it is."""

    def __init__(self, rows: int) -> None:
        self.rows, self.inspected = rows, min(rows, 600)
        random = np.random.default_rng(0)
        self.set_of = _set_of(rows)
        self.labels = np.where(self.set_of == 0, 0, random.integers(0, CLASSES, rows))
        self.where = random.normal(size=(rows, 2))
        self.noise = random.uniform(size=rows)
        self.columns = {model: self._columns(model) for model in SURE}

    def setting(self) -> SettingView:
        counts = {
            name: {"shown": int((self.set_of == at).sum()), "total": 2 * self.rows} for at, name in enumerate(SETS)
        }
        return SettingView(
            "digits",
            "digits, one class",
            "classifier",
            SETS,
            counts,
            "The first of each set.",
            [f"digit-{row}" for row in range(self.rows)],
            self.set_of.tolist(),
            self.labels.tolist(),
            [str(k) for k in range(CLASSES)],
            [0],
            ["conv1", "conv2", "conv3", "head"],
            _models(),
            "gold-1",
            STATISTICS,
            list(range(self.inspected)),
        )

    def _right(self, model: str) -> np.ndarray:
        return np.where(self.set_of == 0, self.noise < SURE[model], self.noise < 0.95)

    def _columns(self, model: str) -> dict[str, np.ndarray]:
        right = self._right(model)
        truth = np.where(right, 0.9 + 0.09 * self.noise, 0.05)
        sure = np.clip(
            np.where(self.set_of == 0, SURE[model], 0.9 - 0.1 * (self.set_of == 2)) + 0.2 * (self.noise - 0.5), 0, 1
        )
        return {
            "prediction": np.where(right, self.labels, (self.labels + 1) % CLASSES),
            "truth": truth,
            "entropy": 2.3 * (1 - sure),
            "confidence": 10 * sure - 2,
            "loss": -np.log(truth),
        }

    def model(self, model: str) -> ModelView:
        columns = self.columns[model]
        prediction = columns["prediction"]
        means = {
            "accuracy": {
                name: float((prediction == self.labels)[self.set_of == at].mean()) for at, name in enumerate(SETS)
            },
            **{key: _means(values, self.set_of) for key, values in columns.items() if key != "prediction"},
        }
        matrices = {name: self._matrix(prediction, self.set_of == at) for at, name in enumerate(SETS)}
        return _view("digits", model, columns, means, matrices, self.set_of, STATISTICS)

    def _matrix(self, prediction: np.ndarray, among: np.ndarray) -> Matrix:
        count = np.zeros((CLASSES, CLASSES))
        np.add.at(count, (self.labels[among], prediction[among]), 1)
        total = count.sum(1)
        share = [[None] * CLASSES if not n else (row / n).tolist() for row, n in zip(count, total, strict=True)]
        return Matrix(total.astype(int).tolist(), [row[k] for k, row in enumerate(share)], share, share)

    def embedding(self, model: str, method: str) -> Embedding:
        angle = 2 * np.pi * self.columns[model]["prediction"] / CLASSES
        start = 2 * np.pi * self.labels / CLASSES
        at, was = [4 * np.stack([np.cos(one), np.sin(one)], 1) + self.where * 0.5 for one in (angle, start)]
        moved = method == "pca"
        return Embedding(
            "digits",
            model,
            method,
            list(range(self.rows)),
            at[:, 0].tolist(),
            at[:, 1].tolist(),
            was[:, 0].tolist() if moved else [],
            was[:, 1].tolist() if moved else [],
            "In the coordinates of the original." if moved else "Distances across planes mean nothing.",
        )

    def example(self, row: int) -> Example:
        picture = np.full((8, 8), 40, np.uint8)
        picture[self.labels[row] % 8, :] = 220
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "PNG")
        return Example(row, image="data:image/png;base64," + base64.b64encode(file.getvalue()).decode())

    def prediction(self, model: str, row: int) -> Prediction:
        columns = self.columns[model]
        label, truth = int(self.labels[row]), float(columns["truth"][row])
        return Prediction(row, {str(label): truth, str((label + 1) % CLASSES): 1 - truth})


class _Texts:
    """Questions on people; what a model knows of the forget set decides how likely its answers are."""

    def __init__(self, rows: int = 60) -> None:
        self.rows = self.inspected = rows
        self.set_of = _set_of(rows)
        self.noise = np.random.default_rng(1).uniform(size=rows)
        self.columns = {model: self._columns(model) for model in SURE}

    def setting(self) -> SettingView:
        counts = {name: {"shown": int((self.set_of == at).sum()), "total": self.rows} for at, name in enumerate(SETS)}
        return SettingView(
            "people",
            "people",
            "language model",
            SETS,
            counts,
            "Every example.",
            [f"question-{row}" for row in range(self.rows)],
            self.set_of.tolist(),
            [],
            [],
            [],
            ["block 1", "block 2"],
            _models(),
            "gold-1",
            TEXT_STATISTICS,
        )

    def _columns(self, model: str) -> dict[str, np.ndarray]:
        sure = np.clip(
            np.where(self.set_of == 0, SURE[model], 0.8 * (self.set_of == 1) + 0.1) * 0.9 + 0.1 * self.noise, 0.02, 1
        )
        return {
            "probability": sure,
            "confidence": np.log(sure) + 1,
            "loss": -np.log(sure),
            "min_k": 2 * np.log(sure),
            "truth_ratio": 1 - 0.6 * sure,
            "rouge": sure,
        }

    def model(self, model: str) -> ModelView:
        columns = self.columns[model]
        return _view(
            "people",
            model,
            columns,
            {key: _means(values, self.set_of) for key, values in columns.items()},
            {},
            self.set_of,
            TEXT_STATISTICS,
        )

    def embedding(self, model: str, method: str) -> Embedding:
        x, y = self.set_of * 2 + self.noise, self.columns[model]["probability"]
        return Embedding("people", model, method, list(range(self.rows)), x.tolist(), y.tolist(), [], [], "A note.")

    def example(self, row: int) -> Example:
        return Example(
            row, prompt=f"Where does person {row} live? {HTML}", answer=" In Lower Town", wrong=(" In a wood", HTML)
        )

    def prediction(self, model: str, row: int) -> Prediction:
        sure = self.columns[model]["probability"][row]
        words = [" In", " Lower", " Town"]
        tokens = [
            {"text": word, "log_prob": float(np.log(sure) * (1 + at / 2)), "greedy": bool(sure > 0.5)}
            for at, word in enumerate(words)
        ]
        return Prediction(row, generated=f" In {'Lower Town' if sure > 0.5 else 'a wood'} {HTML}", tokens=tokens)


def _models() -> list[dict[str, str]]:
    return [{"id": model, "name": model.split("/")[0], "role": "unlearned"} for model in SURE]


def _means(values: np.ndarray, set_of: np.ndarray) -> dict[str, float]:
    return {name: float(values[set_of == at].mean()) for at, name in enumerate(SETS)}


def _view(
    setting: str,
    model: str,
    columns: Mapping[str, np.ndarray],
    means: Any,
    matrices: Any,
    set_of: np.ndarray,
    statistics: Any,
) -> ModelView:
    sure = SURE[model]
    layers = 4 if setting == "digits" else 2
    cka = {
        to: {
            name: [1 - far * (at + 1) / (layers + 1) * (0.2 if name == "retain" else 1) for at in range(layers)]
            for name in SETS[:2]
        }
        for to, far in (("original", 1 - sure), ("gold", sure))
    }
    curve = AttackCurve([0.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, sure])
    worst = {"statistic": "entropy", "above": "unlearned", "threshold": 1.0, "attack_score": sure}
    attack = (
        None
        if model == "gold-1"
        else AttackView("gold-1", int((set_of == 0).sum()), 1 - sure, worst, {"entropy_above_unlearned": curve})
    )
    membership = {
        one.key: {"auc": 0.5 + sure / 2, "threshold": one.default, "accuracy": 0.5 + sure / 3, "tpr": sure, "fpr": 0.1}
        for one in statistics
    }
    steps = [0, 10, 20, 40, 80]
    relearn = Recovery(
        "relearn",
        "Relearn steps",
        "steps",
        80 * (1 - sure),
        0.0,
        80.0,
        "accuracy",
        [[at, min(1, sure + at / 80)] for at in steps],
        [[0, 1.0]],
        [[at, at / 80] for at in steps],
        0.95,
    )
    return ModelView(
        setting,
        model,
        {key: values.tolist() for key, values in columns.items()},
        means,
        matrices,
        cka,
        attack,
        membership,
        [relearn],
    )
