"""Speed of unlearning language models, each figure as a ratio to a counterpart in the same run.

    python benchmarks/llm.py                       # against the same work done the usual way, in this process
    python benchmarks/llm.py --peer CHECKOUT --peer-python PYTHON     # and against open-unlearning itself

The work is that of the 2-core figures open-unlearning was measured with: a Llama of 5.3 million weights (4 blocks, 256
wide, vocabulary 4096), float32, real TOFU text. It needs $LETHE_DATA (see CONTRIBUTING.md).
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lethe import feeds, models
from lethe.descent import Descent
from lethe.examples import Examples
from lethe.methods.descent.language import forgotten
from lethe.methods.descent.npo import NPO
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import CausalLM

ROUNDS = 3
STEPS = 3
VOCABULARY = 4096


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", type=Path, help="a checkout of open-unlearning")
    parser.add_argument("--peer-python", default="python", help="a Python with its requirements (transformers 4.45.1)")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    folder = os.environ.get("LETHE_DATA")
    if not folder:
        sys.exit("set LETHE_DATA to the folder of public data sets")
    problem = tofu_problem(Path(folder) / "tofu")
    count = sum(p.numel() for p in problem.model.parameters())
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {count / 1e6:.1f} million weights")
    for size in (16, 32):
        steps(problem, size)
    npo_beside_graddiff(problem)
    memory()
    if arguments.peer:
        for size in (16, 32):
            beside_peer(problem, size, arguments)


def tofu_problem(folder: Path) -> Problem:
    """Return forget10 and retain90 of TOFU with an untrained Llama and a byte-pair vocabulary of the texts."""
    forget, retain = (rows(folder, name) for name in ("forget10", "retain90"))
    task = CausalLM(tokenizer([text for row in forget + retain for text in row]), context=512)

    def examples(name: str, pairs: list[tuple[str, str]]) -> Examples:
        prompts, answers = zip(*pairs, strict=True)
        return task.examples([f"{name}-{i}" for i in range(len(pairs))], prompts, answers)

    return Problem(llama(), task, examples("forget", forget), examples("retain", retain))


def rows(folder: Path, name: str) -> list[tuple[str, str]]:
    plain = folder / f"{name}.jsonl"
    lines = plain.read_text("utf-8") if plain.exists() else gzip.decompress((folder / f"{name}.jsonl.gz").read_bytes())
    return [(row["question"], row["answer"]) for row in map(json.loads, lines.splitlines())]


def tokenizer(texts: list[str]) -> Any:
    from tokenizers import ByteLevelBPETokenizer
    from transformers import PreTrainedTokenizerFast

    made = ByteLevelBPETokenizer()
    made.train_from_iterator(texts, VOCABULARY, special_tokens=["<pad>", "<s>", "</s>"], show_progress=False)
    return PreTrainedTokenizerFast(
        tokenizer_object=made._tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="</s>"
    )


def llama() -> nn.Module:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY, hidden_size=256, intermediate_size=688, num_hidden_layers=4, num_attention_heads=8,
            num_key_value_heads=8, max_position_embeddings=512, bos_token_id=1, eos_token_id=2, pad_token_id=0,
        )
    ).eval()  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class GradDiffTerm(NPO):
    """GradDiff in NPO's clothes: what is left of a step without the reference."""

    def forget_term(self, problem: Problem, task: CausalLM, run: Run) -> Callable[..., Tensor]:
        return lambda model, draw: -task.training_losses(model, forgotten(draw))


def first_steps(problem: Problem, size: int) -> Problem:
    """Return the problem with so few examples to forget that an epoch has STEPS steps."""
    return replace(problem, forget=problem.forget.take(range(STEPS * size)))


def loop_seconds(problem: Problem, method: Descent) -> float:
    """Return the seconds of STEPS steps alone: what comes before them is done once a run, whatever its length."""
    times = []
    for epochs in (1, 3):
        start = time.perf_counter()
        replace(method, epochs=epochs).unlearn(problem, Run())
        times.append(time.perf_counter() - start)
    return (times[1] - times[0]) / 2


def usual_npo(problem: Problem, size: int) -> float:
    """Return the seconds of the same steps in the usual way: reference model, padded batches, logits everywhere."""
    task, run = problem.task, Run()
    assert isinstance(task, CausalLM)
    model, reference = models.copied(problem.model).train(), models.copied(problem.model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, weight_decay=0.01)
    planned = feeds.beside(problem, run, 0, size)[:STEPS]
    batches = [(padded(problem.forget, f), padded(problem.kept, r)) for f, r in planned]
    start = time.perf_counter()
    for forget, retain in batches:
        loss, _ = summed_nll(model, forget)
        with torch.no_grad():
            base, _ = summed_nll(reference, forget)
        total = -2 / 0.1 * F.logsigmoid(0.1 * (loss - base)).mean() + model(**retain).loss
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        optimizer.step()
    return time.perf_counter() - start


