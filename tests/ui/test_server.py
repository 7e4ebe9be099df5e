"""The page is answered on this machine alone, and nothing of anybody's becomes code."""

from __future__ import annotations

import http.client
import json
import re
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from lethe.errors import ConfigurationError
from lethe.ui import page
from lethe.ui.comparison import Comparison
from lethe.ui.server import Server
from tests.ui.conftest import CLASS


@pytest.fixture(scope="module")
def server(digits: Comparison) -> Iterator[Server]:
    with Server(digits, 0) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def get(server: Server, path: str, host: str = "", **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    connection.putrequest("GET", path, skip_host=True, skip_accept_encoding=True)
    connection.putheader("Host", host or f"127.0.0.1:{server.server_port}")
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, content


def asked(server: Server, path: str) -> tuple[int, Any]:
    status, _, content = get(server, path)
    return status, json.loads(content)


def test_every_request_of_the_page_is_answered_as_the_comparison_says(server: Server, digits: Comparison) -> None:
    setting = quote(CLASS, safe="")
    assert asked(server, "/api/runs") == (200, digits.runs())
    assert asked(server, f"/api/setting?setting={setting}") == (200, digits.setting(CLASS))
    assert asked(server, f"/api/model?setting={setting}&model=gold-1") == (200, digits.model(CLASS, "gold-1"))
    embedding = asked(server, f"/api/embedding?setting={setting}&model=gold-1&method=pca")
    assert embedding == (200, digits.embedding(CLASS, "gold-1", "pca"))
    assert asked(server, f"/api/examples?setting={setting}&rows=0,3") == (200, digits.examples(CLASS, [0, 3]))
    predictions = asked(server, f"/api/predictions?setting={setting}&model=original&rows=7")
    assert predictions == (200, digits.predictions(CLASS, "original", [7]))


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/api/setting?setting=no", 404, "there is no setting 'no'"),
        ("/api/setting", 400, "/api/setting needs setting, once"),
        ("/api/secrets", 404, "there is no request /api/secrets"),
        (f"/api/examples?setting={quote(CLASS)}&rows=1;2", 400, "rows are whole numbers"),
        (f"/api/examples?setting={quote(CLASS)}&rows={','.join('1' * 300)}", 400, "at most 200 rows"),
        (f"/api/embedding?setting={quote(CLASS)}&model=original&method=lda", 400, "no embedding 'lda'"),
        ("/elsewhere", 404, "there is no page /elsewhere"),
    ],
)
def test_what_cannot_be_answered_is_one_line(server: Server, path: str, status: int, said: str) -> None:
    found, answer = asked(server, path)
    assert found == status
    assert said in answer["error"]


@pytest.mark.parametrize(
    "path",
    ["/static/../schema.py", "/static/..%2fschema.py", "/static//etc/passwd", "/static/", "/static/%2e%2e/page.py",
     "/../../../../etc/passwd"],
)  # fmt: skip
def test_no_path_leads_out_of_the_pages_files(server: Server, path: str) -> None:
    status, _, content = get(server, path)
    assert status == 404
    assert b"import" not in content


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1", "[::1]:1"])
def test_no_other_name_leads_here(server: Server, host: str) -> None:
    status, _, content = get(server, "/api/runs", host=host)
    assert status == 403
    assert b"under no other name" in content


def test_the_page_may_load_nothing_from_elsewhere(server: Server) -> None:
    status, headers, content = get(server, "/")
    assert status == 200
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert not re.search(r"https?:|unsafe|\*", policy)
    assert not re.search(rb"""(src|href)=["']?(https?:)?//""", content)
    for name in re.findall(r'"\./static/([\w.-]+)"', content.decode()):
        status, headers, _ = get(server, f"/static/{name}")
        assert (status, headers["x-content-type-options"]) == (200, "nosniff")


def test_large_answers_are_packed_where_the_browser_can_unpack_them(server: Server) -> None:
    path = f"/api/model?setting={quote(CLASS)}&model=original"
    _, plain_headers, plain = get(server, path)
    _, headers, packed = get(server, path, Accept_Encoding="gzip")
    assert "content-encoding" not in plain_headers
    assert headers["content-encoding"] == "gzip"
    assert len(packed) < len(plain) / 2


def test_a_port_that_is_taken_is_named(server: Server, digits: Comparison) -> None:
    with pytest.raises(ConfigurationError, match=f"--port {server.server_port}: cannot be used .*in use.*or 0 for any"):
        Server(digits, server.server_port)


def test_the_static_file_holds_everything_and_no_text_of_anybodys_as_markup() -> None:
    evil = "</script><script>alert(1)</script><!--"
    made = page.static({"version": 1, "overview": {"title": evil}})
    assert evil not in made.html
    assert "alert(1)" not in made.html
    assert page.IMPORTMAP not in made.html
    assert not re.search(r'(src|href)="(?!data:|#)', made.html)
    assert made.policy in made.html
    assert "connect-src" not in made.policy, "it asks nobody"
    styles = re.findall(r"<style>(.*?)</style>", made.html, re.DOTALL)
    scripts = re.findall(r'<script type="(?:module|importmap)">(.*?)</script>', made.html, re.DOTALL)
    assert len(scripts) == 2
    for text in (*styles, *scripts):
        assert page._hash(text) in made.policy


def test_the_static_file_of_a_small_grid_is_small(digits: Comparison) -> None:
    assert len(page.static(digits.bundle()).html) < 5_000_000
