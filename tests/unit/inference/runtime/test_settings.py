from pathlib import Path

import pytest

from inference.runtime.settings import SettingsError, find_model_cache, read_settings

URI = "s3://models/news/0123456789abcdef"


def test_only_the_model_uri_must_be_set() -> None:
    settings = read_settings({"MODEL_URI": URI})
    assert settings.model_cache == Path("/tmp/models")
    assert settings.max_texts == 128
    assert settings.metrics_namespace == "TextClassifier"
    assert settings.prediction_table == ""
    assert settings.prediction_ttl_days == 30
    assert settings.prediction_timeout_ms == 200
    assert settings.log_text is False


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "MODEL_URI is not set"),
        ({"MODEL_URI": "models/news"}, "MODEL_URI is 'models/news'"),
        ({"MODEL_URI": URI, "MAX_TEXTS": "many"}, "MAX_TEXTS is 'many': Expected a whole number$"),
        ({"MODEL_URI": URI, "MAX_TEXTS": " 5 "}, "MAX_TEXTS is ' 5 ': Expected a whole number$"),
        ({"MODEL_URI": URI, "MAX_TEXTS": "0"}, "MAX_TEXTS is '0': Expected a whole number >= 1$"),
        (
            {"MODEL_URI": URI, "MODEL_TIMEOUT_SECONDS": "-1"},
            "MODEL_TIMEOUT_SECONDS is '-1': Expected a number > 0.0$",
        ),
        (
            {"MODEL_URI": URI, "MODEL_TIMEOUT_SECONDS": "nan"},
            "MODEL_TIMEOUT_SECONDS is 'nan': Expected a number > 0.0$",
        ),
        ({"MODEL_URI": URI, "METRICS_NAMESPACE": ""}, "METRICS_NAMESPACE is ''"),
        ({"MODEL_URI": URI, "PREDICTION_TABLE": "a table"}, "PREDICTION_TABLE is 'a table'"),
        ({"MODEL_URI": URI, "PREDICTION_TTL_DAYS": "0"}, "PREDICTION_TTL_DAYS is '0'"),
        ({"MODEL_URI": URI, "PREDICTION_TIMEOUT_MS": "0"}, "PREDICTION_TIMEOUT_MS is '0'"),
        (
            {"MODEL_URI": URI, "LOG_TEXT": "perhaps"},
            "LOG_TEXT is 'perhaps': .* true or false$",
        ),
    ],
)
def test_a_wrong_variable_is_named(environment: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read_settings(environment)


def test_commands_keep_models_where_no_other_user_can_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a user's home WHEN nothing else is set THEN models are kept there
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("MODEL_CACHE", raising=False)
    assert find_model_cache() == tmp_path / ".cache" / "text-classifier" / "models"
    # AND in the folder that the desktop's convention names
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cached"))
    assert find_model_cache() == tmp_path / "cached" / "text-classifier" / "models"
    # AND in MODEL_CACHE before all others
    monkeypatch.setenv("MODEL_CACHE", str(tmp_path / "models"))
    assert find_model_cache() == tmp_path / "models"


def test_a_user_without_a_home_keeps_models_where_the_function_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # GIVEN a user without a home, as in some containers
    def has_none() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("MODEL_CACHE", raising=False)
    monkeypatch.setattr(Path, "home", has_none)
    # WHEN the place of models is asked for THEN it is the one that can always be written to
    assert find_model_cache() == Path("/tmp/models")
