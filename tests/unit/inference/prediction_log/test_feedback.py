from datetime import UTC, datetime

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from inference.prediction_log.feedback import MissingIndexError, read_feedback

NOW = datetime(2026, 11, 27, tzinfo=UTC)
# As DynamoDB words them: both name the index.
MISSING = "The table does not have the specified index: by-day-of-feedback"
DENIED = (
    "User: arn:aws:iam::123456789012:user/me is not authorized to perform: dynamodb:Query on "
    "resource: arn:aws:dynamodb:us-east-1:123456789012:table/t/index/by-day-of-feedback"
)


@pytest.mark.parametrize(
    ("code", "message", "error"),
    [
        ("ValidationException", MISSING, MissingIndexError),
        ("AccessDeniedException", DENIED, ClientError),
    ],
)
def test_only_a_missing_index_is_taken_for_one(
    code: str, message: str, error: type[Exception]
) -> None:
    # GIVEN a table that refuses to be queried
    client = boto3.client(
        "dynamodb", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    with Stubber(client) as stub:
        stub.add_client_error("query", code, message)
        # WHEN feedback is read THEN the error is that of its cause
        with pytest.raises(error):
            list(read_feedback(client, "t", NOW, NOW))
