"""Tiny encoders of other kinds than DistilBERT."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def mpnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MPNet with random weights."""
    from tests.tiny_encoders import write_mpnet

    return write_mpnet(tmp_path_factory.mktemp("mpnet"))


@pytest.fixture(scope="session")
def roberta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A RoBERTa with random weights and a tokenizer of bytes."""
    from tests.tiny_encoders import write_roberta

    return write_roberta(tmp_path_factory.mktemp("roberta"))


@pytest.fixture(scope="session")
def modernbert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ModernBERT with random weights and a tokenizer of bytes."""
    from tests.tiny_encoders import write_modernbert

    return write_modernbert(tmp_path_factory.mktemp("modernbert"))
