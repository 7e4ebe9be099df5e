"""Times open-unlearning's own NPO on given batches; run by its Python: peer.py CHECKOUT FOLDER THREADS."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch


def main(checkout: str, folder: str, threads: str) -> None:
    sys.path.insert(0, str(Path(checkout) / "src"))
    from trainer.utils import compute_dpo_loss
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(int(threads))
    model = AutoModelForCausalLM.from_pretrained(Path(folder) / "model", attn_implementation="sdpa").train()
    reference = AutoModelForCausalLM.from_pretrained(Path(folder) / "model", attn_implementation="sdpa").eval()
    batches = torch.load(Path(folder) / "batches.pt", weights_only=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, weight_decay=0.01)
    for warm in (True, False):
        start = time.perf_counter()
        for batch in batches[:1] if warm else batches:
            forget, _ = compute_dpo_loss(model, reference, lose_inputs=batch["forget"], beta=0.1)
            (forget + model(**batch["retain"]).loss).backward()
            optimizer.step()
            optimizer.zero_grad()
    print(time.perf_counter() - start)


if __name__ == "__main__":
    main(*sys.argv[1:])
