"""Choosing: the metrics and attacks of an audit from names, settings and a policy."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from lethe.errors import ConfigurationError, nearest

EVERY = ("", "all")
KINDS = ("metric", "attack")


def by_owner(settings: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return settings by the metric or attack they belong to: `relearn.max_steps=9` is max_steps=9 of relearn.

    Raises:
        ConfigurationError: a setting names no metric or attack, or one that does not exist.
    """
    from lethe import catalogue

    known = [slug for kind in KINDS for slug in catalogue.entries(kind)]
    found: dict[str, dict[str, str]] = {}
    for key, value in settings.items():
        owner, dot, option = key.partition(".")
        if not dot:
            raise ConfigurationError(f"--set {key}={value}: say of what, as in --set relearn.{key}={value}")
        if owner not in known:
            raise ConfigurationError(
                f"--set {key}={value}: there is no metric or attack '{owner}'{nearest(owner, known)}"
            )
        found.setdefault(owner, {})[option] = value
    return found


def with_policy(
    settings: Mapping[str, Mapping[str, str]], asked: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, str]]:
    """Return the settings with those that a policy asks for, which is an attack's budget.

    Raises:
        ConfigurationError: a setting is given as something else.
    """
    found = {owner: dict(options) for owner, options in settings.items()}
    for attack, options in asked.items():
        for name, value in options.items():
            text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
            given = found.setdefault(attack, {}).setdefault(name, text)
            if given != text:
                raise ConfigurationError(
                    f"--set {attack}.{name}={given}: the policy asks for {text}; leave it out or change the policy"
                )
    return found


def parts(
    kind: str,
    names: str,
    settings: Mapping[str, Mapping[str, str]],
    shared: Mapping[str, str],
    task: Callable[[], type[Any]],
    asked: Mapping[str, Mapping[str, Any]] | None = None,
) -> tuple[Any, ...] | None:
    """Return the metrics or attacks of these names, or None for all with their defaults.

    Args:
        kind: `metric` or `attack`.
        names: with commas between; `none`, or `all`.
        settings: options by name of the metric or attack.
        shared: options that each one takes which has such a field (`generator`, `judge`); empty ones are left out.
        task: returns the kind of model; asked where all are wanted, with settings.
        asked: what a policy asks of attacks; of those that do not take part it is left aside.

    Raises:
        ConfigurationError: there is no such name or option, or settings are given for one that does not take part.
    """
    from lethe import catalogue

    known = catalogue.entries(kind)
    given = {option: value for option, value in shared.items() if value}
    own = {slug for slug in settings if slug in known}
    options = with_policy(settings, asked or {})
    if names in EVERY:
        if not (options.keys() & known.keys()) and not given:
            return None
        fits = task()
        slugs = [slug for slug, entry in known.items() if issubclass(fits, entry.load().tasks)]
    else:
        slugs = [] if names == "none" else [name.strip() for name in names.split(",") if name.strip()]
    made = tuple(_built(kind, slug, options.get(slug, {}), given) for slug in slugs)
    for slug in sorted(own - {*slugs}):
        others = [other for other_kind in KINDS if other_kind != kind for other in catalogue.entries(other_kind)]
        if slug not in others:
            raise ConfigurationError(f"--set {slug}.…: {slug} takes no part in this audit{nearest(slug, slugs)}")
    return made


def _built(kind: str, slug: str, options: Mapping[str, str], shared: Mapping[str, str]) -> Any:
    from lethe import catalogue, configure

    fields = {field.name for field in dataclasses.fields(catalogue.find(kind, slug))}
    common = {name: value for name, value in shared.items() if name in fields}
    return configure.build(slug, {**common, **options}, kind=kind)
