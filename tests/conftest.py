"""Shared by all tests: paths, a local S3, a model trained in seconds, the real data.

Nothing slow is imported here, so that the unit tests start at once; the fixtures import it.
"""

import os
import signal
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.outside import Outside

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

os.environ |= {
    "HF_HUB_OFFLINE": "1",
    # Threads that wait for each other stall for seconds when another process needs a core.
    "OMP_NUM_THREADS": "1",
    "TQDM_DISABLE": "1",
    # The processes that tests start warn of what they leave open and of what is deprecated, as
    # pytest itself does. Python's checks of each allocation are slow, and find errors in C.
    "PYTHONDEVMODE": "1",
    "PYTHONMALLOC": "pymalloc",
}

ROOT = Path(__file__).parents[1]
SAMPLE_DATA = ROOT / "data"
HEADLINES = SAMPLE_DATA / "headlines.csv"
REVIEWS = SAMPLE_DATA / "reviews.csv"
MESSAGES = SAMPLE_DATA / "messages.csv"
SAMPLE_MODEL = SAMPLE_DATA / "sample-model"
# Of the model that 0.1.0 shipped: later versions read it, and keep its version.
EARLIER_MANIFEST = ROOT / "tests" / "manifest-of-0.1.json"
# The options that train the tiny model, wherever it is trained.
TRAINING = ["--epochs", "25", "--learning-rate", "2e-3", "--batch-size", "16", "--averaging", "0.9"]
TRAINING += ["--precision", "fp32", "--evaluations", "1", "--patience", "15"]


@dataclass(frozen=True)
class TinyModel:
    folder: Path
    bundle: Path


OUTSIDE = pytest.StashKey[Outside]()


def pytest_configure(config: pytest.Config) -> None:
    """Hide what a bare machine lacks, and add the marks by which `.ci/run` chooses tests."""
    config.addinivalue_line("markers", "unit: in tests/unit")
    config.addinivalue_line("markers", "outside: asks for what a bare machine lacks")
    config.stash[OUTSIDE] = Outside()
    config.stash[OUTSIDE].hide()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave nothing behind."""
    config.stash[OUTSIDE].close()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark the unit tests, and those that ask for what a bare machine lacks."""
    if item.path.is_relative_to(ROOT / "tests" / "unit"):
        item.add_marker("unit")
    if "outside" in getattr(item, "fixturenames", ()):
        item.add_marker("outside")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Show what a bare machine lacks to the tests that ask for it, and to their fixtures."""
    if item.get_closest_marker("outside"):
        item.config.stash[OUTSIDE].show()
    try:
        return (yield)
    finally:
        item.config.stash[OUTSIDE].hide()


@pytest.fixture(scope="session")
def outside() -> None:
    """What a bare machine lacks, if this machine has it: see tests/outside.py."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the unit tests first, after pytest-randomly has shuffled.

    They block sockets in the whole process, and would break the servers that the other tests
    share until the end of the run.
    """
    items.sort(key=lambda item: not item.path.is_relative_to(ROOT / "tests" / "unit"))


@pytest.fixture(scope="session", autouse=True)
def _default_interrupts() -> Iterator[None]:
    """Let the processes that tests start react to SIGINT.

    A shell starts background jobs with SIGINT ignored, and their children inherit that.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny base model with random weights."""
    from tests.tiny_model import write_base_model

    folder = tmp_path_factory.mktemp("base")
    write_base_model(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_model(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> TinyModel:
    """A tiny model, trained on the sample headlines, evaluated and exported."""
    from tests.tiny_model import train_and_export

    folder = tmp_path_factory.mktemp("tiny")
    train_and_export(tiny_base, folder)
    return TinyModel(folder, folder / "bundle")


@pytest.fixture(scope="session")
def multi_label_model(tmp_path_factory: pytest.TempPathFactory) -> TinyModel:
    """A tiny model that may give a text several labels, evaluated and exported."""
    from tests.multi_label import train_and_export

    folder = tmp_path_factory.mktemp("several")
    train_and_export(folder)
    return TinyModel(folder / "model", folder / "model" / "bundle")


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The URL of a local S3."""
    from inference.local.s3 import local_s3

    with local_s3() as url:
        yield url


@pytest.fixture
def s3(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> "Iterator[S3Client]":
    """A client of the local S3; clients that the code under test makes reach the same one."""
    import boto3

    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with closing(boto3.client("s3")) as client:
        yield client


@pytest.fixture
def bucket(s3: "S3Client", request: pytest.FixtureRequest) -> str:
    """An empty bucket for this test alone."""
    name = f"test-{abs(hash(request.node.nodeid)):x}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture(scope="session")
def real_data(outside: None) -> Path:
    """The folder of the full data sets."""
    folder = Path(os.environ.get("REAL_DATA", ""))
    if not os.environ.get("REAL_DATA") or not folder.is_dir():
        pytest.skip("REAL_DATA is not set to the folder of the full data sets (see data/README.md)")
    return folder
