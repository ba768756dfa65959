"""What holds of every text and every body, checked on those that hypothesis thinks of."""

import base64
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inference.bundle import read_verified
from inference.classifier import Classifier
from tests.conftest import TinyModel

# Any character but half a surrogate pair, which no UTF-8 can carry.
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200)
bounded = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
