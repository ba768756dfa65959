"""The folders of this checkout that a local run uses."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
SAMPLE_MODEL = ROOT / "data" / "sample-model"
SAMPLE_REQUESTS = ROOT / "sample-requests"
BUILD = ROOT / "build" / "local"
