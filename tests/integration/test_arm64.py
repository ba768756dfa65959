"""The arm64 image's Python, packages and handler, on an emulated Graviton2."""

import json
import re
from typing import Any

import pytest

from benchmarks.arm64 import GRAVITON2, SAME, Answers, Workload, count_equal
from benchmarks.arm64_image import GLIBC, GLIBCXX, Arm64Image, UnavailableError

pytestmark = pytest.mark.timeout(900)  # downloads 60 MB the first time, and is slow next to others

HEADLINES = 60  # each takes an eighth of a second to emulate


@pytest.fixture(scope="module")
def image(outside: None) -> Arm64Image:
    try:
        return Arm64Image.install()
    except UnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def here() -> Answers:
    """What this machine answers."""
    return Workload.read(HEADLINES).answer_here()


@pytest.fixture(scope="module")
def there(image: Arm64Image) -> Answers:
    """What the image answers where, as in Lambda, ``/sys`` does not tell of the processors."""
    return Workload.read(HEADLINES).answer_in(image, cpu=GRAVITON2, hide_cpus=True)


def describe(answer: Any) -> tuple[Any, list[str]]:
    """Return the status and the labels of an answer, whichever form its door has."""
    labels = re.findall(r'"(?:predicted_label|label)\\*": ?\\*"(\w+)', json.dumps(answer))
    return answer.get("statusCode"), labels


def test_the_base_image_has_the_symbols_that_the_packages_need(image: Arm64Image) -> None:
    # GIVEN the packages of the image WHEN their libraries are searched THEN what they need of the C
    # and C++ libraries is in those of Amazon Linux 2023, which are older than the ones used here
    assert 0 < max(image.find_symbol_versions("GLIBC_2.")) <= GLIBC
    assert 0 < max(image.find_symbol_versions("GLIBCXX_3.4.")) <= GLIBCXX


def test_sample_events_get_the_same_answers_on_arm64(here: Answers, there: Answers) -> None:
    # GIVEN an event of each door but the queue's WHEN both processors answer
    # THEN status and labels are the same
    assert list(map(describe, there.events)) == list(map(describe, here.events))
    assert sum(len(describe(answer)[1]) for answer in here.events) >= len(here.events) - 4


def test_headlines_get_the_same_labels_on_arm64(here: Answers, there: Answers) -> None:
    # GIVEN the sample headlines WHEN both processors classify them
    differences = here.differences(there)
    # THEN each gets the same label
    assert count_equal(here.labels, there.labels) == len(differences) == HEADLINES
    # AND most probabilities are the same; a few values fall on the other side of a rounding step
    assert sum(one < SAME for one in differences) >= 0.8 * HEADLINES
    assert max(differences) < 0.1
