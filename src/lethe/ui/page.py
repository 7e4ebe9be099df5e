"""The page: its files as a server hands them out, and all of it in one file that needs nobody."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from lethe.store import atomic

TYPES = {"js": "text/javascript", "css": "text/css", "html": "text/html"}
IMPORTMAP = "<!--IMPORTMAP-->"
BUNDLE = '<script type="application/json" id="bundle"></script>'
START = 'import "lethe/main.js"'
STYLE = re.compile(r'<link rel="stylesheet" href="static/([\w.-]+\.css)">')
UNPACK = """\
const box = document.getElementById("bundle");
const bytes = Uint8Array.from(atob(box.textContent), (letter) => letter.charCodeAt(0));
const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
box.textContent = await new Response(stream).text();
await import("lethe/main.js");"""
"""How a static file starts: the bundle is unpacked before anybody reads it."""

_NOTHING_ELSE = "default-src 'none'; base-uri 'none'; form-action 'none'"


@dataclass(frozen=True)
class Page:
    """The page's start.

    Attributes:
        html: the document.
        policy: its Content-Security-Policy: no host but its own is asked for anything.
    """

    html: str
    policy: str


@cache
def assets() -> Mapping[str, bytes]:
    """Return the page's files by name; what is not among them is not handed out."""
    folder = files("lethe.ui") / "static"
    return {one.name: one.read_bytes() for one in folder.iterdir() if one.name.rpartition(".")[2] in TYPES}


@cache
def served() -> Page:
    """Return the page as a server hands it out."""
    modules = {f"lethe/{name}": f"./static/{name}" for name in sorted(assets()) if name.endswith(".js")}
    importmap = json.dumps({"imports": modules})
    html = _template().replace(IMPORTMAP, f'<script type="importmap">{importmap}</script>')
    scripts = f"script-src 'self' {_hash(importmap)} {_hash(START)}"
    policy = f"{_NOTHING_ELSE}; {scripts}; style-src 'self'; img-src data: blob:; connect-src 'self'"
    return Page(html, f"{policy}; frame-ancestors 'none'")


def static(bundle: Any) -> Page:
    """Return the page with all its files and data in it.

    Args:
        bundle: every answer the page may need, as `Comparison.bundle` gives it.
    """
    modules = {
        f"lethe/{name}": f"data:text/javascript;base64,{base64.b64encode(content).decode()}"
        for name, content in sorted(assets().items())
        if name.endswith(".js")
    }
    importmap = json.dumps({"imports": modules})
    text = json.dumps(bundle, separators=(",", ":"), allow_nan=False).encode()
    # Packed data are letters and digits: no text of anybody's can end the element it stands in.
    packed = base64.b64encode(gzip.compress(text, 9, mtime=0)).decode()
    styles = [assets()[name].decode() for name in STYLE.findall(_template())]
    policy = (
        f"{_NOTHING_ELSE}; script-src {_hash(importmap)} {_hash(UNPACK)} data:; "
        f"style-src {' '.join(map(_hash, styles))}; img-src data: blob:"
    )
    head = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    html = STYLE.sub(lambda found: f"<style>{assets()[found[1]].decode()}</style>", _template())
    html = html.replace("<head>", f"<head>\n{head}", 1)
    html = html.replace(IMPORTMAP, f'<script type="importmap">{importmap}</script>')
    html = html.replace(START, UNPACK).replace(BUNDLE, BUNDLE.replace("></script>", f">{packed}</script>"))
    return Page(html, policy)


def write_static(bundle: Any, path: Path) -> None:
    """Write the page with everything in it to one file; raises StorageError where it cannot be written."""
    atomic(path, static(bundle).html.encode())


def _template() -> str:
    return assets()["index.html"].decode()


def _hash(script: str) -> str:
    """Return a script or style as a Content-Security-Policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
