"""MUSE: forget news articles or books, and be measured in six ways beside a model that never read them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from lethe.auditing.inference import auc
from lethe.auditing.measure import Measurements
from lethe.auditing.text import by_loss, by_min_k, by_zlib, privacy_leakage, rouge
from lethe.benchmarks.asking import Heard, Wanted, column, continuing, heard, paired
from lethe.benchmarks.base import Benchmark, BenchmarkData, Row
from lethe.benchmarks.muse_data import read_muse
from lethe.benchmarks.preparation import tuning
from lethe.errors import ConfigurationError
from lethe.examples import Examples
from lethe.methods.baselines.finetune import FineTune
from lethe.run import Run
from lethe.tasks import CausalLM
from lethe.tasks.templates import PlainText

SHARES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
LEAK = 0.4
ENDS = re.compile(r"\n\n|\nQuestion|Question:")
TEXTS = ("forget", "retain2", "holdout")


@dataclass(frozen=True)
class Told:
    """What is told of one model, all between 0 and 1.

    Attributes:
        rouge: ROUGE-L F1 by task: `verbmem`, `knowmem_forget`, `knowmem_retain`.
        membership: AUC by score, the probability that a text of the forget set looks more like one trained on than
            one of the holdout; under `retain_…` the same of the retain set.
    """

    rouge: Mapping[str, float]
    membership: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Muse(Benchmark):
    """MUSE: a model fine-tuned on documents has to forget some of them; gold is one fine-tuned on the others.

    Verbatim memorisation is ROUGE-L F1 of the greedy continuation of forgotten chunks, knowledge memorisation that of
    few-shot answers to questions about them, utility the same about what is retained, privacy leakage the distance of
    a membership AUC from gold's; all in per cent, words as they are. `scal` tells how these change with larger forget
    sets, `sust` with requests one after another.

    Args:
        split: `forget`, `scal` for four nested forget sets, each unlearnt from the target, or `sust` for four disjoint
            ones, unlearnt one after another.
        epochs: passes over the documents when target and gold are fine-tuned.
        batch_size: windows of text a step of that.
        learning_rate: step size of that.
        weight_decay: weight decay of that.
        limit: documents of each set and rows of each task that are kept, for small machines; 0 keeps all.
        retain: `raw`, or `privleak` where a folder has no documents to retain: then the texts of `privleak_retain2`
            take their place, one half for methods and one for training alone.
        continuation: most tokens of a continuation.
        answer: most tokens of an answer.

    Source: Shi et al. 2024, arXiv:2407.06460.
    """

    split: str = "forget"
    epochs: int = 5
    batch_size: int = 32
    learning_rate: float = 1e-5
    weight_decay: float = 0.01
    limit: int = 0
    retain: Literal["raw", "privleak"] = "raw"
    continuation: int = 128
    answer: int = 32

    title: ClassVar[str] = "MUSE"
    hub: ClassVar[str] = "muse-bench/MUSE-News"

    def __post_init__(self) -> None:
        for name in ("continuation", "answer"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.limit < 0:
            raise ConfigurationError(f"limit must not be negative, not {self.limit}; 0 keeps all documents")
        self.recipe.check()

    @property
    def recipe(self) -> FineTune:
        """How target and gold are made: AdamW with a constant learning rate."""
        return tuning(self)

    def read(self, source: str) -> BenchmarkData:
        """Return the documents and tasks of one corpus; see `read_muse` for what may be wrong with them."""
        return read_muse(source, self.split, self.limit, self.retain)

    def tasks(self, data: BenchmarkData, task: CausalLM) -> dict[str, Examples]:
        """Return chunks to continue, questions behind their examples, and texts with their lower-case forms."""
        made = {"verbmem": _chunks(data.tasks["verbmem_forget"], task, self.continuation)}
        for name, kind in (("knowmem_forget", "forget"), ("knowmem_retain", "retain2")):
            rows, shots = data.tasks[f"knowmem_{kind}_qa"], data.tasks[f"knowmem_{kind}_qa_icl"]
            made[name] = _questions(name, rows, shots, task)
        for kind in TEXTS:
            texts = [str(row["text"]) for row in data.tasks[f"privleak_{kind}"]]
            made[f"privleak_{kind}"] = _texts(f"privleak-{kind}", texts, task)
            made[f"lower_{kind}"] = _texts(f"lower-{kind}", [text.lower() for text in texts], task)
        return made

    def measure(
        self, model: nn.Module, task: CausalLM, sets: Mapping[str, Examples], run: Run, known: Measurements
    ) -> Told:
        """Return ROUGE of what the model says, and how well membership scores tell the sets apart."""
        wanted = {name: Wanted(log=True) for name in sets}
        wanted["verbmem"] = Wanted(new_tokens=self.continuation)
        wanted |= {name: Wanted(new_tokens=self.answer) for name in ("knowmem_forget", "knowmem_retain")}
        found = heard(model, task, sets, wanted, run, known)
        overlap = {"verbmem": _rouge(sets["verbmem"], found["verbmem"].said)}
        for name in ("knowmem_forget", "knowmem_retain"):
            overlap[name] = _rouge(sets[name], [ENDS.split(text)[0] for text in found[name].said])
        scores = {kind: _scores(found[f"privleak_{kind}"], found[f"lower_{kind}"], sets, kind) for kind in TEXTS}
        membership = {name: auc(own, scores["holdout"][name]) for name, own in scores["forget"].items()}
        retained = {name: auc(scores["retain2"][name], scores["holdout"][name]) for name in ("loss", _min_k(LEAK))}
        return Told(overlap, membership | {f"retain_{name}": value for name, value in retained.items()})

    def values(self, measured: Told, target: Told, gold: Told | None) -> dict[str, float]:
        """Return the four criteria of one model in per cent, and the AUC of every membership score."""
        found = {name: 100 * value for name, value in measured.rouge.items()}
        name = _min_k(LEAK)
        # A gold that tells the sets apart without error leaves nothing to divide by.
        if gold is not None and gold.membership[name] < 1:
            found["privleak"] = 100 * privacy_leakage(measured.membership[name], gold.membership[name])
        return found | {f"auc_{name}": value for name, value in measured.membership.items()}


def _chunks(rows: Sequence[Row], task: CausalLM, length: int) -> Examples:
    """Return the chunks, with the beginning of their true continuation as the release cuts it: BOS counts."""
    plain = PlainText()
    given = [plain.given(str(row["prompt"]), task.tokenizer) for row in rows]
    said = [continuing(str(row["gt"]), task)[:length] for row in rows]
    start = len(plain.given("", task.tokenizer))
    true = [task.tokenizer.decode(tokens[: length - start]) for tokens in said]
    return paired(task, "verbmem", given, said, reference=true)


def _questions(name: str, rows: Sequence[Row], shots: Sequence[Row], task: CausalLM) -> Examples:
    """Return questions behind examples of questions and answers; each ends in `Answer: `, with its space."""
    before = "".join(f"Question: {shot['question']}\nAnswer: {shot['answer']}\n\n" for shot in shots)
    prompts = [f"{before}Question: {row['question']}\nAnswer: " for row in rows]
    answers = [str(row["answer"]) for row in rows]
    given = [PlainText().given(prompt, task.tokenizer) for prompt in prompts]
    return paired(task, name, given, [continuing(answer, task) for answer in answers], reference=answers)


def _texts(name: str, texts: Sequence[str], task: CausalLM) -> Examples:
    """Return whole texts, of which everything behind the first token is predicted."""
    said = [PlainText().given(text, task.tokenizer) for text in texts]
    return paired(task, name, [()] * len(texts), said, text=texts)


def _rouge(examples: Examples, said: Sequence[str]) -> float:
    return float(rouge(column(examples, "reference"), said, figure="f", stem=False).mean())


def _scores(whole: Heard, lower: Heard, sets: Mapping[str, Examples], kind: str) -> dict[str, Tensor]:
    """Return the membership scores of each text, larger for what looks more like a text trained on."""
    loss = by_loss(whole.tokens)
    found = {
        "loss": loss,
        "zlib": by_zlib(whole.tokens, column(sets[f"privleak_{kind}"], "text"), "mean"),
        # loss / loss of the same text in lower case; a loss of 0 in both says nothing.
        "lower": -torch.nan_to_num(loss / by_loss(lower.tokens), nan=1.0),
    }
    return found | {_min_k(share): by_min_k(whole.tokens, share) for share in SHARES}


def _min_k(share: float) -> str:
    return f"min_k_{round(100 * share)}"
