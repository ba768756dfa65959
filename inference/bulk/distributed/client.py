"""Start a bulk run on a stack, follow it and read its totals.

A run is named by everything its result depends on, so the same command never scores twice: when
repeated, it follows the run, resumes a failed one, scores the ranges that failed in a finished one,
or reads the totals of one without any.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from inference.bulk.distributed import execution
from inference.bulk.distributed.manifest import Entry, Totals
from inference.bulk.distributed.run import BulkRun, Source
from inference.bulk.distributed.sources import list_sources, parse_prefix
from inference.bulk.request import BulkError, ScoringRequest
from inference.errors import InterruptedRunError
from inference.s3_uri import S3Uri
from inference.tables.reader import RULES_VERSION

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_stepfunctions import SFNClient


@dataclass(frozen=True)
class StartedRun:
    """A bulk run and its execution."""

    run: BulkRun
    files: int
    execution: str  # its ARN

    @property
    def manifest_uri(self) -> S3Uri:
        """Where the manifest is once the run has ended."""
        return S3Uri(self.run.bucket, self.run.manifest_key)


@dataclass(frozen=True)
class BulkClient:
    """Runs a stack's state machine on files in the stack's bucket."""

    s3: "S3Client"
    stepfunctions: "SFNClient"
    state_machine: str  # its ARN
    bucket: str

    def start(self, request: ScoringRequest) -> StartedRun:
        """Start the run of a request, or find it if it was started before.

        Raises:
            BulkError: the input or output cannot be used, or the run cannot be resumed.
        """
        sources = list_sources(self.s3, self.bucket, request.input)
        run = make_run(self.bucket, sources, request)
        write_sources(self.s3, run, sources)
        arn = execution.start(
            self.stepfunctions,
            self.state_machine,
            run,
            lambda: not self._read_manifest(run)["failed"],
        )
        return StartedRun(run, len(sources), arn)

    def follow(self, started: StartedRun) -> tuple[Totals, list[Entry]]:
        """Show the progress of a run until it ends; return its totals and the failed ranges.

        Raises:
            BulkError: the run failed; the message says why.
            InterruptedRunError: the user pressed Ctrl-C, which does not stop the run.
        """
        try:
            execution.follow(self.stepfunctions, started.execution)
        except KeyboardInterrupt:
            raise InterruptedRunError(
                "interrupted: the run itself goes on; repeat the command to follow it again"
            ) from None
        manifest = self._read_manifest(started.run)
        return Totals.parse(manifest["totals"]), manifest["failed"]

    def _read_manifest(self, run: BulkRun) -> dict[str, Any]:
        answer = self.s3.get_object(Bucket=self.bucket, Key=run.manifest_key)
        manifest: dict[str, Any] = json.loads(answer["Body"].read())
        return manifest


def make_run(bucket: str, sources: Sequence[Source], request: ScoringRequest) -> BulkRun:
    """Name the run of a request on these sources.

    Raises:
        BulkError: the output is in another bucket or among the input.
    """
    output = parse_prefix(request.output, bucket)
    if any(source.key.startswith(f"{output}/") for source in sources):
        raise BulkError("--output would be among the input: choose another prefix")
    columns = request.columns
    settings = (bucket, output, request.model_uri, columns.text, columns.keep)
    reading = (asdict(request.options), RULES_VERSION)
    listed = [source.to_json() for source in sources]
    content = json.dumps([settings, reading, listed])
    name = hashlib.sha256(content.encode()).hexdigest()[:32]
    return BulkRun(
        bucket=bucket,
        prefix=f"{output}/runs/{name}",
        output=output,
        model_uri=request.model_uri,
        text_column=columns.text,
        keep=columns.keep,
        options=request.options,
    )


def write_sources(s3: "S3Client", run: BulkRun, sources: Sequence[Source]) -> None:
    """Write the list that the state machine reads first."""
    lines = (json.dumps(source.to_json()) + "\n" for source in sources)
    s3.put_object(Bucket=run.bucket, Key=run.inputs_key, Body="".join(lines).encode())
