"""Text sets: forget, retain and holdout set from files of their own, or chosen from one; no example is in two."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

from lethe.errors import ConfigurationError, InputError
from lethe.sources.records import SUFFIXES, read_records
from lethe.sources.selection import choose, is_list
from lethe.sources.texts import Texts, find_texts


def read_sets(
    data: str, forget: str, retain: str | None, holdout: str | None, columns: Mapping[str, str]
) -> dict[str, Texts]:
    """Return the texts of each set that there is, by `forget`, `retain` and `holdout`.

    Args:
        data: the training data that `forget` and `retain` choose from; empty where they are files of data themselves.
        forget: a file of data; with `data`, a file of ids or a filter.
        retain: likewise; None keeps the rest of `data`, or nothing.
        holdout: a file of data, or None.
        columns: role to column, for all files.

    Raises:
        InputError: whatever is wrong with a file, or two sets share an example.
        ConfigurationError: the options do not say which data are meant.
    """
    named = {"--forget": forget, "--retain": retain}
    sets = _chosen(data, named, columns) if data else _given(named, columns)
    if holdout is not None:
        sets["holdout"] = find_texts(read_records(holdout), columns)
    sets = _told_apart(sets)
    for one, other in combinations(sets, 2):
        _check_apart(one, sets[one], other, sets[other])
    return sets


def _chosen(data: str, named: Mapping[str, str | None], columns: Mapping[str, str]) -> dict[str, Texts]:
    for option, spec in named.items():
        if spec is not None and Path(spec.removesuffix(".gz")).suffix in set(SUFFIXES) - {".json"}:
            raise ConfigurationError(
                f"{option} {spec}: is a file of data, and so is --data; leave out --data, "
                "and give --forget and --retain a file each"
            )
    texts = find_texts(read_records(data), columns)
    forget, retain = choose(named["--forget"] or "", named["--retain"], texts.frame())
    return {"forget": texts.take(forget), "retain": texts.take(retain)}


def _given(named: Mapping[str, str | None], columns: Mapping[str, str]) -> dict[str, Texts]:
    sets = {}
    for option, spec in named.items():
        if spec is None:
            continue
        if spec.endswith(".txt") or (not is_list(spec) and any(sign in spec for sign in "=<> ")):
            raise ConfigurationError(
                f"{option} {spec}: a list of ids or a filter chooses from --data; give that, or a file of data here"
            )
        sets[option.removeprefix("--")] = find_texts(read_records(spec), columns)
    return sets


def _told_apart(sets: Mapping[str, Texts]) -> dict[str, Texts]:
    """Return the sets with names of their own for rows that were only counted, each in a file of the same name."""
    seen: set[str] = set()
    apart = {}
    for which, texts in sets.items():
        clash = not texts.own_ids and which != "forget" and not seen.isdisjoint(texts.ids)
        apart[which] = texts.renamed(which) if clash else texts
        seen.update(apart[which].ids)
    return apart


def _check_apart(one: str, texts: Texts, other: str, others: Texts) -> None:
    """Raise InputError where two sets share an id, or a prompt with its answer."""
    mend = f"an example is in the {one} set or in the {other} set; remove it from one of them"
    by_id = {name: row for row, name in enumerate(texts.ids)}
    shared = [row for row, name in enumerate(others.ids) if name in by_id]
    if shared:
        name = others.ids[shared[0]]
        raise InputError(
            f"{others.places[shared[0]]}: the id '{name}' is that of {texts.places[by_id[name]]} too "
            f"({len(shared)} such ids); {mend}, or say --columns id= where ids only count rows"
        )
    by_text = {pair: row for row, pair in enumerate(zip(texts.prompts, texts.answers, strict=True))}
    same = [row for row, pair in enumerate(zip(others.prompts, others.answers, strict=True)) if pair in by_text]
    if same:
        row = same[0]
        before = by_text[others.prompts[row], others.answers[row]]
        raise InputError(
            f"{others.places[row]}: says the same as {texts.places[before]} ({len(same)} such examples); {mend}"
        )
