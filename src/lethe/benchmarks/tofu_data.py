"""TOFU's files: fictitious authors to forget and to keep, wrong answers to tell knowledge by, and public facts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from lethe.benchmarks.base import BenchmarkData, Row
from lethe.errors import ConfigurationError, InputError, nearest
from lethe.sources.records import SUFFIXES, Records, read_records, stem

QUESTIONS_AN_AUTHOR = 20
QUESTION, ANSWER, PARAPHRASED, WRONG = "question", "answer", "paraphrased_answer", "perturbed_answer"


def read_tofu(source: str, split: str, limit: int = 0) -> BenchmarkData:
    """Read a folder with TOFU's files, or the data set of the hub.

    The configuration `full` is not read: it is the retain and the forget rows of any split.

    The tasks are `forget`, `retain`, `real_authors` and `world_facts`, and `holdout` where there are questions about
    authors never trained on; rows of `forget` and those of `retain` that are evaluated have paraphrased and wrong
    answers.

    Args:
        source: folder with `retain90.jsonl` and so on (or .jsonl.gz, .json, .csv, .parquet), or `owner/name`.
        split: `forget01`, `forget05` or `forget10`; the retain split is the rest of 100 per cent.
        limit: authors kept, the forget set's share of them from the forget set; 0 keeps all.

    Raises:
        InputError: a file is missing or damaged, or a row lacks a column.
        ConfigurationError: there is no such split.
    """
    if not Path(source).is_dir() and not _on_hub(source):
        raise InputError(f"{source}: no such folder; give one with TOFU's files, or locuslab/TOFU")
    share = _share(source, split)
    forget = _read(source, f"{split}_perturbed", PARAPHRASED, WRONG)
    retain = _read(source, f"retain{100 - share:02d}")
    if limit:
        forgotten = max(1, round(limit * share / 100))
        if limit <= forgotten:
            raise ConfigurationError(f"a limit of {limit} authors leaves none to retain; take more")
        forget = forget[: QUESTIONS_AN_AUTHOR * forgotten]
        retain = retain[: QUESTIONS_AN_AUTHOR * (limit - forgotten)]
    kept = {row[QUESTION] for row in retain}
    evaluated = [row for row in _read(source, "retain_perturbed", PARAPHRASED, WRONG) if row[QUESTION] in kept]
    if not evaluated:
        raise InputError(f"{source}: no question of retain_perturbed is in retain{100 - share:02d}; restore the files")
    tasks = {
        "forget": forget,
        "retain": evaluated,
        "real_authors": _read(source, "real_authors_perturbed", WRONG),
        "world_facts": _read(source, "world_facts_perturbed", WRONG),
    }
    file = _holdout(source, split)
    holdout = _read(source, file) if file else []
    if holdout:
        tasks["holdout"] = holdout
    more = {row[QUESTION]: row for row in evaluated}
    return BenchmarkData(forget, [{**more.get(row[QUESTION], {}), **row} for row in retain], holdout, tasks)


def _on_hub(source: str) -> bool:
    """Say whether this can be the name of a data set of the hub, `owner/name`."""
    return re.fullmatch(r"\w[\w.-]*/[\w.-]+", source) is not None


def _share(source: str, split: str) -> int:
    """Return the per cent to forget."""
    found = re.fullmatch(r"forget(\d\d)", split)
    there = [name for name in _files(source) if re.fullmatch(r"forget\d\d", name)] or [
        "forget01",
        "forget05",
        "forget10",
    ]
    if found is None or split not in there:
        raise ConfigurationError(f"TOFU has no split '{split}'{nearest(split, there)}")
    return int(found[1])


def _holdout(source: str, split: str) -> str:
    """Return the file of authors never trained on: of the split's own size, else any; empty where there is none."""
    there = sorted(name for name in _files(source) if name.startswith("holdout"))
    own = split.replace("forget", "holdout")
    return own if own in there else next(iter(there), "")


def _files(source: str) -> dict[str, Path]:
    """Return the data files of a folder by name without suffix; nothing for a data set of the hub."""
    folder = Path(source)
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    return {stem(path): path for path in paths if path.name.removesuffix(".gz").endswith(SUFFIXES)}


def _read(source: str, name: str, *columns: str) -> list[Row]:
    """Return the rows of one configuration, which have these columns beside question and answer."""
    if Path(source).is_dir():
        files = _files(source)
        if name not in files:
            raise InputError(f"{source}: holds no {name}.jsonl{nearest(name, files)}; copy TOFU's files there")
        records = read_records(str(files[name]))
    else:
        records = read_records(f"{source}:{name}:train")
    return [_checked(records, i, columns) for i in range(len(records))]


def _checked(records: Records, i: int, columns: Sequence[str]) -> Row:
    row = records.rows[i]
    for name in (QUESTION, ANSWER, *columns):
        value = row.get(name)
        if name == WRONG:
            good = isinstance(value, list) and len(value) > 0 and all(isinstance(one, str) and one for one in value)
        else:
            good = isinstance(value, str) and bool(value.strip())
        if not good:
            kind = "list of texts" if name == WRONG else "text"
            raise InputError(f"{records.place(i)}: has no {kind} in '{name}'; TOFU's own files have one in every row")
    return {name: row[name] for name in (QUESTION, ANSWER, *columns)}
