"""Progress must show on a terminal, stay short in a log, and leave nothing behind."""

from __future__ import annotations

import io
import re
import time

from rich.console import Console

from lethe.display import display


def test_bars_show_the_losses_and_vanish():
    """On a terminal: label, count and losses while it runs; the screen is free again afterwards."""
    screen = io.StringIO()
    shown = display(Console(file=screen, force_terminal=True, width=120))
    with shown.bar("unlearning", 10) as outer:
        with shown.bar("saliency", 2) as inner:
            inner.advance()
        outer.advance(3, forget=0.25)
        deadline = time.monotonic() + 10
        while "3/10" not in screen.getvalue() and time.monotonic() < deadline:
            time.sleep(0.02)
    text = screen.getvalue()
    assert "unlearning" in text
    assert "3/10" in text
    assert "forget 0.25" in text
    after_the_last_erasure = text.rsplit("\x1b[2K", 1)[1]
    assert re.sub(r"\x1b\[[?\d;]*\w", "", after_the_last_erasure).strip() == ""
    with shown.bar("again", 1) as bar:
        bar.advance()
    assert "again" in screen.getvalue()


def test_a_log_gets_a_line_now_and_then(monkeypatch):
    """In a file a line a step would bury everything else."""
    log, now = io.StringIO(), [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with display(Console(file=log)).bar("unlearning", 100) as bar:
        for _ in range(100):
            now[0] += 0.5
            bar.advance(1, forget=1.0)
    lines = log.getvalue().splitlines()
    assert 1 < len(lines) < 10
    assert lines[0].startswith("unlearning ")
    assert "/100 forget 1" in lines[0]
