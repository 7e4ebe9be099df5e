"""The plots of a report, drawn from evidence: each function returns the figures it can draw, none where data lack."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from lethe.numbers import number, shown
from lethe.report.drawing import GOLD, MODELS, ORIGINAL, SYMBOLS, Figure, bars, drawn, level, line, percent, plain
from lethe.report.reading import Entry, Evidence, found, names, names_of

SETS = {"forget": ("#c2410c", "solid"), "holdout": ("#2563eb", "dash"), "retain": ("#64748b", "dot")}
BUDGETS = {
    "quantize": "bits", "prune": "share of weights cut", "weight_noise": "size of the noise", "logit_lens": "block",
    "linear_probe": "block", "prefix_extraction": "words given",
}  # fmt: skip
"""What the curve of an attack runs over, where that is not steps."""

SAME_SCALE = 5.0
"""How many times the largest distance of a model gold may be, to be drawn on the same axis."""


def all_figures(evidences: Sequence[Evidence]) -> list[Figure]:
    """Return every figure that can be drawn."""
    return [
        *accuracies(evidences),
        *brought_back(evidences),
        *curves(evidences),
        *membership_scores(evidences),
        *layer_distances(evidences),
        *cost_against_gap(evidences),
    ]


def accuracies(evidences: Sequence[Evidence]) -> list[Figure]:
    """Draw the accuracies of every model beside original and gold; of language models the probabilities of answers."""
    known = [n for n in names_of(evidences, "metrics") if all(found(one, "metrics", n) for one in evidences)]
    what = next((what for what in ("accuracy", "probability") if any(name.endswith(what) for name in known)), None)
    wanted = [name for name in known if what is not None and name.endswith(what)]
    if what is None:
        return []
    table = [[_entry(evidence, name) for name in wanted] for evidence in evidences]
    first, titles = table[0], [entry["title"] for entry in table[0]]
    traces = [bars("original", titles, [e["original"] for e in first], ORIGINAL, marker_pattern_shape="/")]
    if any(e["gold_mean"] is not None for e in first):
        spread = {"type": "data", "array": percent([e["gold_spread"] for e in first])}
        golds = [e["gold_mean"] for e in first]
        traces.append(bars("gold", titles, golds, GOLD, marker_pattern_shape=".", error_y=spread))
    for (name, _, colour), entries in zip(_coloured(evidences), table, strict=True):
        traces.append(bars(name, titles, [e["value"] for e in entries], colour))
    summary = "; ".join(_in_words(evidences, name) for name in wanted)
    caption = (
        "Unlearning succeeds where a model's bars stand where gold's do, not where they are lowest. "
        "The whisker on gold is the standard deviation between gold models."
    )
    spec = drawn(traces, "", f"{what} (%)", barmode="group", yaxis_range=[0, 100])
    return [Figure("accuracies", f"{what.capitalize()} beside original and gold", summary, caption, spec)]


def membership_scores(evidences: Sequence[Evidence]) -> list[Figure]:
    """Draw, a figure a model, how the attacker's score is distributed over forget, holdout and retain examples."""
    measured = list(_with_details(evidences, "metrics", "histogram"))
    if not measured:
        return []
    first = measured[0][1]
    models = [("original", first["original_details"])]
    models += [("gold", details) for details in first["gold_details"][:1]]
    models += [(label, entry["details"]) for label, entry, _ in measured if entry["name"] == first["name"]]
    histograms = [(label, details["histogram"]) for label, details in models if details.get("histogram")]
    caption = (
        "How sure the model is of each example. Where forget lies with retain, its examples are recognised as "
        "training data; in gold it lies where examples lie that gold has never seen."
    )
    return [
        Figure(
            f"membership-{i}", f"Membership scores: {label}", _histogram_in_words(label, histogram),
            caption if i == 0 else "", _histogram(histogram), small=True,
        )
        for i, (label, histogram) in enumerate(histograms)
    ]  # fmt: skip


