"""TOFU's files: fictitious authors to forget and to keep, wrong answers to tell knowledge by, and public facts."""

from __future__ import annotations

import re

from lethe.benchmarks.base import BenchmarkData
from lethe.benchmarks.reading import TEXT, TEXTS, Files
from lethe.errors import ConfigurationError, InputError, nearest

QUESTIONS_AN_AUTHOR = 20
QUESTION, ANSWER, PARAPHRASED, WRONG = "question", "answer", "paraphrased_answer", "perturbed_answer"
QUESTION_ANSWER = {QUESTION: TEXT, ANSWER: TEXT}


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
    files = Files(source, "TOFU", "locuslab/TOFU")
    share = _share(files, split)
    forget = files.rows(f"{split}_perturbed", **QUESTION_ANSWER, paraphrased_answer=TEXT, perturbed_answer=TEXTS)
    retain = files.rows(f"retain{100 - share:02d}", **QUESTION_ANSWER)
    if limit:
        forgotten = max(1, round(limit * share / 100))
        if limit <= forgotten:
            raise ConfigurationError(f"a limit of {limit} authors leaves none to retain; take more")
        forget = forget[: QUESTIONS_AN_AUTHOR * forgotten]
        retain = retain[: QUESTIONS_AN_AUTHOR * (limit - forgotten)]
    kept = {row[QUESTION] for row in retain}
    asked = files.rows("retain_perturbed", **QUESTION_ANSWER, paraphrased_answer=TEXT, perturbed_answer=TEXTS)
    evaluated = [row for row in asked if row[QUESTION] in kept]
    if not evaluated:
        raise InputError(f"{source}: no question of retain_perturbed is in retain{100 - share:02d}; restore the files")
    tasks = {
        "forget": forget,
        "retain": evaluated,
        "real_authors": files.rows("real_authors_perturbed", **QUESTION_ANSWER, perturbed_answer=TEXTS),
        "world_facts": files.rows("world_facts_perturbed", **QUESTION_ANSWER, perturbed_answer=TEXTS),
    }
    file = _holdout(files, split)
    holdout = files.rows(file, **QUESTION_ANSWER) if file else []
    if holdout:
        tasks["holdout"] = holdout
    more = {row[QUESTION]: row for row in evaluated}
    return BenchmarkData(forget, [{**more.get(row[QUESTION], {}), **row} for row in retain], holdout, tasks)


def _share(files: Files, split: str) -> int:
    """Return the per cent to forget."""
    found = re.fullmatch(r"forget(\d\d)", split)
    there = [name for name in files.there if re.fullmatch(r"forget\d\d", name)] or ["forget01", "forget05", "forget10"]
    if found is None or split not in there:
        raise ConfigurationError(f"TOFU has no split '{split}'{nearest(split, there)}")
    return int(found[1])


def _holdout(files: Files, split: str) -> str:
    """Return the file of authors never trained on: of the split's own size, else any; empty where there is none."""
    there = sorted(name for name in files.there if name.startswith("holdout"))
    own = split.replace("forget", "holdout")
    return own if own in there else next(iter(there), "")
