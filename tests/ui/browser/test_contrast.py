"""Second step: A, B and gold by class, by layer, in the plane, and example by example."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest
from selenium.webdriver.common.keys import Keys

from tests.ui.browser.driving import Page
from tests.ui.browser.made_up import HTML

PAIR = "a=finetune/seed-0&b=salun/seed-0"
DIGITS, PEOPLE = f"#contrast?setting=digits&{PAIR}", f"#contrast?setting=people&{PAIR}"
SVG = "{http://www.w3.org/2000/svg}"


def test_class_wise_accuracy_of_a_b_and_gold_and_their_difference(page: Page) -> None:
    page.open(f"{DIGITS}&set=forget")
    titles = page.texts("#view-classes rect.area title")
    assert titles == ["0, A finetune: 78.5 %", "0, B salun, seed 0: 14.5 %", "0, gold: 0 %"]
    page.choose("#view-classes label:nth-of-type(2) select", "gap")
    assert page.texts("#view-classes rect.area title") == ["0, B − A: −64 points"]
    page.choose("#view-classes label:nth-of-type(1) select", "retain")
    assert len(page.texts("#view-classes rect.area title")) == 10
    # The matrix is of the same set, and its control says so.
    assert page.find("#view-matrix select").get_property("value") == "retain"


def test_the_prediction_matrix_is_read_with_the_arrow_keys(page: Page) -> None:
    page.open(f"{DIGITS}&set=forget")
    page.run("arguments[0].focus()", page.find("#view-matrix svg"))
    page.keys(Keys.ARROW_RIGHT)
    said = page.text("#matrix-readout")
    assert said.startswith("True 0, predicted 1: A 21.5 %, B 85.5 % (+64 points)")
    page.keys(Keys.ARROW_LEFT)
    assert "predicted 0: A 78.5 %, B 14.5 % (−64 points)" in page.text("#matrix-readout")


def test_what_is_drawn_around_in_one_plane_is_picked_in_the_table_and_by_the_link(page: Page) -> None:
    page.open(f"{DIGITS}&drag=lasso")
    page.until("document.querySelector('#view-embedding [role=status]').textContent.includes('coordinates')")
    page.until("document.querySelector('#view-examples .pager span').textContent.endsWith('of 600')")
    # The right-hand side of the plane: classes 0 and 1.
    page.drag("#view-embedding .plane", (0.6, 0.02), (0.98, 0.02), (0.98, 0.98), (0.6, 0.98))
    page.until("document.querySelector('#view-embedding [role=status]').textContent.includes('are picked')")
    picked = int(page.text("#view-embedding [role=status]").split()[0])
    assert 150 < picked < 400
    page.until(f"document.querySelector('#view-examples .pager span').textContent.endsWith('of {picked}')")
    rows = json.loads(page.save("examples", "JSON"))
    assert len(rows) == picked
    # As the planes are made, class k lies at the angle 2 pi k / 10.
    assert {row["label"] for row in rows if row["A finetune: prediction"] in "456"} == set()
    page.load(page.hash())
    page.until(f"document.querySelector('#view-examples .pager span').textContent.endsWith('of {picked}')")
    assert page.find("#view-embedding .lasso")


def test_what_became_of_forget_examples_picks_them(page: Page) -> None:
    page.open(f"{DIGITS}&pick=kept")
    rows = json.loads(page.save("examples", "JSON"))
    assert rows
    assert all(
        row["set"] == "forget" and "0" in (row["A finetune: prediction"], row["B salun, seed 0: prediction"])
        for row in rows
    )
    page.open(f"{DIGITS}&pick=differ")
    rows = json.loads(page.save("examples", "JSON"))
    assert rows
    assert all(row["A finetune: prediction"] != row["B salun, seed 0: prediction"] for row in rows)


def test_an_example_is_pointed_at_and_clicked_in_the_plane(page: Page) -> None:
    page.open(f"{DIGITS}&row=7")
    assert page.find("#view-embedding .plane-box:last-child .ring"), "the same example is marked in the other plane"
    x, y = (float(page.find("#view-embedding .ring").get_attribute(name)) for name in ("cx", "cy"))
    page.open(DIGITS)
    page.until("!document.querySelector('#view-embedding .ring')")
    width = page.run("return document.querySelector('.plane').clientWidth")
    page.drag("#view-embedding .plane", (x / width, y / 400))
    page.until("location.hash.includes('row=')")
    page.until("document.querySelector('#view-examples .inspector h3')")
    row = page.hash().split("row=")[1].split("&")[0]
    assert page.text(".inspector h3").startswith(f"digit-{row}")


def test_the_plane_is_zoomed_with_keys_and_the_link_keeps_it(page: Page) -> None:
    page.open(DIGITS)
    page.until("document.querySelector('#view-embedding [role=status]').textContent.includes('coordinates')")
    page.run("arguments[0].focus()", page.find("#view-embedding .plane"))
    page.keys("+", "+", Keys.ARROW_LEFT)
    page.until("location.hash.includes('za=')")
    low, high, *_ = (
        float(at) for at in page.hash().split("za=")[1].split("&")[0].split("%7E" if "%7E" in page.hash() else "~")
    )
    assert 0 < high - low < 9
    page.keys("0")
    page.until("!location.hash.includes('za=')")


def test_the_inspector_sets_probabilities_side_by_side(page: Page) -> None:
    page.open(f"{DIGITS}&row=3")
    page.until("document.querySelectorAll('.inspector rect.area title').length === 8")
    assert "Label: 0" in page.text(".inspector")
    assert page.find(".inspector img").get_attribute("src").startswith("data:image/png;base64,")
    assert [title for title in page.texts(".inspector rect title") if title.startswith("gold: 0")] == ["gold: 0 5 %"]


def test_similarity_to_gold_and_to_the_original(page: Page) -> None:
    page.open(f"{DIGITS}&to=gold")
    rows = {row["layer"]: row for row in json.loads(page.save("layers", "JSON"))}
    assert rows["head"]["A forget"] == pytest.approx(1 - 0.8 * 4 / 5)
    page.choose("#view-layers select", "original")
    assert {row["layer"]: row for row in json.loads(page.save("layers", "JSON"))}["head"]["A forget"] == pytest.approx(
        1 - 0.2 * 4 / 5
    )


def test_answers_and_their_tokens_of_a_language_model(page: Page) -> None:
    page.open(f"{PEOPLE}&row=3")
    page.until("document.querySelectorAll('.answer').length === 4")
    answers = page.texts(".answer blockquote")
    assert answers == [f" In Lower Town {HTML}", f" In a wood {HTML}", f" In a wood {HTML}", f" In Lower Town {HTML}"]
    assert page.run("return document.querySelectorAll('#view-examples b, #view-examples .answer img').length") == 0
    assert page.run("return document.title") != "run"
    tokens = page.texts(".answer:nth-of-type(1) .token span:first-child")
    assert tokens == [" In", " Lower", " Town"]
    likelihoods = [float(text.replace("−", "-")) for text in page.texts(".answer:nth-of-type(1) .nats")]
    assert likelihoods == sorted(likelihoods, reverse=True)
    assert all(one <= 0 for one in likelihoods)


def test_truth_ratios_are_spread_out_and_saved(page: Page) -> None:
    page.open(f"{PEOPLE}&measure=truth_ratio&set=forget")
    rows = json.loads(page.save("spread", "JSON"))
    assert len(rows) == 20
    # The more a model forgot, the nearer its ratio is to that of a model that never knew.
    assert all(row["A finetune"] < row["B salun, seed 0"] < row["gold"] for row in rows)
    assert len(page.texts("#view-spread path.curve")) == 4


def test_the_planes_are_saved_as_drawings_and_as_numbers(page: Page) -> None:
    page.open(f"{DIGITS}&moves=1")
    page.until("document.querySelector('#view-embedding [role=status]').textContent.includes('coordinates')")
    drawing = ElementTree.fromstring(page.save("embedding", "SVG"))
    assert len(list(drawing.iter(f"{SVG}circle"))) == 2 * 400, "a dot for each example that is kept or was never seen"
    assert page.save("embedding", "PNG").startswith(b"\x89PNG")
    rows = json.loads(page.save("embedding", "JSON"))
    assert len(rows) == 2 * 600
    moved = [row for row in rows if row["x"] != row["original x"]]
    assert moved
    assert {row["model"] for row in moved} == {"A finetune", "B salun, seed 0"}


def test_two_neighbourhoods_that_cannot_be_compared_show_no_moves(page: Page) -> None:
    page.open(f"{DIGITS}&embed=tsne&moves=1")
    page.until("document.querySelector('#view-embedding [role=status]').textContent.includes('mean nothing')")
    page.choose("#view-embedding label:nth-of-type(2) select", "forget")
    page.until("![...document.querySelectorAll('#view-embedding .tick')].length")


def test_a_forgotten_class_that_a_set_lacks_is_shown_from_the_forget_set(page: Page) -> None:
    page.open(f"{DIGITS}&set=retain")
    lacking = "{count: [0, 4], accuracy: [null, 1], share: [null, [0, 1]], confidence: [null, [0, 1]]}"
    forget = "{count: [4, 0], accuracy: [0.25, null], share: [[0.25, 0.75], null], confidence: [[0.25, 0.75], null]}"
    made = page.driver.execute_async_script(
        "const done = arguments[0]; import('lethe/classes.js').then(({ predicted }) => done(predicted("
        "{ sets: ['forget', 'retain'], forget_classes: [0], labels: [0] }, "
        f"{{ matrices: {{ forget: {forget}, retain: {lacking} }} }})))"
    )
    assert made["accuracy"] == [0.25, 1]
    assert made["share"] == [[0.25, 0.75], [0, 1]]