def layer_distances(evidences: Sequence[Evidence]) -> list[Figure]:
    """Draw, a figure a metric, how far each layer of each model is from its reference."""
    figures = []
    for name in names_of(evidences, "metrics"):
        measured = [item for item in _with_details(evidences, "metrics", "layers") if item[1]["name"] == name]
        if not measured:
            continue
        first = measured[0][1]
        layers = [(label, entry["details"]["layers"], colour, "solid") for label, entry, colour in measured]
        largest = max((value for _, values, _, _ in layers for value in values.values()), default=0.0)
        golds = [details["layers"] for details in first["gold_details"][:1] if "layers" in details]
        layers += [("gold", g, GOLD, "dash") for g in golds if max(g.values()) <= SAME_SCALE * largest]
        traces = [line(label, [plain(k) for k in v], list(v.values()), colour, d) for label, v, colour, d in layers]
        caption = (
            "From input to output: where a model acted. Gold models start from other weights and lie far off "
            "whatever they have seen; one is drawn where it is on the same scale."
        )
        summary = f"{first['title']} by layer: " + "; ".join(_peak(label, values) for label, values, _, _ in layers)
        spec = drawn(traces, "", f"{first['title']} {first['unit']}".rstrip())
        figures.append(Figure(f"layers-{name}", f"{first['title']} by layer", summary, caption, spec))
    return figures


def cost_against_gap(evidences: Sequence[Evidence]) -> list[Figure]:
    """Draw each model's average gap to gold over its cost; the lower left corner is where one wants to be."""
    points = [
        (name, evidence["cost"]["relative"], evidence["average_gap"]["value"], colour)
        for name, evidence, colour in _coloured(evidences)
        if evidence["cost"] and evidence["cost"]["relative"] is not None and evidence["average_gap"]
    ]
    if not points:
        return []
    marks = [
        go.Scatter(
            x=[100 * cost], y=[100 * gap], name=plain(name), mode="markers",
            marker={"color": colour, "size": 13, "symbol": SYMBOLS[i % len(SYMBOLS)]},
        )
        for i, (name, cost, gap, colour) in enumerate(points)
    ]  # fmt: skip
    gap = next(evidence["average_gap"] for evidence in evidences if evidence["average_gap"])
    lines = [level(100 * gap["original"], "original", ORIGINAL, "bottom")]
    if gap["gold"]:
        lines.append(level(100 * sum(gap["gold"]) / len(gap["gold"]), "gold among themselves", GOLD, "bottom"))
    highest = 100 * max(gap["original"], *(value for _, _, value, _ in points))
    spec = drawn(
        marks, "time relative to retraining (%)", "average gap to gold (points)", xaxis_rangemode="tozero",
        yaxis_range=[-0.08 * highest, 1.1 * highest],  # so that the marks nearest to gold are seen whole
        shapes=[stroke for stroke, _ in lines], annotations=[words for _, words in lines],
    )  # fmt: skip
    summary = "; ".join(f"{n}: gap {number(g, '%')} points at {shown(c, '%')} of the time" for n, c, g, _ in points)
    caption = "Down is nearer to gold, left is cheaper. Nothing can be expected below the line of the gold models."
    return [Figure("cost", "Cost against average gap", summary, caption, spec)]


def brought_back(evidences: Sequence[Evidence]) -> list[Figure]:
    """Draw, an attack a group of bars, which share each attack brought back beyond what it brings out of gold."""
    known = [n for n in names_of(evidences, "attacks") if any(_share(one, n) is not None for one in evidences)]
    if not known:
        return []
    titles = [next(e["title"] for one in evidences if (e := found(one, "attacks", n))) for n in known]
    traces, words = [], []
    for label, evidence, colour in _coloured(evidences):
        shares = [_share(evidence, name) for name in known]
        traces.append(bars(label, titles, shares, colour))
        words += [f"{title} of {label}: {shown(s, '%')}" for title, s in zip(titles, shares, strict=True)]
    caption = (
        "0 is what the same attack brings out of gold, 100 all that the original knew and the model no longer showed. "
        "Below 0 the attack brought out less than of gold."
    )
    values = [100 * s for one in evidences for n in known if (s := _share(one, n)) is not None]
    ends = [min(-5.0, 1.1 * min(values)), max(105.0, 1.1 * max(values))]
    spec = drawn(traces, "", "brought back (%)", barmode="group", yaxis_range=ends)
    return [Figure("recovered", "What each attack brought back", "; ".join(words), caption, spec)]


def curves(evidences: Sequence[Evidence]) -> list[Figure]:
    """Draw, a figure an attack, what came back with a growing budget, beside original and gold."""
    measured = list(_with_details(evidences, "attacks", "curve"))
    named = dict.fromkeys(entry["name"] for _, entry, _ in measured)
    each = [[item for item in measured if item[1]["name"] == name] for name in named]
    return [_curve(items, i == 0, small=len(each) > 1) for i, items in enumerate(each)]


