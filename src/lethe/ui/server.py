"""The server: the page and its answers, for the browser on this machine alone."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from lethe.errors import ConfigurationError, InputError, LetheError
from lethe.ui import page
from lethe.ui.comparison import Comparison, Unknown

HOST = "127.0.0.1"
MOST_ROWS = 200
WORTH_PACKING = 4096
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Server(ThreadingHTTPServer):
    """Answers on 127.0.0.1.

    Args:
        comparison: what is asked for.
        port: where; 0 takes a free one.

    Raises:
        ConfigurationError: the port is taken, or may not be used.
    """

    daemon_threads = True

    def __init__(self, comparison: Comparison, port: int) -> None:
        self.comparison = comparison
        try:
            super().__init__((HOST, port), _Handler)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ConfigurationError(
                f"--port {port}: cannot be used ({reason}); choose another, or 0 for any that is free"
            ) from None

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.server_port}/"

    @property
    def names(self) -> frozenset[str]:
        """What browsers on this machine may call it: no other site's name leads here."""
        return frozenset(f"{name}:{self.server_port}" for name in (HOST, "localhost"))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Leave unsaid that a browser hung up."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:
        if self.headers.get("Host", "") not in self.server.names:
            self._say(403, {"error": f"open {self.server.address}, this page answers under no other name"})
            return
        address = urlsplit(self.path)
        if address.path == "/":
            start = page.served()
            self._send(200, start.html.encode(), "text/html", start.policy)
        elif address.path.startswith("/static/"):
            self._file(address.path.removeprefix("/static/"))
        elif address.path.startswith("/api/"):
            self._answer(address.path.removeprefix("/api/"), address.query)
        else:
            self._say(404, {"error": f"there is no page {address.path}"})

    def _file(self, name: str) -> None:
        content = page.assets().get(name)
        if content is None:
            self._say(404, {"error": f"there is no file {name}"})
        else:
            self._send(200, content, page.TYPES[name.rpartition(".")[2]])

    def _answer(self, what: str, query: str) -> None:
        try:
            self._say(200, answer(self.server.comparison, what, parse_qs(query, keep_blank_values=True)))
        except Unknown as error:
            self._say(404, {"error": str(error)})
        except LetheError as error:
            self._say(400, {"error": str(error)})

    def _say(self, status: int, value: Any) -> None:
        self._send(status, json.dumps(value, separators=(",", ":"), allow_nan=False).encode(), "application/json")

    def _send(self, status: int, content: bytes, kind: str, policy: str = "default-src 'none'") -> None:
        packed = len(content) > WORTH_PACKING and "gzip" in self.headers.get("Accept-Encoding", "")
        content = gzip.compress(content, 1) if packed else content
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        if packed:
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Security-Policy", policy)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: requests are no results."""


def answer(comparison: Comparison, what: str, query: dict[str, list[str]]) -> Any:
    """Return the answer to one request of the page.

    Args:
        comparison: what is asked.
        what: the request's name after `/api/`.
        query: its parameters.

    Raises:
        Unknown: there is no such request, setting, model or row.
        LetheError: a parameter is missing or wrong.
    """
    asked: Mapping[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
        "runs": (comparison.runs, ()),
        "setting": (comparison.setting, ("setting",)),
        "model": (comparison.model, ("setting", "model")),
        "embedding": (comparison.embedding, ("setting", "model", "method")),
        "examples": (comparison.examples, ("setting", "rows")),
        "predictions": (comparison.predictions, ("setting", "model", "rows")),
    }
    if what not in asked:
        raise Unknown(f"there is no request /api/{what}")
    call, names = asked[what]
    missing = [name for name in names if len(query.get(name, ())) != 1]
    if missing:
        raise InputError(f"/api/{what} needs {missing[0]}, once")
    return call(*(rows_of(query[name][0]) if name == "rows" else query[name][0] for name in names))


def rows_of(text: str) -> list[int]:
    """Return the rows of a request.

    Raises:
        InputError: they are not whole numbers with commas between, or too many.

    >>> rows_of("0,12")
    [0, 12]
    """
    parts = text.split(",")
    if len(parts) > MOST_ROWS:
        raise InputError(f"ask for at most {MOST_ROWS} rows at a time, not {len(parts)}")
    if not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):
        raise InputError("rows are whole numbers with commas between, as 0,5,9")
    return [int(part) for part in parts]
