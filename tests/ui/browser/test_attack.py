"""Third step: the numbers of the attack follow the threshold, and they are those of the formulas."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from selenium.webdriver.common.keys import Keys

from tests.ui.browser.driving import Page

PAIR = "setting=digits&a=finetune/seed-0&b=salun/seed-0"
UNSEEN, GOLD = f"#attack?{PAIR}", f"#attack?{PAIR}&against=gold"


def facts(page: Page) -> dict[str, str]:
    """The numbers below the histograms."""
    return dict(
        page.run(
            "return [...document.querySelectorAll('[data-fact]')].map((one) => [one.dataset.fact, one.textContent])"
        )
    )


def values(bundle: Any, model: str, of: int, statistic: str) -> np.ndarray:
    """A statistic of a model's forget (0) or holdout (2) rows."""
    set_of = np.array(bundle["settings"]["digits"]["set_of"])
    return np.array(bundle["models"]["digits"][model]["columns"][statistic])[set_of == of]


def test_numbers_are_those_of_the_formulas(page: Page, bundle: Any) -> None:
    page.open(f"{UNSEEN}&t=0.4")
    for key, model in (("a", "finetune/seed-0"), ("b", "salun/seed-0")):
        tpr, fpr = ((values(bundle, model, of, "entropy") <= 0.4).mean() for of in (0, 2))
        shown = facts(page)
        assert float(shown[f"{key}-Forget examples caught (TPR)"].split()[0]) == pytest.approx(100 * tpr, abs=0.05)
        assert float(shown[f"{key}-False alarms (FPR)"].split()[0]) == pytest.approx(100 * fpr, abs=0.05)
        assert float(shown[f"{key}-Attack accuracy"].split()[0]) == pytest.approx(50 * (tpr + 1 - fpr), abs=0.06)


def test_numbers_change_while_the_threshold_is_dragged(page: Page) -> None:
    from selenium.webdriver import ActionChains

    page.open(UNSEEN)
    before = facts(page)
    handle = page.find("#view-threshold .handle .knob")
    chain = ActionChains(page.driver, duration=20)
    chain.move_to_element(handle).click_and_hold().move_by_offset(-150, 30).perform()
    # The button is still held.
    page.until("document.querySelector('[data-fact=\"a-False alarms (FPR)\"]').textContent !== '100 %'")
    during = facts(page)
    ActionChains(page.driver, duration=20).move_by_offset(-30, 0).release().perform()
    page.until("location.hash.includes('t=')")
    after, now = facts(page), page.find("#threshold").get_property("value")
    assert len({json.dumps(one) for one in (before, during, after)}) == 3
    page.load(page.hash())
    assert page.find("#threshold").get_property("value") == now
    assert facts(page) == after


def test_arrow_keys_move_the_threshold_and_say_what_it_finds(page: Page) -> None:
    page.open(UNSEEN)
    handle = page.find("#view-threshold .handle")
    page.run("arguments[0].focus()", handle)
    page.keys(Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    assert float(handle.get_attribute("aria-valuenow")) == pytest.approx(1.15)
    page.keys(Keys.HOME)
    assert float(handle.get_attribute("aria-valuenow")) == 0
    assert facts(page)["a-False alarms (FPR)"] == "0 %"
    assert "called right" in handle.get_attribute("aria-valuetext")
    assert page.run("return document.activeElement.classList.contains('handle')")


def test_the_best_threshold_is_the_one_that_finds_most(page: Page, bundle: Any) -> None:
    page.open(f"{GOLD}&stat=confidence")
    page.run("[...document.querySelectorAll('.jumps button')][1].click()")
    model, gold = (values(bundle, name, 0, "confidence") for name in ("finetune/seed-0", "gold-1"))
    # Their confidences do not overlap: some threshold tells each from the other.
    assert model.min() > gold.max()
    assert facts(page)["a-Attack score"] == "1"
    assert facts(page)["a-Called right"] == "100 %"


def test_a_model_that_is_gold_cannot_be_told_from_gold(page: Page) -> None:
    page.open(f"{GOLD.replace('b=salun/seed-0', 'b=gold-1')}&t=2")
    assert facts(page)["b-Attack score"] == "0"


def test_curves_hold_the_same_numbers_as_the_threshold(page: Page) -> None:
    page.open(f"{UNSEEN}&t=0.4")
    rows = [row for row in json.loads(page.save("curves", "JSON")) if row["threshold"] == 0.4]
    now = facts(page)
    assert [f"{100 * row['TPR']:.1f}".removesuffix(".0") + " %" for row in rows] == [
        now["a-Forget examples caught (TPR)"],
        now["b-Forget examples caught (TPR)"],
    ]


def test_another_statistic_has_its_own_range_and_usual_threshold(page: Page) -> None:
    page.open(f"{UNSEEN}&t=0.4")
    page.choose("[aria-label=Attack] label:nth-of-type(2) select", "confidence")
    slider = page.find("#threshold")
    assert [slider.get_attribute(name) for name in ("min", "max", "step")] == ["-2.5", "10", "0.25"]
    assert slider.get_property("value") == "3.75"


def test_examples_are_called_right_or_wrong_as_the_threshold_says(page: Page) -> None:
    page.open(f"{UNSEEN}&t=0.4")
    rows = json.loads(page.save("caught", "JSON"))
    right = sum(row["called"] == "right" and row["model"] == "A finetune" for row in rows)
    assert f"{right / 2:.1f}".removesuffix(".0") + " %" == facts(page)["a-Forget examples caught (TPR)"]
    page.until("document.querySelector('.mosaic a')")
    page.run("document.querySelector('.mosaic a').click()")
    page.until("document.querySelector('.inspector h3')")


def test_relearning_curves_stand_beside_the_original_and_gold(page: Page) -> None:
    page.open(UNSEEN)
    rows = {row["step"]: row for row in json.loads(page.save("recovery", "JSON"))}
    assert rows[0] == {"step": 0, "A finetune": 0.8, "B salun, seed 0": 0.15, "original": 1, "gold": 0}
    assert "Relearn steps: 80 steps" in page.text("#view-recovery dl")


def test_scores_over_all_thresholds(page: Page) -> None:
    page.open(UNSEEN)
    rows = {row["score"]: row for row in json.loads(page.save("scores", "JSON"))}
    assert rows["Forgetting quality score (1: cannot be told from gold)"]["A finetune"] == pytest.approx(0.2)


def test_language_models_are_attacked_in_the_same_way(page: Page) -> None:
    page.open("#attack?setting=people&a=finetune/seed-0&b=salun/seed-0")
    shown = facts(page)
    assert shown["a-Forget examples caught (TPR)"] == "100 %"
    assert page.find("#view-threshold svg")
