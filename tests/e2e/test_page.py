"""The pages in a real browser, as a person uses them."""

import csv
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Request, Route, expect, sync_playwright

from inference.model.bundle import read_verified
from tests.conftest import ROOT, SAMPLE_MODEL, TinyModel
from tests.e2e.conftest import TEXTCLF, serving
from tests.outside import find_chromium

SCREENSHOT = ROOT / "build" / "page.png"
MARS = "Life in Mars might be a real possibility"
KETTLE = "The kettle leaks and is broken, please send a return label."


@pytest.fixture(scope="module")
def browser(outside: None) -> Iterator[Browser]:
    chromium = find_chromium()
    if not chromium:
        pytest.skip("no Chromium here: install Debian's chromium, or set CHROMIUM=path")
    with sync_playwright() as playwright:
        # Chromium refuses to start as root unless its sandbox is off.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
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


def test_many_lines_are_sent_in_parts(page: Page) -> None:
    # GIVEN more texts than one request may hold
    sent: list[int] = []
    page.on("request", lambda one: sent.append(len(texts_of(one))) if is_predict(one) else None)
    texts = [f"{MARS} {number}" for number in range(300)]
    # WHEN they are classified
    classify(page, *texts)
    # THEN each has its result, in order, and no request has more than the service takes
    expect(page.locator("#list .text")).to_have_text(texts, timeout=60_000)
    expect(page.get_by_role("status")).to_contain_text("300 texts")
    assert sent == [128, 128, 44]
    # AND they are counted by label
    expect(page.get_by_role("button", name="All 300")).to_be_visible()


def test_the_progress_of_many_lines_is_shown_and_can_be_stopped(page: Page) -> None:
    # GIVEN a service that takes its time for the second part
    answers = iter([True])
    page.route("**/predict", lambda one: one.continue_() if next(answers, False) else None)
    # WHEN it has answered the first THEN the page says how far it is
    classify(page, *[MARS] * 200)
    expect(page.get_by_role("status")).to_have_text("128 of 200 texts…", timeout=30_000)
    expect(page.get_by_role("progressbar")).to_have_attribute("value", "128")
    # AND a stop leaves what there is
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("status")).to_have_text("128 of 200 texts classified.")
    expect(page.locator("#list li")).to_have_count(128)
    expect(page.locator("#problem")).to_be_hidden()


def test_texts_that_are_too_large_together_are_sent_apart(page: Page) -> None:
    # GIVEN 120 texts of 9,000 characters: fewer than a request may hold, and too many bytes
    statuses: list[int] = []
    page.on(
        "response", lambda one: statuses.append(one.status) if is_predict(one.request) else None
    )
    classify(page, *[("word " * 1800).strip()] * 120)
    # THEN they are classified all the same, and no request is refused
    expect(page.get_by_role("status")).to_contain_text("120 texts ·", timeout=60_000)
    assert len(statuses) > 1
    assert set(statuses) == {200}


def test_a_part_that_the_service_finds_too_large_is_halved(page: Page) -> None:
    # GIVEN a service that accepts less than usual
    def small(route: Route) -> None:
        if len(texts_of(route.request)) > 2:
            route.fulfill(status=413, json={"message": "Request Entity Too Large"})
        else:
            route.continue_()

    page.route("**/predict", small)
    classify(page, *[f"{MARS} {number}" for number in range(5)])
    expect(page.get_by_role("status")).to_contain_text("5 texts ·")
    expect(page.locator("#list .text").nth(4)).to_have_text(f"{MARS} 4")


def test_a_refused_text_is_named_by_its_line(page: Page) -> None:
    # GIVEN a text that is too long, in line 202 with a blank line before it
    classify(page, *[MARS] * 200, "", "x" * 10_001, MARS)
    # WHEN it is refused THEN the page says which line it is, and what is wrong
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("line 202: String should have at most", timeout=30_000)
    # AND the results of the parts before it stay
    expect(page.locator("#list li")).to_have_count(128)
    expect(page.get_by_role("status")).to_have_text("128 of 202 texts classified.")


