"""The same answers on every CPU that Lambda may run on."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conftest import HEADLINES, ROOT, SAMPLE_MODEL
from training import tasks
from training.data.read import read

TEXTS = 30
ANSWER = """
import json, sys
from pathlib import Path
from inference.model.bundle import read_verified
from inference.model.classifier import Classifier
predictions = Classifier.load(read_verified(Path(sys.argv[1]))).predict(json.load(sys.stdin))
print(json.dumps([list(one.probabilities.values()) for one in predictions]))
"""


def classify(texts: list[str], *emulator: str) -> NDArray[np.float64]:
    """Return the shipped model's probabilities, from this CPU or from an emulated one."""
    done = subprocess.run(
        [*emulator, sys.executable, "-c", ANSWER, str(SAMPLE_MODEL)],
        input=json.dumps(texts),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return np.array(json.loads(done.stdout))


@pytest.mark.usefixtures("outside")
def test_a_cpu_without_vnni_gives_the_same_answers() -> None:
    # GIVEN an emulated Haswell, which has AVX2 but neither AVX-512 nor VNNI
    emulator = shutil.which("qemu-x86_64")
    if emulator is None:
        pytest.skip("qemu-x86_64 is not installed")
    texts = [row.text for row in read(str(HEADLINES), tasks.NEWS).examples[:TEXTS]]
    # WHEN it and this CPU classify the same headlines
    here, there = classify(texts), classify(texts, emulator, "-cpu", "Haswell")
    # THEN no sum of integers saturates, which would move nearly every answer: only the last bits of
    # floats may differ, and now and then one of these becomes the neighbouring 8-bit value
    differences = np.abs(here - there).max(axis=1)
    assert (differences < 1e-5).mean() >= 0.9
    assert differences.max() < 0.05
    assert (here.argmax(axis=1) == there.argmax(axis=1)).all()
