from pathlib import Path

import pytest

from inference.settings import SettingsError, read_settings

URI = "s3://models/news/0123456789abcdef"


def test_the_model_uri_is_all_that_must_be_set() -> None:
    settings = read_settings({"MODEL_URI": URI})
    assert settings.model_cache == Path("/tmp/models")
    assert settings.max_texts == 128


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "MODEL_URI is not set"),
        ({"MODEL_URI": "models/news"}, "MODEL_URI is 'models/news'"),
        ({"MODEL_URI": URI, "MAX_TEXTS": "many"}, "MAX_TEXTS is 'many'"),
        ({"MODEL_URI": URI, "MAX_TEXTS": "0"}, "MAX_TEXTS is '0'"),
        ({"MODEL_URI": URI, "MODEL_TIMEOUT_SECONDS": "-1"}, "MODEL_TIMEOUT_SECONDS is '-1'"),
    ],
)
def test_a_wrong_variable_is_named(environment: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read_settings(environment)