def test_a_problem_leaves_earlier_results_in_place(page: Page) -> None:
    # GIVEN a result
    classify(page, MARS)
    expect(page.get_by_role("heading", name="Science")).to_be_visible()
    # WHEN the next request fails
    page.context.set_offline(True)
    classify(page, "Fed holds rates")
    # THEN the result is still there, and the page says that it is an earlier one
    expect(page.get_by_role("alert")).to_contain_text("cannot be reached")
    expect(page.locator("#list .text")).to_have_text(MARS)
    expect(page.get_by_role("status")).to_have_text("The results below are earlier ones.")


def test_an_example_can_be_clicked(page: Page) -> None:
    page.get_by_role("button", name=MARS).click()
    expect(page.get_by_role("heading", name="Science")).to_be_visible()
    # AND a second one comes after what is there
    page.get_by_role("button", name="New vaccine").click()
    expect(page.locator("#list h3")).to_have_text(["Science", "Health"])


def test_results_can_be_filtered_and_sorted(page: Page) -> None:
    # GIVEN results with two labels
    classify(page, MARS, "Fed holds rates as inflation cools", f"{MARS} today")
    # WHEN a label is clicked THEN only its results are shown, and the button keeps the focus
    page.get_by_role("button", name="Business 1").click()
    expect(page.locator("#list h3")).to_have_text(["Business"])
    expect(page.get_by_role("button", name="Business 1")).to_be_focused()
    expect(page.get_by_role("button", name="Business 1")).to_have_attribute("aria-pressed", "true")
    # AND they can be put into another order
    page.get_by_role("button", name="All 3").click()
    page.get_by_label("Order").select_option("by label")
    expect(page.locator("#list h3")).to_have_text(["Business", "Science", "Science"])
    page.get_by_label("Order").select_option("least confident first")
    shares = page.locator("#list .top dd").all_inner_texts()
    assert shares == sorted(shares, key=lambda share: float(share.rstrip("%")))


