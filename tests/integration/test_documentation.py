"""The documentation is true: commands exist, answers are the shipped model's, links resolve.

A shell block below `<!-- tested -->` is run, too, with a local S3. The commands of the page on
your own texts are run by `tests/e2e/test_own_texts.py`.
"""

import html
import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from cyclopts import App, CycloptsError
from samtranslator.yaml_helper import yaml_parse

from inference.api.answers import OneAnswer
from inference.model.bundle import read_verified
from inference.model.classifier import Classifier
from inference.runtime.settings import Settings
from operations.cost import ROWS_PER_SECOND, estimate_bulk_run
from tests.conftest import ROOT, SAMPLE_MODEL
from textclf.app import app, main

README = ROOT / "README.md"
DOCS = ROOT / "docs"
PAGES = [
    README,
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    ROOT / "data" / "README.md",
    SAMPLE_MODEL / "README.md",
    *sorted(DOCS.glob("*.md")),
]
# `--help` shows docstrings, and AWS's console the descriptions in the template.
HELP = [*sorted((ROOT / "textclf").glob("*.py")), ROOT / "template.yaml"]
MAKEFILE = (ROOT / "Makefile").read_text()
FOLDERS = (
    "authorizer|benchmarks|checks|data|docker|docs|inference|operations|tests|textclf|training"
)
FENCED = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
TESTED = re.compile(r"<!-- tested -->\n```sh\n(.*?)```", re.DOTALL)
SKETCHES = ("...", "…", "→", "COMMAND")  # stand for something that the reader fills in


def name_of(page: Path) -> str:
    """Return how a test names a page."""
    return str(page.relative_to(ROOT))


page = pytest.mark.parametrize("page", PAGES, ids=name_of)
page_or_help = pytest.mark.parametrize("page", PAGES + HELP, ids=name_of)


def shell_lines(text: str) -> list[str]:
    """Return the commands in the shell blocks of a page, one by one, with their variables set."""
    lines: list[str] = []
    for _, language, block in FENCED.findall(text):
        if language in ("sh", ""):
            joined = block.replace("\\\n", " ")
            for name, value in re.findall(r'^(\w+)="(.+)"$', joined, re.MULTILINE):
                joined = re.sub(rf"\${name}\b", value, joined)
            lines += (
                part.strip()
                for line in joined.splitlines()
                for part in re.split(r"\s\|(?:\s|$)", line)
            )
    return lines


def textclf_commands(text: str) -> Iterator[list[str]]:
    """Yield the arguments of each complete `textclf` command in the shell blocks of a page."""
    for line in shell_lines(text):
        words = shlex.split(line, comments=True)
        if "textclf" in words and not any(sketch in line for sketch in SKETCHES):
            yield words[words.index("textclf") + 1 :]


def mentioned_commands(text: str) -> Iterator[list[str]]:
    """Yield the arguments of each `textclf` command that is named in running text."""
    for mention in re.findall(r"`textclf\s+([^`]+)`", FENCED.sub("", text)):
        if not any(sketch in mention for sketch in SKETCHES):
            yield mention.split()


def options_of(arguments: list[str]) -> set[str]:
    """Return the options of the command that some arguments name."""
    options = {"--help", "--version", "--install-completion"}
    words = [word for word in arguments if not word.startswith("-")]
    if words:
        _, apps, _ = app.parse_commands(words)
        assert len(apps) > 1, f"there is no textclf {words[0]}"
        collection = apps[-1].assemble_argument_collection(default_parameter=app.default_parameter)
        options |= {name for argument in collection for name in argument.names}
    return options


def leaf_commands(parent: App, path: str) -> Iterator[str]:
    """Yield the full names of all commands that do something."""
    for name in parent:
        if not name.startswith("-"):
            child = parent[name]
            has_children = any(not each.startswith("-") for each in child)
            yield from (
                leaf_commands(child, f"{path} {name}") if has_children else [f"{path} {name}"]
            )


@page_or_help
def test_every_command_shown_is_accepted(page: Path) -> None:
    for arguments in textclf_commands(page.read_text()):
        if arguments[:1] in (["--help"], ["--install-completion"]):
            continue
        try:
            app.parse_args(arguments, exit_on_error=False, print_error=False)
        except CycloptsError as error:
            pytest.fail(f"textclf {shlex.join(arguments)}: {error}")


