"""What all tests share: a model trained in seconds, a local S3, the real data where it is."""

import os

os.environ |= {
    "HF_HUB_OFFLINE": "1",
    # Threads that wait for each other stall for seconds where anything else uses a core.
    "OMP_NUM_THREADS": "1",
    "TQDM_DISABLE": "1",
}

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest
import torch
from mypy_boto3_s3 import S3Client
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import DistilBertConfig, DistilBertForSequenceClassification

from inference.local.s3 import local_s3
from training import tasks
from training.data.read import read
from training.evaluate import evaluation as evaluate
from training.export import bundle as export
from training.fit import distilbert, train

ROOT = Path(__file__).parents[1]
SAMPLE_DATA = ROOT / "data"
HEADLINES = SAMPLE_DATA / "headlines.csv"
REVIEWS = SAMPLE_DATA / "reviews.csv"
SAMPLE_MODEL = SAMPLE_DATA / "sample-model"
# How the tiny model is trained, wherever that is.
TRAINING = ["--epochs", "25", "--learning-rate", "2e-3", "--batch-size", "16", "--averaging", "0.9"]
TRAINING += ["--precision", "fp32", "--evaluations", "1", "--patience", "15"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def tiny_tokenizer(texts: list[str]) -> Tokenizer:
    """Wordpieces: every character, and every word seen twice.

    In sorted order: a trained vocabulary differs from run to run, and so would the tiny model.
    """
    normalizer = normalizers.BertNormalizer(lowercase=True)
    splitter = pre_tokenizers.BertPreTokenizer()
    words = Counter(
        word
        for text in texts
        for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text))
    )
    characters = sorted({character for word in words for character in word})
    frequent = sorted(word for word, count in words.items() if count > 1 and len(word) > 1)
    pieces = [*SPECIAL, *characters, *(f"##{c}" for c in characters), *frequent]
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = splitter
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.enable_truncation(64)
    return tokenizer


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DistilBERT of random weights that has read nothing but the sample headlines' words."""
    texts = [row.text for row in read(str(HEADLINES), tasks.NEWS).examples]
    tokenizer = tiny_tokenizer(texts)
    config = DistilBertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        dim=128,
        hidden_dim=256,
        n_layers=1,  # shallow and wide: int8 moves no probability by more than 0.01
        n_heads=4,
        max_position_embeddings=64,
    )
    folder = tmp_path_factory.mktemp("base")
    torch.manual_seed(0)
    distilbert.save(DistilBertForSequenceClassification(config), tokenizer, folder)
    return folder


@dataclass(frozen=True)
class TinyModel:
    folder: Path
    bundle: Path


@pytest.fixture(scope="session")
def tiny_model(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> TinyModel:
    """The sample headlines trained, evaluated and exported by the project's own commands."""
    folder = tmp_path_factory.mktemp("tiny")
    options = ["--data", str(HEADLINES), "--base-model", str(tiny_base), "--output", str(folder)]
    assert train.main([*options, *TRAINING]) == 0
    assert evaluate.main([str(folder)]) == 0
    assert export.main([str(folder)]) == 0
    return TinyModel(folder, folder / "bundle")


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The URL of an S3 on this machine."""
    with local_s3() as url:
        yield url


@pytest.fixture
def s3(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> S3Client:
    """A client of it; code under test that makes its own client reaches the same one."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return boto3.client("s3")


@pytest.fixture
def bucket(s3: S3Client, request: pytest.FixtureRequest) -> str:
    """An empty bucket of this test's own."""
    name = f"test-{abs(hash(request.node.nodeid)):x}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of the full data sets."""
    folder = Path(os.environ.get("REAL_DATA", ""))
    if not os.environ.get("REAL_DATA") or not folder.is_dir():
        pytest.skip("REAL_DATA names no folder with the full data sets (see data/README.md)")
    return folder
