"""Correcting a label on the page, in a real browser, with a real server and a table."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.conftest import TinyModel
from tests.e2e.conftest import TEXTCLF, serving
from tests.integration.conftest import PredictionTable
from tests.outside import find_chromium

MENU = "The right label"
AWS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
}
pytestmark = pytest.mark.usefixtures("outside")


@pytest.fixture
def table(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> PredictionTable:
    for name, value in AWS.items():
        monkeypatch.setenv(name, value)
    return PredictionTable(s3_endpoint, f"predictions-{uuid.uuid4()}")


@pytest.fixture
def page(s3_endpoint: str, table: PredictionTable, tmp_path: Path) -> Iterator[Page]:
    """The page of a service that keeps predictions."""
    with open_page(s3_endpoint, table, tmp_path) as page:
        yield page


@contextmanager
def open_page(
    s3_endpoint: str, table: PredictionTable, tmp_path: Path, *options: str
) -> Iterator[Page]:
    chromium = find_chromium()
    if not chromium:
        pytest.skip("no Chromium here: install Debian's chromium, or set CHROMIUM=path")
    # `textclf serve` keeps its S3 to itself and drops AWS's variables, but not its files.
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text(f"[default]\nendpoint_url = {s3_endpoint}\n")
    environment = os.environ | {
        "HOME": str(tmp_path),
        "PREDICTION_TABLE": table.name,
        "PREDICTION_TIMEOUT_MS": "5000",
    }
    command = [*TEXTCLF, "serve", "--port", "0", *options]
    with serving(environment, command) as (url, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(url)
        yield page
        browser.close()
    assert problems == []


def classify(page: Page, *texts: str) -> None:
    page.get_by_label("Texts, one per line").fill("\n".join(texts))
    page.get_by_role("button", name="Classify").click()
    expect(page.get_by_label(MENU)).to_have_count(len(texts))


def test_a_label_is_corrected_on_the_page(page: Page, table: PredictionTable) -> None:
    # GIVEN the results of two texts
    classify(page, "Life in Mars might be a real possibility", "Stocks fall")
    # WHEN a person picks another label for the first
    menu = page.get_by_label(MENU).first
    assert menu.locator("option").all_inner_texts() == [
        "Wrong? Pick the right label",
        "Business",
        "Science is right",
        "Entertainment",
        "Health",
    ]
    menu.select_option("Health")
    expect(page.locator("#list li").first).to_contain_text("Thank you.")
    # AND the page has only one status, which is that of the whole run
    expect(page.get_by_role("status")).to_have_count(1)
    # THEN the item of its prediction has the label
    said = {item["label"]: item.get("feedback_label") for item in table.items().values()}
    assert said == {"Science": "Health", "Business": None}
    # AND the page still shows it in another order, and a change of mind replaces it
    page.get_by_label("Order").select_option("most confident first")
    expect(page.locator("#list li", has_text="Mars").get_by_label(MENU)).to_have_value("Health")
    with page.expect_response("**/feedback"):
        menu = page.locator("#list li", has_text="Mars").get_by_label(MENU)
        menu.select_option("Science is right")
    expect(page.locator("#list li", has_text="Mars").get_by_label(MENU)).to_have_value("Science")
    assert {item.get("feedback_label") for item in table.items().values()} == {"Science", None}


def test_several_labels_are_corrected_on_the_page(
    s3_endpoint: str, table: PredictionTable, tmp_path: Path, multi_label_model: TinyModel
) -> None:
    # GIVEN a result of a model that may give a text several labels
    bundle = str(multi_label_model.bundle)
    with open_page(s3_endpoint, table, tmp_path, "--bundle", bundle) as page:
        page.get_by_label("Texts, one per line").fill("I was charged twice on the same invoice.")
        page.get_by_role("button", name="Classify").click()
        result = page.locator("#list li")
        result.get_by_text("Wrong? Pick the right labels").click()
        # WHEN a person picks others THEN the boxes show at first what the model said
        boxes = result.get_by_role("checkbox")
        (item,) = table.items().values()
        assert [one.get_attribute("value") for one in boxes.all() if one.is_checked()] == list(
            item["label"]
        )
        result.get_by_label("Return").check()
        result.get_by_label("Defect").uncheck()
        result.get_by_role("button", name="Send").click()
        expect(result).to_contain_text("Thank you.")
        # THEN the item of the prediction has all that are right
        (item,) = table.items().values()
        assert set(item["feedback_label"]) == {*item["label"], "Return"} - {"Defect"}


def test_feedback_that_cannot_be_stored_is_explained_next_to_its_text(
    page: Page, table: PredictionTable
) -> None:
    # GIVEN a result whose prediction has expired
    classify(page, "Stocks fall")
    (key,) = table.items()
    table.expire(key)
    # WHEN a person corrects it THEN the page says why that failed, and chooses nothing
    page.get_by_label(MENU).select_option("Health")
    expect(page.locator("#list li")).to_contain_text("There is no such prediction")
    expect(page.get_by_label(MENU)).to_have_value("")
