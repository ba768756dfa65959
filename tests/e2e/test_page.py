"""The pages in a real browser, as a person uses them."""

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from inference.model.bundle import read_verified
from tests.conftest import ROOT, SAMPLE_MODEL

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
SCREENSHOT = ROOT / "build" / "page.png"
MARS = "Life in Mars might be a real possibility"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM:
        pytest.skip("no Chromium here: install Debian's chromium, or set CHROMIUM=path")
    with sync_playwright() as playwright:
        # Chromium refuses to start as root unless its sandbox is off.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, server: str) -> Iterator[Page]:
    """The open page; errors in the console and requests to other sites fail the test."""
    context = browser.new_context(viewport={"width": 1200, "height": 800})
    page = context.new_page()
    problems: list[str] = []
    page.on(
        "console", lambda message: problems.append(message.text) if _is_problem(message) else None
    )
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "request",
        lambda sent: None if sent.url.startswith((server, "data:")) else problems.append(sent.url),
    )
    page.goto(server)
    yield page
    context.close()
    assert problems == []


def _is_problem(message: Any) -> bool:
    refused = "Failed to load resource"  # Chromium's words for a 4xx, which some tests provoke
    return message.type in ("error", "warning") and refused not in message.text


def classify(page: Page, *texts: str) -> None:
    page.get_by_label("Texts, one per line").fill("\n".join(texts))
    page.get_by_role("button", name="Classify").click()


def test_the_page_names_the_task_the_labels_and_the_accuracy(page: Page) -> None:
    # GIVEN the page WHEN it is opened THEN it shows the task and the labels of the model
    manifest = read_verified(SAMPLE_MODEL).manifest
    expect(page).to_have_title("News classifier")
    for label in manifest.labels:
        expect(page.locator("#labels")).to_contain_text(label)
    expect(page.locator("#facts")).to_contain_text("of the test texts correctly")


def test_the_result_of_a_headline_has_its_label_bars_latency_and_version(page: Page) -> None:
    # GIVEN a headline WHEN it is classified
    classify(page, MARS)
    # THEN the page shows its label, a bar for each label, the time taken and the version
    bundle = read_verified(SAMPLE_MODEL)
    manifest, version = bundle.manifest, bundle.version
    expect(page.get_by_role("heading", name="Science")).to_be_visible()
    expect(page.locator("#list dd")).to_have_count(len(manifest.labels))
    expect(page.get_by_role("status")).to_contain_text(version)
    expect(page.get_by_role("status")).to_contain_text(" ms ")
    # AND the bar of the label is the longest
    shares = page.locator("#list dd").evaluate_all(
        "bars => bars.map(bar => +bar.style.getPropertyValue('--share'))"
    )
    assert sum(shares) == pytest.approx(1, abs=1e-6)
    assert manifest.labels[shares.index(max(shares))] == "Science"


def test_the_results_of_many_headlines_are_in_their_order(page: Page) -> None:
    # GIVEN headlines, one per line, with empty lines in between
    texts = [MARS, "Fed holds rates as inflation cools", "Flu shots cut hospital stays"]
    # WHEN they are classified by a keyboard shortcut
    page.get_by_label("Texts, one per line").fill("\n\n".join(texts))
    page.keyboard.press("Control+Enter")
    # THEN there is a result for each, in order
    expect(page.locator("#list .text")).to_have_text(texts)
    expect(page.locator("#list h3")).to_have_text(["Science", "Business", "Health"])


def test_a_text_that_is_html_is_shown_as_text(page: Page) -> None:
    attack = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    classify(page, attack)
    expect(page.locator("#list .text")).to_have_text(attack)
    assert page.locator("#list img, #list script").count() == 0


def test_an_empty_form_asks_for_a_text(page: Page) -> None:
    page.get_by_role("button", name="Classify").click()
    expect(page.get_by_role("status")).to_have_text("Write or paste a text first.")
    expect(page.get_by_label("Texts, one per line")).to_be_focused()


