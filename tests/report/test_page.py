"""The page holds what the evidence says, as text, in one file that needs no network."""

from __future__ import annotations

import base64
import copy
import gzip
import json
import re
from html.parser import HTMLParser

import pytest
from plotly.offline import get_plotlyjs

from lethe.auditing.evidence import Evidence
from lethe.errors import InputError, StorageError
from lethe.report import write_report


class Page(HTMLParser):
    """Collects the elements of a page and the text outside of scripts and styles."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(source)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data):
        if not {"script", "style"} & set(self.open):
            self.text += data + " "

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def report(tmp_path):
    def write(*evidences, **options) -> Page:
        path = tmp_path / "report.html"
        write_report(evidences, path, **options)
        return Page(path.read_text("utf-8"))

    return write


def test_the_page_says_what_was_asked_measured_and_concluded(evidence, report):
    page = report(evidence, title="Digits")
    for words in (
        "Digits",
        "Not removed: 3 of 4 metrics find it on the original's side.",
        "forget 129",
        "retain 1,168",
        "f" * 64,
        "o" * 64,
        "25.0 %",  # the value
        "97.0 %",  # the original's
        "7.0 ± 1.4 %",  # gold's
        "+13 spreads",
        "gap 18.0 [17.0 to 20.0]",
        "between",
        "15.0 % of retraining",
        "8.0 points (original 40.0; gold models 1.0 to 2.0 from each other)",
        "no power here",
        "original and gold cannot be told apart by this metric",
        "needs siblings, which this audit lacks",
        "scope.keep",
        "torch 2.13.0",
        "Relearn time",
    ):
        assert words in page.text, words


def test_several_models_stand_side_by_side_and_what_was_not_measured_is_said(evidence, report):
    other = copy.deepcopy(evidence)
    other["subject"]["name"] = "scrub"
    del other["metrics"][0]
    page = report(evidence, other)
    assert page.text.count("Metric Original Gold salun scrub") == 3, "efficacy, influence and utility"
    assert "not measured" in page.text


def test_models_of_the_same_name_are_numbered(evidence, report):
    page = report(evidence, copy.deepcopy(evidence))
    assert "salun (1)" in page.text
    assert "salun (2)" in page.text


@pytest.mark.parametrize(
    "place", ["subject", "title", "skipped", "metric", "sentence", "hyperparameter", "layer", "page"]
)
def test_html_in_names_is_shown_as_text(place, evidence, report):
    evil, options = "<script>alert(1)</script><img src=x onerror=alert(2)>", {}
    if place == "subject":
        evidence["subject"]["name"] = evil
    elif place == "title":
        evidence["metrics"][0]["title"] = evil
    elif place == "skipped":
        evidence["skipped"][0]["reason"] = evil
    elif place == "metric":
        evidence["metrics"][4]["name"] = evil
    elif place == "sentence":
        evidence["verdict"]["sentence"] = evil
    elif place == "hyperparameter":
        evidence["subject"]["method"]["keep"] = evil
    elif place == "layer":
        evidence["metrics"][4]["details"]["layers"] = {evil: 0.5}
    else:
        options = {"title": evil}
    page = report(evidence, **options)
    assert not page.all("img")
    assert len(page.all("script")) == 2 + len(page.all("figure")), "the library, the drawing, and a figure each"
    if place not in ("metric", "layer"):
        assert evil in page.text


def test_the_page_is_one_file_that_loads_nothing(evidence, report):
    page = report(evidence)
    for attributes in (attributes for _, attributes in page.elements):
        assert not {"src", "srcset"} & attributes.keys()
        assert not (attributes.get("href") or "#").startswith("http")
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "http" not in policy


def test_plotly_is_inlined_once_and_only_where_there_is_a_plot(evidence, tmp_path):
    write_report([evidence, copy.deepcopy(evidence)], tmp_path / "with.html")
    bare = evidence | {"metrics": [], "attacks": [], "average_gap": None, "cost": None}
    write_report([bare], tmp_path / "without.html")
    with_plots, without = ((tmp_path / name).stat().st_size for name in ("with.html", "without.html"))
    assert without < 100_000 < with_plots < 3_000_000


def test_the_page_can_be_read_without_seeing_it(evidence, report):
    page = report(evidence)
    assert page.all("html")[0]["lang"] == "en"
    assert len(page.all("caption")) == len(page.all("table")) == 6
    assert all(attributes.get("scope") for attributes in page.all("th"))
    plots = [attributes for attributes in page.all("div") if attributes.get("class") == "plot"]
    assert plots
    assert all(plot["role"] == "img" and plot["aria-label"] for plot in plots)
    assert not page.open, "an element is left open"


def test_every_plot_is_valid_json_with_a_place_to_be_drawn(evidence, tmp_path):
    write_report([evidence], tmp_path / "report.html")
    source = (tmp_path / "report.html").read_text("utf-8")
    drawn = re.findall(r'<script type="application/json" data-plot="([^"]+)">(.*?)</script>', source, flags=re.DOTALL)
    assert len(drawn) == 7
    for place, spec in drawn:
        assert f'id="{place}"' in source
        assert json.loads(spec)["data"]


def test_the_same_evidence_gives_the_same_bytes(evidence, tmp_path):
    for name in ("one.html", "two.html"):
        write_report([copy.deepcopy(evidence)], tmp_path / name)
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()


def test_without_gold_or_power_the_page_still_says_so(evidence, report):
    for entry in evidence["metrics"] + evidence["attacks"]:
        entry |= {
            "gold": [], "gold_mean": None, "gold_spread": None, "gap": None, "gap_in_spreads": None, "interval": None,
            "finding": "no gold", "power": {"has_power": None, "reason": "there is no gold model to compare with"},
            "gold_details": [],
        }  # fmt: skip
    verdict = {"outcome": "inconclusive", "sentence": "Inconclusive.", "failed": []}
    evidence |= {"average_gap": None, "cost": None, "verdict": verdict}
    page = report(evidence)
    assert "power unknown" in page.text
    assert "there is no gold model to compare with" in page.text
    assert "Average gap to gold: not known. Cost: not known." in page.text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 1}, "version 1"),
        ({"metrics": [{"name": "forget_accuracy"}]}, "no evidence of an audit"),
        ({"data": {"forget": "x", "retain": "r" * 64, "holdout": None}}, "another forget set"),
        ({"models": {"unlearned": "u", "original": "x", "gold": ["1" * 64, "2" * 64]}}, "another original model"),
        ({"models": {"unlearned": "u", "original": "o" * 64, "gold": []}}, "other gold models"),
    ],
)
def test_models_that_cannot_be_compared_are_refused_and_the_old_page_stays(change, words, evidence, tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    with pytest.raises(InputError, match=words) as error:
        write_report([evidence, evidence | change], path)
    assert "\n" not in str(error.value)
    assert path.read_text() == "old"


def test_no_evidence_is_refused(tmp_path):
    with pytest.raises(InputError, match="no evidence"):
        write_report([], tmp_path / "report.html")


def test_a_page_that_cannot_be_written_is_a_storage_error(evidence, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        write_report([evidence], tmp_path / "file" / "report.html")


def test_the_sections_are_those_of_an_assessment(evidence, report):
    page = report(evidence)
    order = [
        "Verdict", "Scope: what was asked", "Efficacy: is it gone?", "Data and model: what the examples left behind",
        "Utility: what stayed, and what it cost", "The policy, line by line", "What this audit cannot tell",
        "How it was made",
    ]  # fmt: skip
    places = [page.text.index(heading) for heading in order]
    assert places == sorted(places)


def test_the_word_of_the_verdict_is_defined_and_the_claim_stands_beside_it(evidence, report):
    page = report(evidence)
    assert "Not removed means: Without any attack the model still behaves more like the original" in page.text
    assert "The method aims at suppression" in page.text
    evidence["subject"]["method"] = None
    assert "What the method aims at was not stated." in report(evidence).text


def test_what_attacks_cost_brought_back_and_were_told_is_shown(attacked, report):
    page = report(attacked)
    for words in (
        "20.0 % without it",
        "62.5 % brought back beyond gold [50.0 to 75.0]",
        "120 queries, 1,800 tokens, 12 s",
        "Who was it, in other words?",
        "Ada lives in Osk.",
        "Osk, I believe.",
        "I do not know.",
    ):
        assert words in page.text, words


def test_replies_are_text_whatever_stands_in_them(attacked, report):
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
    attacked["attacks"][1]["details"]["examples"][0] |= {"prompt": evil, "answer": evil, "said": evil}
    page = report(attacked)
    assert not page.all("img")
    assert page.text.count(evil) == 3


def test_a_long_reply_is_cut(attacked, report):
    attacked["attacks"][1]["details"]["examples"][0]["said"] = "word " * 10_000
    assert len(report(attacked).text) < 20_000


def test_parts_of_the_forget_set_stand_beside_original_and_gold(attacked, report):
    page = report(attacked)
    for words in ("label = 3", "Forget accuracy, 17 examples", "gap 64.0 [50.0 to 78.0]", "like the original"):
        assert words in page.text, words


def test_an_invalid_reference_is_said_at_the_top_and_among_the_limits(attacked, report):
    page = report(attacked)
    assert "gold 2 is no valid reference: it knows the forget set" in page.text
    assert page.text.index("no valid reference") < page.text.index("Scope: what was asked")
    assert "(no verdict can rest on it)" in page.text
    assert "holdout 3 of 40 rows stand in the retain set" in page.text


def test_the_policy_stands_line_by_line_with_its_results(attacked, report):
    page = report(attacked)
    assert "recovered: Rephrasing brings back 62.5 %, more than 20.0 %" in page.text
    assert "bounds.% Forget accuracy 18.0 points [17.0 to 20.0] from gold ±5.0 points fail" in page.text
    assert "recovered Rephrasing 62.5 % [50.0 to 75.0] brought back beyond gold 20.0 % fail" in page.text


def test_every_cell_says_on_a_phone_which_column_it_is_of(attacked, report):
    """There the heading row is hidden and rows become cards: an unlabelled number would be of nobody."""
    page = report(attacked)
    stacked = [a for a in page.all("table") if {"metrics", "stacked"} & set((a.get("class") or "").split())]
    assert len(stacked) == len(page.all("table"))
    assert all(cell.get("data-label") for cell in page.all("td"))


def test_the_page_names_the_digest_of_its_evidence(evidence, report):
    whole = Evidence.from_json(evidence).to_json()
    page = report(whole)
    assert whole["digest"] in page.text
    assert [a["content"] for a in page.all("meta") if a.get("name") == "lethe-evidence"] == [whole["digest"]]


def test_evidence_that_was_edited_is_refused(evidence, tmp_path):
    edited = Evidence.from_json(evidence).to_json()
    edited["metrics"][0]["value"] = 0.07
    with pytest.raises(InputError, match="was changed after its audit"):
        write_report([edited], tmp_path / "report.html")


def test_models_that_lack_the_same_are_said_so_once(evidence, report):
    other = copy.deepcopy(evidence)
    assert report(evidence, other).text.count("needs siblings, which this audit lacks") == 1
    other["skipped"].append({"name": "prune", "reason": "needs weights"})
    assert "Not measured of salun (2)" in report(evidence, other).text


def test_the_drawing_library_is_the_one_that_is_installed(evidence, tmp_path):
    write_report([evidence], tmp_path / "report.html")
    packed = re.search(r'id="plotly">([^<]+)<', (tmp_path / "report.html").read_text("utf-8"))
    assert packed is not None
    assert gzip.decompress(base64.b64decode(packed.group(1))).decode() == get_plotlyjs()
