"""The page of a comparison: what was run, a table a setting, how to read them, and what is not in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from lethe.grid.classification import DEAR, FITTED, GROUPS, LEFT_OUT, LOOKING, MAX_STEPS, Comparison, Outcome
from lethe.grid.comparing import COLUMNS, Line, absent, has_gold, lines, text
from lethe.numbers import duration, number
from lethe.versions import versions


def page(outcome: Outcome, comparison: Comparison, command: str, skipped: dict[str, str]) -> str:
    """Return the page in Markdown.

    Args:
        outcome: what was found.
        comparison: what was asked for.
        command: that makes the page again.
        skipped: settings that could not be had, by name, and why.
    """
    named = ", ".join(f"{name} {version}" for name, version in versions().items())
    parts = [
        "# Classification methods compared",
        "This page is generated; the command below makes it again.",
        f"```sh\n{command}\n```",
        _what(comparison),
        f"Versions: {named}.",
        "## How to read the tables",
        *_reading(comparison),
    ]
    for setting in comparison.settings:
        parts += [f"## {setting.name}", *_setting(outcome, setting.name, comparison)]
    if skipped:
        parts += ["## Settings that were left out", _bullets(skipped.items())]
    return "\n\n".join(parts) + "\n"


def _what(comparison: Comparison) -> str:
    seeds = ", ".join(map(str, comparison.seeds))
    tuned = (
        f"Hyperparameters were chosen by Optuna (TPE) with {comparison.trials} trials a method and setting, the first "
        "of them the published defaults, on another problem of the same kind: another class or another draw to be "
        "forgotten, with an original and gold models of its own. What was chosen was then run on the setting itself."
        if comparison.trials
        else "Every method ran with its published defaults."
    )
    return (
        f"{len(comparison.specs)} methods on {len(comparison.settings)} settings, seeds {seeds}. {tuned} Every run had "
        "one thread. All values of all runs, and the options, are in `results.parquet` of the folder."
    )


def _reading(comparison: Comparison) -> Iterator[str]:
    yield "Accuracies, gaps and MIA are in per cent; in parentheses is the distance from gold's mean, with its sign."
    yield _bullets(_columns())
    groups = "; ".join(f"*{name}*: {what}" for name, what in GROUPS.items())
    yield f"Methods are compared within their group, whose smallest gap is in bold. Groups: {groups}."
    yield "Not in the tables:"
    yield _bullets((f"`{name}`", f"{reason}.") for name, reason in LEFT_OUT.items())
    fitted = {one.label: FITTED[one.label][1] for one in comparison.specs if one.label in FITTED}
    if fitted:
        yield "Options that are not the published ones:"
        options = {name: ", ".join(f"{key} {value}" for key, value in FITTED[name][0].items()) for name in fitted}
        yield _bullets((f"`{name}`", f"{options[name]}: {why}.") for name, why in fitted.items())
    untuned = [spec.label for spec in comparison.specs if not spec.tuned]
    if comparison.trials and untuned:
        yield "Run with their published defaults and not tuned, as one run takes minutes:"
        yield _bullets((f"`{name}`", f"{DEAR[name]}.") for name in untuned)
    if len(comparison.seeds) > 1:
        yield (
            f"{len(comparison.seeds)} seeds are few: take two methods for different only where their gaps lie apart by "
            "several standard deviations."
        )


def _columns() -> Iterator[tuple[str, str]]:
    """Yield what each column is."""
    yield (
        COLUMNS["gap"],
        "mean distance from gold of the three accuracies and MIA conf.; mean ± standard deviation over seeds. Gold's "
        "own is the distance of one retrained model from the others: below it nothing can be told apart. Where there "
        "is no gold (a network whose training cannot be repeated) it is the nominal gap: the mean distance of the "
        "three accuracies from what gold is bound to give, nearly: 0 on a forgotten class, the original's test "
        "accuracy on a random part, and the original's own on the other two sets.",
    )
    yield COLUMNS["accuracy_gap"], "the same of the accuracies alone."
    yield (
        COLUMNS["mia_confidence"],
        "share of the forget set that an attack on confidences takes for unseen. It is part of the average gap as "
        "that is published. Where retained and unseen examples look alike, as in SISA's ensemble, what it says of "
        "others is an accident, all or nothing: read the gap of accuracies there.",
    )
    yield (
        COLUMNS["mia_loss"],
        "share of the forget set whose loss is as low as that of training data. Gold's is what to reach.",
    )
    yield (
        COLUMNS["relearn"],
        f"steps of Adam (learning rate {LOOKING.options['relearn']['learning_rate']}, 64 forget examples each) until "
        f"half of the original's forget accuracy is back, at most {MAX_STEPS}. Fewer than gold: something was left. "
        "Where gold itself gets half of the forget set right, as of a random part, it says nothing.",
    )
    yield (
        COLUMNS["seconds"],
        "processor time of a run, and beside gold of one retraining on the same machine. Methods by construction spend "
        "most of it on training a model of their own, not on the deletion.",
    )


def _setting(outcome: Outcome, name: str, comparison: Comparison) -> Iterator[str]:
    found = lines(outcome, name, comparison.specs)
    seconds = outcome.retraining.get(name)
    said = f"One retraining takes {duration(seconds)}." if seconds is not None else "Nobody can retrain its original."
    yield said if has_gold(outcome, name) else f"{said} Without gold, the nominal gap stands in the first column."
    if found:
        yield _table(found, seconds)
    missing = absent(outcome, name)
    if missing:
        yield "Could not be run here:"
        yield _bullets((f"`{label}`", f"{reason}.") for label, reason in missing)


def _table(found: Sequence[Line], seconds: float | None) -> str:
    heads = ["Method", "Group", "Reads", *COLUMNS.values(), "of one retraining"]
    rows = [heads, ["---"] * 3 + ["---:"] * (len(heads) - 3)]
    for line in found:
        share = "-"
        if seconds and "seconds" in line.values:
            share = f"{number(line.values['seconds'] / seconds, '%')} %"
        texts = [text(line, column) for column in COLUMNS]
        if line.best:
            texts[0] = f"**{texts[0]}**"
        rows.append([f"`{line.label}`" if line.group else line.label, line.group, line.reads, *texts, share])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _bullets(pairs: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"- {name}: {what}" for name, what in pairs)