@page_or_help
def test_every_command_and_option_mentioned_exists(page: Path) -> None:
    text = page.read_text()
    for arguments in mentioned_commands(text):
        options = {word.partition("=")[0] for word in arguments if word.startswith("--")}
        assert options <= options_of(arguments), f"textclf {' '.join(arguments)}"


@page
def test_every_make_target_and_variable_shown_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    variables = set(re.findall(r"\$\((?:or |if )?([A-Z_]+)", MAKEFILE))
    text = page.read_text()
    mentions = re.findall(r"`(make [^`]+)`", FENCED.sub("", text))
    for command in [line for line in shell_lines(text) if line.startswith("make ")] + mentions:
        words = shlex.split(command, comments=True)
        assert words[1] in targets, command
        names = {word.partition("=")[0] for word in words[2:] if "=" in word}
        # A variable such as PARAMETERS_eu-west-1 is for one of the REGIONS.
        assert {re.sub(r"_[a-z0-9-]+$", "_", name) for name in names} <= variables, command


@page
def test_every_file_mentioned_exists(page: Path) -> None:
    for path in re.findall(rf"`((?:{FOLDERS})/[\w./-]*)`", FENCED.sub("", page.read_text())):
        assert (ROOT / path).exists(), path


@page
def test_every_module_and_option_of_a_benchmark_shown_exists(page: Path) -> None:
    for module, rest in re.findall(r"python -m (benchmarks\.\w+)([^`\n]*)", page.read_text()):
        specification = importlib.util.find_spec(module)
        assert specification, module
        source = Path(str(specification.origin)).read_text()
        assert all(option in source for option in re.findall(r"--[a-z-]+", rest))


@page
def test_every_answer_shown_is_the_shipped_models(page: Path) -> None:
    # GIVEN the request in the README, and what the shipped model answers
    bundle = read_verified(SAMPLE_MODEL)
    request = json.loads(re.findall(r"-d '(.*)'", README.read_text())[0])
    classifier = Classifier.load(bundle)
    prediction = classifier.predict([request["inputs"]])[0]
    (explanation,) = classifier.explain([request["inputs"]], [prediction])
    # WHEN a page shows an answer of that model
    answers = [
        msgspec.json.decode(block, type=OneAnswer)
        for _, language, block in FENCED.findall(page.read_text())
        if language == "json"
    ]
    for answer in answers:
        if page.name == "reviews.md":  # of a model that does not ship
            continue
        # THEN it is the same, except for what int8 differs by from one kind of CPU to the next
        assert answer.model_version == bundle.version
        assert answer.predicted_label == prediction.label
        abstained = msgspec.UNSET if prediction.abstained is None else prediction.abstained
        assert answer.abstained == abstained
        assert answer.probabilities == pytest.approx(prediction.probabilities, abs=0.02)
        for (shown_word, share), (word, contribution) in zip(
            answer.explanation or explanation, explanation, strict=True
        ):
            assert shown_word == word
            assert share == pytest.approx(contribution, abs=0.02)


@pytest.mark.parametrize(
    ("page", "models"),
    [
        (README, ["int8", "baseline"]),
        (SAMPLE_MODEL / "README.md", ["int8", "baseline"]),
        (DOCS / "model-card.md", ["int8", "fp32", "baseline"]),
    ],
    ids=lambda value: value.name if isinstance(value, Path) else None,
)
def test_the_accuracies_shown_are_the_manifests(page: Path, models: list[str]) -> None:
    metrics = read_verified(SAMPLE_MODEL).manifest.metrics
    for model in models:
        assert f"{100 * metrics[model]['accuracy']:.2f} %" in page.read_text()


def test_the_costs_shown_are_what_the_command_estimates(capsys: pytest.CaptureFixture[str]) -> None:
    # GIVEN what the command prints
    assert main(["cost"]) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    # THEN the page has each row, and the speed that those on bulk runs follow from
    text = (DOCS / "limits-and-costs.md").read_text()
    assert len(rows) > 30
    assert [row for row in rows if row not in text] == []
    assert f"A bulk run classifies {ROWS_PER_SECOND} headlines a second" in text
    # ... and another page the largest run
    seconds, usd = estimate_bulk_run(10**9, 1000)
    assert 1700 < seconds < 1900, "half an hour"
    assert f"half an hour and {usd:.0f} USD" in (DOCS / "score-files.md").read_text()