def test_results_can_be_downloaded_and_copied_as_a_table(page: Page) -> None:
    # GIVEN results for texts that CSV must quote
    texts = [f'"{MARS}", he said; twice', "=SUM(A1)"]
    classify(page, *texts)
    expect(page.locator("#list li")).to_have_count(2)
    # WHEN they are downloaded
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    content = download.value.path().read_bytes().decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(content)))
    # THEN the file has every text as it is, with its label and all probabilities
    assert [row["text"] for row in rows] == texts
    assert rows[0]["predicted_label"] == "Science"
    assert rows[0]["confidence"] == rows[0]["probability of Science"]
    # AND a copy has the same rows, separated by tabs as spreadsheets expect
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy table").click()
    expect(page.get_by_text("Copied.")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert list(csv.DictReader(io.StringIO(copied), delimiter="\t")) == rows


def test_a_low_confidence_looks_like_one(page: Page) -> None:
    # GIVEN answers of which one is close
    close = {"Business": 0.41, "Science": 0.38, "Entertainment": 0.11, "Health": 0.1}
    clear = {"Business": 0.01, "Science": 0.97, "Entertainment": 0.01, "Health": 0.01}
    answer_with(page, close, clear)
    classify(page, "a", "b")
    # WHEN they are shown THEN that one says so in words
    first, second = page.locator("#list li").nth(0), page.locator("#list li").nth(1)
    expect(first).to_contain_text("Low confidence: 41.0%, and 38.0% for the next label.")
    expect(second).not_to_contain_text("Low confidence")
    # AND such results can be picked
    page.get_by_role("button", name="Low confidence 1").click()
    expect(page.locator("#list .text")).to_have_text(["a"])


def test_of_many_labels_the_first_few_have_bars(page: Page) -> None:
    # GIVEN a model with 151 labels
    shares = {f"label {number}": 0.3 / 150 for number in range(150)} | {"最佳": 0.7}
    answer_with(page, shares)
    classify(page, "a")
    # WHEN a result is shown THEN the largest come first, and the others are one line
    expect(page.locator("#list dt").first).to_have_text("最佳")
    expect(page.locator("#list dt").last).to_have_text("144 others")
    expect(page.locator("#list dd")).to_have_count(8)


def test_the_words_that_decide_a_label_are_shown_on_request(page: Page) -> None:
    # GIVEN a result WHEN its "Why?" is pressed with the keyboard
    classify(page, MARS)
    why = page.get_by_role("button", name="Why?")
    expect(why).to_have_attribute("aria-pressed", "false")
    why.focus()
    page.keyboard.press("Enter")
    # THEN the word that decides is marked strongly, and the text is still the same
    expect(page.locator("#list mark.for.strong")).to_have_text("Mars")
    expect(page.locator("#list .text")).to_have_text(MARS)
    # AND the contributions are there in words, too, for those who do not see the colours
    reason = page.locator("#list .why .note")
    expect(reason).to_contain_text(re.compile(r"For Science, in percentage points: Mars \+\d\d"))
    expect(reason).to_have_attribute("aria-live", "polite")
    # AND the button says that it is pressed, has the focus, and takes the marks away again
    expect(why).to_have_attribute("aria-pressed", "true")
    expect(why).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#list mark")).to_have_count(0)
    expect(why).to_have_attribute("aria-pressed", "false")


def test_marks_stay_when_results_are_sorted_and_only_the_first_press_asks(page: Page) -> None:
    # GIVEN an explained result among others
    classify(page, MARS, "Fed holds rates")
    page.get_by_role("button", name="Why?").first.click()
    expect(page.locator("#list mark.strong")).to_have_text("Mars")
    # WHEN the results are sorted THEN it is still explained
    page.get_by_label("Order").select_option("least confident first")
    expect(page.locator("#list mark.strong")).to_have_text("Mars")
    # AND it can be hidden and shown without another request
    sent: list[str] = []
    page.on("request", lambda one: sent.append(one.url))
    button = page.locator("#list li", has_text=MARS).get_by_role("button", name="Why?")
    button.click()
    expect(page.locator("#list mark")).to_have_count(0)
    button.click()
    expect(page.locator("#list mark.strong")).to_have_text("Mars")
    assert sent == []


@pytest.mark.parametrize(
    "text",
    [
        '<b>Mars</b> &amp; Mars " Mars',
        "生物学家发现火星上有生命",
        "الأسهم ترتفع بعد قرار البنك",
        "🎉🎉 e\u0301 Mars",
        "a " * 80,
    ],
)
def test_a_text_is_the_same_when_its_words_are_marked(page: Page, text: str) -> None:
    classify(page, text)
    page.get_by_role("button", name="Why?").click()
    expect(page.get_by_role("button", name="Why?")).to_have_attribute("aria-pressed", "true")
    assert page.locator("#list .text").evaluate("node => node.textContent") == text.strip()
    # AND of a text that is too long, the words that were not read are told apart
    unread = page.locator("#list mark.unread").count()
    assert unread == (80 - 62 if text == "a " * 80 else 0)


def test_a_second_click_while_the_page_waits_asks_nothing(page: Page) -> None:
    classify(page, MARS)
    sent: list[str] = []
    page.on("request", lambda one: sent.append(one.url))
    # GIVEN an impatient person
    page.get_by_role("button", name="Why?").dblclick()
    # THEN the words are asked for once, and shown
    expect(page.locator("#list mark.strong")).to_have_text("Mars")
    assert len(sent) == 1


def test_an_answer_without_an_explanation_leaves_the_page_as_it_was(page: Page) -> None:
    # GIVEN an older version that answers the second request, and explains nothing
    shares = {"Science": 0.9, "Health": 0.1}
    answer_with(page, shares, shares)
    classify(page, "a", "b")
    page.get_by_role("button", name="Why?").first.click()
    # THEN the page says so, and the results can still be sorted
    expect(page.locator("#list .why .note").first).to_contain_text("unexpected form")
    page.get_by_label("Order").select_option("least confident first")
    expect(page.locator("#list .text")).to_have_count(2)


def test_a_refused_explanation_says_why(page: Page) -> None:
    classify(page, MARS)
    expect(page.get_by_role("heading", name="Science")).to_be_visible()
    page.context.set_offline(True)
    page.get_by_role("button", name="Why?").click()
    expect(page.locator("#list .why .note")).to_contain_text("cannot be reached")
    expect(page.get_by_role("button", name="Why?")).to_have_attribute("aria-pressed", "false")


def test_a_text_is_shown_in_its_own_direction(page: Page) -> None:
    classify(page, "الأسهم ترتفع بعد قرار البنك", MARS)
    expect(page.locator("#list li")).to_have_count(2)
    directions = page.locator("#list .text").evaluate_all(
        "texts => texts.map(text => getComputedStyle(text).direction)"
    )
    assert directions == ["rtl", "ltr"]


def test_a_reload_keeps_the_texts(page: Page) -> None:
    page.get_by_label("Texts, one per line").fill(f"{MARS}\nsecond line")
    page.reload()
    expect(page.get_by_label("Texts, one per line")).to_have_value(f"{MARS}\nsecond line")


def test_the_page_works_behind_a_prefix(page: Page, server: str) -> None:
    # GIVEN the page under a prefix, as a custom domain maps it, with or without a slash at its end
    page.route("**/news", lambda route: route.fulfill(response=route.fetch(url=f"{server}/")))
    page.goto(f"{server}/news")
    # WHEN it is used THEN its requests go to the same prefix, and its links too
    with page.expect_request("**/news/predict"):
        classify(page, MARS)
    expect(page.get_by_role("heading", name="Science")).to_be_visible()
    page.get_by_role("link", name="API docs").click()
    expect(page.locator("#POST-predict")).to_contain_text(f"{server}/news/predict")


def texts_of(request: Request) -> list[str]:
    """Return the texts of a request to classify."""
    inputs = json.loads(request.post_data or "")["inputs"]
    return inputs if isinstance(inputs, list) else [inputs]


def is_predict(request: Request) -> bool:
    return request.url.endswith("/predict")


def answer_with(page: Page, *probabilities: dict[str, float]) -> None:
    """Let the service answer with these probabilities."""
    predictions: list[dict[str, Any]] = [
        {
            "predicted_label": max(shares, key=shares.__getitem__),
            "confidence": max(shares.values()),
            "probabilities": shares,
            "truncated": False,
        }
        for shares in probabilities
    ]
    answer = {"model_version": "0", "predictions": predictions, **predictions[0]}
    page.route("**/predict", lambda route: route.fulfill(json=answer))


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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_marked_word_has_enough_contrast(page: Page, scheme: Any) -> None:
    # GIVEN words with the strongest marks, for the label and against it, and one that is not read
    page.emulate_media(color_scheme=scheme)
    shares = {"Science": 0.9, "Health": 0.1}
    answer_with(page, shares)
    classify(page, "for against unread")
    explanation = [["for", 0.9], ["against", -0.9], ["unread", None]]
    answer = {"explanation": explanation, "predicted_label": "Science", "model_version": "0"}
    page.unroute("**/predict")
    page.route("**/predict", lambda route: route.fulfill(json=answer))
    page.get_by_role("button", name="Why?").click()
    expect(page.locator("mark")).to_have_count(3)
    # WHEN the contrast of each word with its own ground is measured (WCAG 2.2, 1.4.3)
    ratios = page.locator("mark").evaluate_all(CONTRAST_OF_MARKS)
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


# The browser computes the mixed colours itself, on a canvas, over that of the page.
CONTRAST_OF_MARKS = """(marks) => {
  const light = (...colours) => {
    const context = document.createElement("canvas").getContext("2d");
    for (const colour of colours) {
      context.fillStyle = colour;
      context.fillRect(0, 0, 1, 1);
    }
    const [r, g, b] = [...context.getImageData(0, 0, 1, 1).data]
      .map((v) => v / 255).map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const page = getComputedStyle(document.body).backgroundColor;
  return marks.map((mark) => {
    const style = getComputedStyle(mark);
    const [ground, ink] = [light(page, style.backgroundColor), light(style.color)];
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


def test_the_python_examples_of_the_docs_page_run(page: Page, server: str) -> None:
    # GIVEN the docs page WHEN its programs are run as they are
    page.goto(f"{server}/docs/")
    expect(page.locator(".python")).to_have_count(4)
    one, many, ranked, instances = [
        json.loads(subprocess.check_output([sys.executable, "-c", program], text=True))
        for program in page.locator(".python").all_inner_texts()
    ]
    # THEN they print the answers, with the labels of the example answers below them
    assert one["predicted_label"] == "Science"
    labels = [prediction["predicted_label"] for prediction in many["predictions"]]
    assert labels == ["Business", "Health", "Entertainment"]
    # AND those for other clients answer in their forms
    shares = one["probabilities"]
    best = sorted(shares, key=shares.__getitem__, reverse=True)[:2]
    assert [each["label"] for each in ranked[0]] == best
    assert instances["predictions"] == many["predictions"]
    expect(page.locator("#POST-predict dd").first).to_contain_text('"predicted_label": "Science"')


def test_the_screenshot_for_the_documentation_can_be_taken(page: Page) -> None:
    # GIVEN headlines WHEN they are classified THEN a picture of the page is written
    page.set_viewport_size({"width": 1100, "height": 850})
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


def test_what_a_model_with_thresholds_does_not_know_is_marked_and_can_be_listed(
    page: Page,
) -> None:
    # GIVEN the answers of a model with thresholds: two abstentions, and a low confidence above one
    shares = {"Business": 0.55, "Science": 0.45}
    known = {"predicted_label": "Business", "confidence": 0.55, "truncated": False}
    known |= {"probabilities": shares, "abstained": False}
    unknown = known | {"abstained": True, "abstention_reason": "out_of_scope"}
    unsure = known | {"abstained": True, "abstention_reason": "low_confidence"}
    answer = {"predictions": [known, unknown, unsure], "model_version": "0123456789abcdef"}
    page.route("**/predict", lambda route: route.fulfill(json=answer))
    # WHEN texts are classified
    classify(page, "Stocks fall", "They won the cup", "Shares of Mars")
    # THEN the page says which labels not to act on, and why
    notes = page.locator("#list .note.doubt")
    expect(notes).to_have_count(2)
    expect(notes.nth(0)).to_contain_text("unlike those that the model knows")
    expect(notes.nth(1)).to_contain_text("the confidence is too low, 55.0%")
    # AND these can be shown alone
    page.get_by_role("button", name="Abstained 2").click()
    expect(page.locator("#list li")).to_have_count(2)
    # AND the table has their columns
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_text("utf-8-sig"))))
    assert [row["abstained"] for row in rows] == ["true", "true"]
    assert [row["abstention_reason"] for row in rows] == ["out_of_scope", "low_confidence"]


def test_several_labels_of_a_text_are_all_shown(
    browser: Browser, multi_label_model: TinyModel
) -> None:
    # GIVEN a model that may give a text several labels
    command = [*TEXTCLF, "serve", "--bundle", str(multi_label_model.bundle), "--port", "0"]
    context = browser.new_context()
    with serving(os.environ, command) as (url, _):
        page = context.new_page()
        page.goto(url)
        expect(page.locator("#facts")).to_contain_text("exactly the right labels")
        # WHEN a text with two of them is classified, and one with another
        classify(page, KETTLE, "I was charged twice on the same invoice.")
        # THEN its heading and its bars show both, without a doubt about the lead of the first
        first = page.locator("#list li").first
        expect(first.get_by_role("heading")).to_have_text(
            re.compile("Defect, Return|Return, Defect")
        )
        expect(first.locator("dl > .top")).to_have_count(2)
        expect(page.locator(".doubt")).to_have_count(0)
        # AND it can be found by either label
        page.get_by_role("button", name="Return 1").click()
        expect(page.locator("#list .text")).to_have_text([KETTLE])
        # AND the table has a column with all labels
        with page.expect_download() as download:
            page.get_by_role("button", name="Download CSV").click()
        table = download.value.path().read_text(encoding="utf-8-sig")
        (row,) = csv.DictReader(io.StringIO(table))
        assert set(row["predicted_labels"].split(";")) == {"Defect", "Return"}
    context.close()
