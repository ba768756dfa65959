import pytest

from inference.s3_uri import S3Uri, S3UriError


@pytest.mark.parametrize(
    ("uri", "bucket", "key"),
    [
        ("s3://models/news/v1/manifest.json", "models", "news/v1/manifest.json"),
        ("s3://models/news/", "models", "news"),
        ("s3://models/news//", "models", "news"),
        ("s3://models", "models", ""),
        ("s3://models/", "models", ""),
        ("s3://models/a b+ü.csv", "models", "a b+ü.csv"),
    ],
)
def test_a_uri_is_split_into_bucket_and_key(uri: str, bucket: str, key: str) -> None:
    assert S3Uri.parse(uri) == (bucket, key)


@pytest.mark.parametrize(
    "uri", ["models/news", "s3://", "s3:///news", "https://models/news", "S3://models", ""]
)
def test_a_text_of_another_form_is_refused(uri: str) -> None:
    with pytest.raises(S3UriError, match="is not an S3 URI: give s3://BUCKET/KEY"):
        S3Uri.parse(uri)


def test_the_uri_of_an_object_has_a_key() -> None:
    assert S3Uri.parse_object("s3://files/in/rows.csv") == ("files", "in/rows.csv")


@pytest.mark.parametrize("uri", ["s3://files", "s3://files/", "s3://files/in/"])
def test_a_bucket_or_a_folder_is_not_an_object(uri: str) -> None:
    with pytest.raises(S3UriError, match="names no object"):
        S3Uri.parse_object(uri)


@pytest.mark.parametrize("prefix", ["s3://models", "s3://models/news", "s3://models/news/"])
def test_a_name_is_appended_to_a_prefix(prefix: str) -> None:
    joined = S3Uri.parse(prefix) / "v1" / "model.onnx"
    assert str(joined) == f"{prefix.rstrip('/')}/v1/model.onnx"


@pytest.mark.parametrize(
    ("uri", "name"), [("s3://models/news/v1", "v1"), ("s3://models/v1/", "v1"), ("s3://models", "")]
)
def test_the_name_is_the_last_part_of_the_key(uri: str, name: str) -> None:
    assert S3Uri.parse(uri).name == name


def test_a_uri_reads_back_as_written() -> None:
    assert str(S3Uri.parse("s3://models/news/v1")) == "s3://models/news/v1"
    assert str(S3Uri.parse("s3://models")) == "s3://models"
