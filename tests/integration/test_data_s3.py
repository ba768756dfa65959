import gzip

import pytest
from mypy_boto3_s3 import S3Client

from tests.conftest import HEADLINES
from training import tasks
from training.data.examples import DataError
from training.data.read import read


def test_rows_are_read_from_s3(s3: S3Client, bucket: str) -> None:
    # GIVEN the sample headlines, compressed, in a bucket
    body = gzip.compress(HEADLINES.read_bytes())
    s3.put_object(Bucket=bucket, Key="sets/headlines.csv.gz", Body=body)
    # WHEN they are read by their URI THEN they are the same
    dataset = read(f"s3://{bucket}/sets/headlines.csv.gz", tasks.NEWS)
    assert dataset == read(str(HEADLINES), tasks.NEWS)


def test_a_missing_object_is_an_error(s3: S3Client, bucket: str) -> None:
    with pytest.raises(DataError, match=f"cannot read s3://{bucket}/none.csv"):
        read(f"s3://{bucket}/none.csv", tasks.NEWS)