def test_a_refused_request_is_explained_in_words(page: Page) -> None:
    # GIVEN more texts than one request may hold WHEN they are sent
    classify(page, *[MARS] * 1000)
    # THEN the page says what is wrong, and for which field
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("inputs")
    expect(page.locator("#results")).to_be_hidden()


def test_an_unavailable_model_is_explained_in_words(page: Page) -> None:
    # GIVEN a service whose model is not available yet
    def unavailable(route: Route) -> None:
        problem = '{"title": "Service Unavailable", "detail": "The model is not available yet."}'
        headers = {"Retry-After": "2", "Content-Type": "application/problem+json"}
        route.fulfill(status=503, headers=headers, body=problem)

    page.route("**/predict", unavailable)
    # WHEN a headline is sent THEN the page says so, and when to try again
    classify(page, MARS)
    expect(page.get_by_role("alert")).to_contain_text("The model is not available yet.")
    expect(page.get_by_role("alert")).to_contain_text("Try again in 2 seconds.")


def test_a_lost_network_is_explained_in_words(page: Page) -> None:
    page.context.set_offline(True)
    classify(page, MARS)
    expect(page.get_by_role("alert")).to_contain_text("cannot be reached")


def test_the_page_can_be_used_by_keyboard_alone(page: Page) -> None:
    # GIVEN the page WHEN Tab is pressed at its top
    page.keyboard.press("Tab")
    expect(page.get_by_label("Texts, one per line")).to_be_focused()
    page.keyboard.type(MARS)
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Classify")).to_be_focused()
    # THEN Enter on the button classifies, and the button keeps the focus
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Science")).to_be_visible()
    expect(page.get_by_role("button", name="Classify")).to_be_focused()


@pytest.mark.parametrize("width", [320, 768, 1600])
def test_nothing_is_cut_off_whatever_the_width_of_the_screen(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 700})
    classify(page, MARS, "x" * 300)
    expect(page.locator("#list li")).to_have_count(2)
    overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert overflow <= 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_enough_contrast(page: Page, scheme: Any) -> None:
    # GIVEN a light or a dark colour scheme
    page.emulate_media(color_scheme=scheme)
    classify(page, MARS)
    expect(page.locator("#list li")).to_have_count(1)
    # WHEN the contrast of each kind of text with the page is measured (WCAG 2.2, 1.4.3)
    ratios = page.evaluate(
        CONTRAST, ["h1", "#labels", "#keys", "#status", "#list .text", "h3", "dt"]
    )
    # THEN all reach level AA
    assert min(ratios) >= 4.5, ratios


CONTRAST = """(selectors) => {
  const light = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map(Number)
      .map((v) => v / 255).map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = light(getComputedStyle(document.body).backgroundColor);
  return selectors.map((selector) => {
    const ink = light(getComputedStyle(document.querySelector(selector)).color);
    return (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
  });
}"""


def test_the_docs_page_shows_every_operation_and_schema(page: Page, server: str) -> None:
    # GIVEN the OpenAPI document WHEN the docs page is opened
    document = page.request.get(f"{server}/openapi.json").json()
    page.goto(f"{server}/docs")
    # THEN it shows every operation and every schema
    for path, methods in document["paths"].items():
        for method in methods:
            shown = page.locator(f"#{method.upper()}-{path.removeprefix('/')}")
            expect(shown).to_contain_text(methods[method]["summary"])
    for name in document["components"]["schemas"]:
        expect(page.locator(f"#schema-{name}")).to_be_visible()


def test_the_screenshot_for_the_documentation_can_be_taken(page: Page) -> None:
    # GIVEN headlines WHEN they are classified THEN a picture of the page is written
    page.set_viewport_size({"width": 1100, "height": 640})
    page.emulate_media(reduced_motion="reduce")
    classify(
        page,
        MARS,
        "Fed holds rates as inflation cools",
        "Flu shots cut hospital stays, study finds",
    )
    expect(page.locator("#list li")).to_have_count(3)
    SCREENSHOT.parent.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOT)
    assert SCREENSHOT.stat().st_size > 10_000
