"""Advice: every method of the catalogue set against a request, with the reason why it fits or does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lethe import catalogue, configure
from lethe.errors import ConfigurationError, nearest
from lethe.methods.base import Method
from lethe.numbers import duration
from lethe.recommend import facts
from lethe.recommend.facts import Measured, Passes
from lethe.recommend.request import Request
from lethe.recommend.timing import Pace

STRENGTH = {"none": 0, "approximate": 0, "certified": 1, "exact": 2}
SERVES = {
    "examples": ("examples", "class", "concept", "knowledge"),
    "knowledge": ("knowledge", "concept", "examples"),
    "class": ("class",),
    "concept": ("concept",),
    "bias": ("bias",),
}
"""What a method that removes the first can serve: examples of a class, of a concept or of a fact are examples too, and
whoever removes knowledge is given the examples that state it."""

NAMED = {
    "examples": "examples", "class": "a class", "concept": "a concept", "knowledge": "knowledge", "bias": "a bias",
}  # fmt: skip
WRITER = "generator"
FAR = 0.5
"""Share of the original's distance from gold beyond which a measured method counts as a poor choice."""


@dataclass(frozen=True)
class Advice:
    """What is said of one method.

    Attributes:
        slug: its name.
        fits: whether it serves the request.
        reasons: why, or why not, each one clause.
        facts: what the catalogue says of it.
        approach: the class of methods it is of.
        settings: options to set so that it fits, by name.
        cost: its training passes with default settings, None where nobody counted them.
        seconds: the time that makes here, None where that cannot be told.
        measured: what this project measured of it, None where it did not.
    """

    slug: str
    fits: bool
    reasons: tuple[str, ...]
    facts: Mapping[str, Any]
    approach: str
    settings: Mapping[str, str] = field(default_factory=dict)
    cost: Passes | None = None
    seconds: float | None = None
    measured: Measured | None = None


def recommend(request: Request, pace: Pace | None = None) -> list[Advice]:
    """Return advice on every method: those that fit first, best first; then the others by name.

    Order: what was measured here and ended nearer to gold than to the original; what was not measured; what was
    measured and ended farther. Within these: by the measured distance, then methods as published before those that
    lose a term for want of data, removal before suppression, methods made for this goal before those that serve it too,
    and fewer training passes before more.

    Args:
        request: what is wanted, and what is at hand.
        pace: how fast this machine trains the model at hand, to turn passes into time; None leaves times out.

    Raises:
        ConfigurationError: no method works on such a task at all.
    """
    entries = catalogue.entries("method")
    kinds = {slug: entry.load() for slug, entry in entries.items()}
    tasks = {catalogue.snake(task.__name__) for kind in kinds.values() for task in kind.tasks}
    if request.task not in tasks:
        raise ConfigurationError(f"no method works on the task '{request.task}'{nearest(request.task, tasks)}")
    every = [_advice(slug, kind, request, pace) for slug, kind in kinds.items()]
    return sorted(every, key=lambda one: _rank(one, request))


def _rank(one: Advice, request: Request) -> tuple[Any, ...]:
    if not one.fits:
        return (1, one.slug)
    distance = one.measured.distance if one.measured else None
    tier = 1 if distance is None else 0 if distance <= FAR else 2
    reduced, other_goal = "retain" in one.settings, one.facts["intent"] != request.goal
    suppresses = one.facts["aims"] != "removal"
    cost = one.cost.forget + one.cost.retain if one.cost else float("inf")
    return (0, tier, distance or 0.0, reduced, suppresses, other_goal, cost, one.slug)


def _advice(slug: str, kind: type[Method], request: Request, pace: Pace | None) -> Advice:
    described = catalogue.describe("method", slug)
    settings, missing = _fitted(kind, request.parts)
    cost = facts.passes(slug)
    seconds = pace.seconds(cost) if pace is not None and cost is not None else None
    against = _against(described, request)
    if missing and request.task in described["tasks"]:
        against.append(f"reads {_and(missing)}, which you do not have")
    if request.budget is not None and seconds is not None and seconds > request.budget:
        against.append(f"would take about {duration(seconds)} here, over the budget of {duration(request.budget)}")
    # What was measured with a retain term says nothing of the method without it.
    result = None if "retain" in settings else facts.measured(slug, request.task, request.goal)
    reasons = against or _reasons(described, request, settings, cost, seconds, result)
    return Advice(
        slug=slug,
        fits=not against,
        reasons=tuple(reasons),
        facts=described,
        approach=facts.approach(kind),
        settings=settings,
        cost=cost,
        seconds=seconds,
        measured=result,
    )


def _fitted(kind: type[Method], at_hand: frozenset[str]) -> tuple[dict[str, str], list[str]]:
    """Return the settings with which the method reads no more than what is at hand, and what it lacks all the same."""
    options = {option.name: option for option in configure.options(kind)}
    own = {WRITER: "WRITER"} if WRITER in options and options[WRITER].default == "" else {}
    default = kind().requirements() - at_hand
    if default and "retain" in options and "none" in options["retain"].type.split(" | "):
        changed: dict[str, Any] = {**own, "retain": "none"}
        if _works(kind(**changed), at_hand):
            return changed, []
    return own, sorted(default)


def _works(method: Method, at_hand: frozenset[str]) -> bool:
    """Return whether the configuration is possible, and reads no more than what is at hand."""
    try:
        method.check()
    except ConfigurationError:
        return False
    return not method.requirements() - at_hand


def _against(described: Mapping[str, Any], request: Request) -> list[str]:
    """Return what the catalogue says that speaks against a method."""
    if request.task not in described["tasks"]:
        return [f"works on {_and(described['tasks'])} only"]
    against = []
    if STRENGTH[described["exactness"]] < STRENGTH[request.guarantee]:
        against.append(f"its result is {described['exactness']}, not {request.guarantee}")
    if request.goal and request.goal not in SERVES[described["intent"]]:
        against.append(f"made to remove {NAMED[described['intent']]}, not {NAMED[request.goal]}")
    if request.aims and described["aims"] != request.aims:
        against.append(f"aims at {described['aims']}, not {request.aims}")
    return against


def _reasons(
    described: Mapping[str, Any],
    request: Request,
    settings: Mapping[str, str],
    cost: Passes | None,
    seconds: float | None,
    result: Measured | None,
) -> list[str]:
    """Return why a method fits: what was measured, what it aims at and needs, and what it costs."""
    reasons = [result.words] if result else []
    reasons.append(
        f"aims at {described['aims']}" if described["aims"] != "unstated" else "does not say what it aims at"
    )
    if described["exactness"] != "approximate":
        reasons.append(f"{described['exactness']} by construction")
    if settings.get("retain") == "none":
        reasons.append("without its retain term, which protects what should stay")
    elif "retain" not in described["needs"] and not request.retain:
        reasons.append("published without retain data")
    if WRITER in settings:
        reasons.append("needs a language model that writes its texts, or 'template'")
    if seconds is not None:
        reasons.append(f"about {duration(seconds)} here")
    reasons.append(cost.words if cost else "cost not counted")
    if not result:
        reasons.append("not measured here")
    return reasons


def _and(names: list[str]) -> str:
    return " and ".join(names)
