"""Parse S3 URIs. Nothing else in the project takes them apart."""

from typing import NamedTuple, Self

from inference.errors import TextClassifierError

SCHEME = "s3://"


class S3UriError(TextClassifierError):
    """The text is not an S3 URI of the required form."""


class S3Uri(NamedTuple):
    """A bucket, and a key or prefix in it, which may be empty."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, uri: str) -> Self:
        """Parse ``s3://BUCKET/KEY``, ignoring slashes at the end.

        Raises:
            S3UriError: The text has another form.
        """
        bucket, _, key = uri.removeprefix(SCHEME).rstrip("/").partition("/")
        if not uri.startswith(SCHEME) or not bucket:
            raise S3UriError(f"{uri!r} is not an S3 URI: give s3://BUCKET/KEY")
        return cls(bucket, key)

    @classmethod
    def parse_object(cls, uri: str) -> Self:
        """Parse the URI of a single object.

        Raises:
            S3UriError: The text has another form, names only a bucket or ends in a slash.
        """
        parsed = cls.parse(uri)
        if not parsed.key or uri.endswith("/"):
            raise S3UriError(f"{uri!r} names no object: give s3://BUCKET/KEY")
        return parsed

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.rpartition("/")[2]

    def __truediv__(self, name: str) -> "S3Uri":
        """Return the URI of ``name`` under this prefix."""
        return S3Uri(self.bucket, f"{self.key}/{name}" if self.key else name)

    def __str__(self) -> str:
        """Return ``s3://BUCKET/KEY``."""
        return f"{SCHEME}{self.bucket}/{self.key}".rstrip("/")