def padded(examples: Examples, rows: Tensor | None) -> dict[str, Tensor]:
    """Return a batch as data collators make it."""
    assert rows is not None
    batch = examples.batch(rows)
    length, start = batch.tensor("length"), batch.tensor("answer_from")
    tokens = batch.tensor("tokens")[:, : int(length.max())].long()
    position = torch.arange(tokens.shape[1])
    inside = position < length.unsqueeze(1)
    labels = torch.where(inside & (position >= start.unsqueeze(1)), tokens, -100)
    return {"input_ids": tokens, "attention_mask": inside.long(), "labels": labels}


def summed_nll(model: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    logits = model(**batch).logits
    losses = F.cross_entropy(logits[:, :-1].transpose(1, 2), batch["labels"][:, 1:], reduction="none")
    return losses.sum(-1), logits


def tokens_of(problem: Problem, size: int) -> int:
    """Return the real tokens of the steps measured."""
    planned = feeds.beside(problem, Run(), 0, size)[:STEPS]
    return sum(
        int(examples.tensor("length")[rows].sum())
        for pair in planned
        for examples, rows in zip((problem.forget, problem.kept), pair, strict=True)
        if rows is not None
    )


def steps(problem: Problem, size: int) -> None:
    """NPO against the same steps in the usual way."""
    problem, ours = first_steps(problem, size), NPO(batch_size=size, warmup_epochs=0)
    loop_seconds(problem, ours), usual_npo(problem, size)
    pairs = [(loop_seconds(problem, ours), usual_npo(problem, size)) for _ in range(ROUNDS)]
    ratio = statistics.median(b / a for a, b in pairs)
    own = statistics.median(a for a, _ in pairs)
    print(
        f"NPO, batch {size}: {ratio:.2f}x the usual way's tokens per second "
        f"({own / STEPS:.2f} s a step, {tokens_of(problem, size) / own:.0f} tokens/s)"
    )


def npo_beside_graddiff(problem: Problem, size: int = 16) -> None:
    """What the reference costs a step: nothing, as it was read once."""
    problem = first_steps(problem, size)
    kinds = [kind(batch_size=size, warmup_epochs=0) for kind in (NPO, GradDiffTerm)]
    pairs = [tuple(loop_seconds(problem, kind) for kind in kinds) for _ in range(ROUNDS)]
    print(f"NPO step / GradDiff step: {statistics.median(a / b for a, b in pairs):.2f}x (bound 1.05x)")


def memory() -> None:
    """Peak memory of both ways, each in a process of its own, beyond what loading took."""
    found = {}
    for which in ("ours", "usual"):
        code = f"import benchmarks.llm as b; print(b.peak('{which}'))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        found[which] = float(done.stdout.split()[-1])
    print(
        f"peak memory of NPO / of a design with a reference model: {found['ours'] / found['usual']:.2f}x (bound 0.65x)"
    )


def peak(which: str) -> float:
    """Return the megabytes that steps at batch 16 add to what the process held before (Linux alone tells)."""
    problem = first_steps(tofu_problem(Path(os.environ["LETHE_DATA"]) / "tofu"), 16)
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted anew from here
    if which == "ours":
        NPO(batch_size=16, epochs=1).unlearn(problem, Run())
    else:
        usual_npo(problem, 16)
    return resident("VmHWM") - before


def resident(name: str) -> float:
    """Return a figure of this process's memory in megabytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1024


def beside_peer(problem: Problem, size: int, arguments: argparse.Namespace) -> None:
    """The same batches through the peer's own loss and its data collator's padding, in its own environment."""
    problem = first_steps(problem, size)
    with tempfile.TemporaryDirectory() as parent:
        planned = feeds.beside(problem, Run(), 0, size)[:STEPS]
        batches = [{"forget": padded(problem.forget, f), "retain": padded(problem.kept, r)} for f, r in planned]
        torch.save(batches, Path(parent) / "batches.pt")
        models.save(problem.model, Path(parent) / "model")
        command = [arguments.peer_python, str(Path(__file__).with_name("peer.py")), str(arguments.peer), parent]
        command.append(str(arguments.threads))
        pairs = []
        for _ in range(ROUNDS):
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            pairs.append((loop_seconds(problem, NPO(batch_size=size, warmup_epochs=0)), float(done.stdout.split()[-1])))
    ratio = statistics.median(b / a for a, b in pairs)
    own, peer = (statistics.median(times) / STEPS for times in zip(*pairs, strict=True))
    print(f"NPO, batch {size}: {ratio:.2f}x the peer's tokens per second ({own:.2f} s a step, peer {peer:.2f} s)")


if __name__ == "__main__":
    main()