@page
def test_every_link_within_the_repository_resolves(page: Path) -> None:
    text = FENCED.sub("", page.read_text())
    inline = re.findall(r"\]\(([^)\s]+)\)", text)
    references = re.findall(r"^\[[^]]+\]: (\S+)$", text, re.MULTILINE)
    for link in inline + references:
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text()), link


@page
def test_every_table_has_a_header(page: Path) -> None:
    """Rows after an empty line are shown as text."""
    text = FENCED.sub("", page.read_text())
    for table in re.findall(r"^\|.*(?:\n\|.*)*", text, re.MULTILINE):
        assert re.match(r".*\n\|[ :|-]+\|(\n|$)", table), table


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and the site make them."""
    for line in re.findall(r'^--8<-- "([^":]+)', text, re.MULTILINE):
        text += (ROOT / line).read_text()
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_the_readme_is_short() -> None:
    assert len(README.read_text().splitlines()) <= 200


def test_the_command_line_page_lists_every_command() -> None:
    listed = re.findall(r"^\| `(textclf [^`]+)` \|", (DOCS / "command-line.md").read_text(), re.M)
    assert sorted(listed) == sorted(leaf_commands(app, "textclf"))


def settings_table(heading: str) -> dict[str, str]:
    """Return the defaults in the tables of a section of the settings page, by name."""
    section = (DOCS / "settings.md").read_text().partition(f"\n## {heading}\n")[2].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", section, re.MULTILINE)
    return {name: default.strip("`") for name, default in rows}


def test_the_settings_page_lists_every_environment_variable_and_its_default() -> None:
    defaults = {
        field.name.upper(): "required" if field.required else shown(field.default)
        for field in msgspec.structs.fields(Settings)
    }
    assert settings_table("The function's environment variables") == defaults


def shown(default: object) -> str:
    """Return a default as the page shows it."""
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:g}" if isinstance(default, float) else str(default) or "none"


def test_the_settings_page_lists_every_stack_parameter_and_its_default() -> None:
    parameters = yaml_parse((ROOT / "template.yaml").read_text())["Parameters"]
    defaults = {name: str(one.get("Default", "required")) for name, one in parameters.items()}
    listed = settings_table("Stack parameters")
    assert listed.keys() == defaults.keys()
    for name, default in defaults.items():
        assert listed[name] == default or (not default and listed[name] in ("none", "AWS's keys"))


def blocks_to_run() -> list[object]:
    """Return the blocks to run, with the names of their pages."""
    return [
        pytest.param(block, id=f"{page.stem}-{number}")
        for page in PAGES
        for number, block in enumerate(TESTED.findall(page.read_text()))
    ]


@pytest.mark.parametrize("block", blocks_to_run())
@pytest.mark.usefixtures("s3")
def test_a_block_that_is_marked_runs(block: str, tmp_path: Path) -> None:
    # GIVEN the data, the virtual environment and a local S3, in a folder to write to
    for name, target in (("data", ROOT / "data"), (".venv", Path(sys.prefix))):
        (tmp_path / name).symlink_to(target)
    environment = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    # WHEN the block is run as it is shown THEN it succeeds, and prints something
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=tmp_path,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout or done.stderr


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documentation as a site, built without a warning."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_no_page_of_the_site_loads_anything_from_other_hosts(site: Path) -> None:
    for built in site.rglob("*.html"):
        loaded = re.findall(r'<(?:script|img|iframe)[^>]* src="?(http[^">\s]+)', built.read_text())
        loaded += re.findall(
            r'<link[^>]* rel="?stylesheet"?[^>]* href="?(http[^">\s]+)', built.read_text()
        )
        assert not loaded, built.name


def test_the_site_shows_the_docstring_of_each_command(site: Path) -> None:
    shown = html.unescape(re.sub("<[^>]+>", "", (site / "command-line.html").read_text()))
    assert "printf 'Fed holds rates" in shown  # an example
    for command in leaf_commands(app, "textclf"):
        _, apps, _ = app.parse_commands(command.split()[1:])
        first_line = (apps[-1].default_command.__doc__ or "").splitlines()[0]
        assert first_line.replace("`", "") in shown, command


def test_the_site_lists_no_option_that_the_command_line_refuses(site: Path) -> None:
    shown = (site / "command-line.html").read_text()
    assert not re.findall(r"--(?:no|empty)-(?!header)[a-z-]+", shown)
    assert main(["publish", "bundle", "s3://models", "--no-create-bucket"]) == 2