def _curve(measured: Sequence[tuple[str, Entry, str]], explained: bool, small: bool) -> Figure:
    first = measured[0][1]
    lines = [("original", first["original_details"], ORIGINAL, "dot")]
    lines += [("gold", details, GOLD, "dash") for details in first["gold_details"][:1]]
    lines += [(label, entry["details"], colour, "solid") for label, entry, colour in measured]
    measure = first["details"].get("measure", "share" if first["unit"] == "%" else first["title"])
    percents = first["unit"] == "%" or measure in ("accuracy", "probability")
    traces, words = [], []
    for label, details, colour, dash in lines:
        if details.get("curve"):
            steps, values = zip(*details["curve"], strict=True)
            traces.append(line(label, steps, percent(values) if percents else values, colour, dash))
            unit = "%" if percents else ""
            words.append(f"{label}: {shown(values[0], unit)} before, {shown(values[-1], unit)} after {steps[-1]:g}")
    spec = drawn(
        traces, BUDGETS.get(first["name"], "steps"), f"forget {measure}{' (%)' if percents else ''}",
        height=300 if small else 380, **({"yaxis_range": [0, 101]} if percents else {}),
    )  # fmt: skip
    caption = "A model that regains the forgotten examples faster than gold learns them had only hidden them."
    title, shown_once = first["title"], caption if explained else ""
    return Figure(f"curve-{first['name']}", title, "; ".join(words), shown_once, spec, small=small)


def _share(evidence: Evidence, name: str) -> float | None:
    entry = found(evidence, "attacks", name)
    return entry["recovered"] if entry is not None else None


def _coloured(evidences: Sequence[Evidence]) -> Iterator[tuple[str, Evidence, str]]:
    for i, (name, evidence) in enumerate(zip(names(evidences), evidences, strict=True)):
        yield name, evidence, MODELS[i % len(MODELS)]


def _with_details(evidences: Sequence[Evidence], section: str, key: str) -> Iterator[tuple[str, Entry, str]]:
    """Yield (model, entry, colour) for every metric or attack that kept this beside its value."""
    for label, evidence, colour in _coloured(evidences):
        yield from ((label, entry, colour) for entry in evidence[section] if entry["details"].get(key))


def _entry(evidence: Evidence, name: str) -> Entry:
    entry = found(evidence, "metrics", name)
    assert entry is not None
    return entry


def _in_words(evidences: Sequence[Evidence], name: str) -> str:
    first = _entry(evidences[0], name)
    values = [("original", first["original"]), ("gold", first["gold_mean"])]
    values += [(label, _entry(evidence, name)["value"]) for label, evidence, _ in _coloured(evidences)]
    return f"{first['title']}: " + ", ".join(f"{label} {shown(value, first['unit'])}" for label, value in values)


def _histogram(counted: Mapping[str, Any]) -> dict[str, Any]:
    edges = counted["edges"]
    traces = []
    for name, (colour, dash) in SETS.items():
        counts = counted.get(name)
        if counts and sum(counts):
            fill = {"fill": "tozeroy", "fillcolor": f"{colour}2e"} if name == "forget" else {}
            stroke = {"color": colour, "width": 2, "dash": dash, "shape": "hv"}
            # A step runs from its bin's lower edge; the last share stands twice to reach the last edge.
            shares = percent([count / sum(counts) for count in (*counts, counts[-1])])
            traces.append(go.Scatter(name=name, x=edges, y=shares, mode="lines", line=stroke, **fill))
    return drawn(
        traces,
        counted["score"],
        "share of the set (%)",
        height=280,
        xaxis_range=[edges[0], edges[-1]],
        yaxis_range=[0, 101],
    )


def _histogram_in_words(label: str, counted: Mapping[str, Any]) -> str:
    edges, parts = counted["edges"], []
    for name in SETS:
        counts = counted.get(name)
        if counts and sum(counts):
            peak = max(range(len(counts)), key=lambda i: counts[i])
            parts.append(f"{name} mostly between {edges[peak]:.3g} and {edges[peak + 1]:.3g}")
    return f"Membership scores of {label}: " + "; ".join(parts)


def _peak(label: str, values: Mapping[str, float]) -> str:
    layer = max(values, key=lambda name: values[name])
    return f"{label} most in {layer}, {values[layer]:.3g}"
