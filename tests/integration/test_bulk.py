"""Score files with the real command: its processes, a trained model, a kill."""

import csv
import gzip
import io
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from mypy_boto3_s3 import S3Client

from inference.bulk.chunks import CHUNK_ROWS
from inference.model.bundle import read_verified
from inference.model.classifier import Classifier
from tests.conftest import HEADLINES, ROOT, TinyModel
from textclf.app import main

TITLES = [line.split("\t")[1] for line in HEADLINES.read_text().splitlines()]
LONG = (TITLES * 41)[: 5 * CHUNK_ROWS]
COMMAND = (sys.executable, "-m", "textclf", "bulk")
needs_proc = pytest.mark.skipif(
    not Path("/proc/self/task").exists(), reason="child processes are listed in /proc"
)


@pytest.fixture
def model(tiny_model: TinyModel) -> list[str]:
    return ["--model-uri", tiny_model.bundle.as_uri()]


def bulk(*arguments: str) -> int:
    return main(["bulk", *arguments])


def dialect(path: Path) -> dict[str, Any]:
    if ".tsv" in path.name:
        return {"delimiter": "\t", "quoting": csv.QUOTE_NONE, "quotechar": None}
    return {}


def write(path: Path, titles: Sequence[str]) -> str:
    """Write a table of ids and titles in the format that the path ends in; return the path."""
    rows: list[dict[str, Any]] = [{"id": f"n{i}", "title": t} for i, t in enumerate(titles)]
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    elif ".jsonl" in path.name:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        file = io.StringIO()
        table = csv.DictWriter(file, ["id", "title"], **dialect(path))
        table.writeheader()
        table.writerows(rows)
        path.write_text(file.getvalue())
    return str(path)


def read(path: Path) -> list[dict[str, str]]:
    """Read the rows of an output, with every value as JSON writes it."""
    if path.suffix == ".parquet":
        rows = pyarrow.parquet.read_table(path).to_pylist()
    elif ".jsonl" in path.name:
        rows = [json.loads(line) for line in path.read_text().splitlines()]
    else:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        rows = list(csv.DictReader(io.StringIO(data.decode()), **dialect(path)))
    return [{k: v if isinstance(v, str) else json.dumps(v) for k, v in r.items()} for r in rows]


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("in.csv", "out.csv.gz"),
        ("in.tsv", "out.tsv"),
        ("in.jsonl", "out.jsonl"),
        ("in.parquet", "out.parquet"),
    ],
)
def test_every_row_gets_the_models_prediction_in_each_format(
    source: str, output: str, model: list[str], tiny_model: TinyModel, tmp_path: Path
) -> None:
    # GIVEN headlines in a file
    location = write(tmp_path / source, TITLES)
    # WHEN they are scored
    options = ["--text-column", "title", "--keep", "id", "--output", str(tmp_path / output)]
    assert bulk(location, *options, *model) == 0
    # THEN each row has the prediction of its text
    classifier = Classifier.load(read_verified(tiny_model.bundle))
    found = read(tmp_path / output)
    assert [row["id"] for row in found] == [f"n{i}" for i in range(len(TITLES))]
    predictions = classifier.predict(TITLES)
    assert [row["predicted_label"] for row in found] == [p.label for p in predictions]
    assert {row["model_version"] for row in found} == {classifier.version}
    for row, prediction in zip(found, predictions, strict=True):
        assert float(row["confidence"]) == pytest.approx(prediction.confidence, abs=1e-6)
        for label, probability in prediction.probabilities.items():
            assert float(row[f"probability_{label}"]) == pytest.approx(probability, abs=1e-6)


def test_a_file_without_header_and_quoting_is_read_by_position(
    model: list[str], tmp_path: Path
) -> None:
    # GIVEN a file like newsCorpora.csv: tabs, no header, quotes that are plain characters
    (tmp_path / "news.csv").write_text(HEADLINES.read_text().replace("'", '"'))
    # WHEN it is scored THEN every line is a row
    output = tmp_path / "out.jsonl"
    options = ["--format", "tsv", "--text-column", "1", "--keep", "0", "--output", str(output)]
    assert bulk(str(tmp_path / "news.csv"), *options, *model) == 0
    assert [row["0"] for row in read(output)] == [str(i + 1) for i in range(len(TITLES))]


def test_bad_rows_are_set_aside_and_the_rest_is_scored(
    model: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a file with a short and a blank row
    (tmp_path / "in.csv").write_text("id,text\n1,Fed holds rates\n2\n3,\n4,Mars probe lands\n")
    # WHEN it is scored
    output = tmp_path / "out.csv"
    assert bulk(str(tmp_path / "in.csv"), "--output", str(output), *model) == 0
    # THEN the others are there, and the rejects have their lines and reasons
    assert [row["line"] for row in read(output)] == ["2", "5"]
    assert (tmp_path / "out.csv.rejects.csv").read_text().splitlines() == [
        "line,reason,excerpt",
        "3,\"expected 2 columns separated by comma, found 1\",'2'",
        "4,the text is blank,",
    ]
    # ... and the command says how the file was read and what became of its rows
    lines = capsys.readouterr().err.splitlines()
    location = tmp_path / "in.csv"
    assert lines[:5] == [
        f"{location}: read as csv, delimiter comma, quoting standard, encoding utf-8, "
        "header in line 1",
        f"{location}: 4 rows = 2 scored + 2 rejected",
        "  line 3: expected 2 columns separated by comma, found 1: '2'",
        "  line 4: the text is blank",
        f"  all of them are in {output}.rejects.csv",
    ]


def test_a_column_that_no_row_has_is_an_error(
    model: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN JSON lines without the default column
    location = write(tmp_path / "in.jsonl", TITLES[:3])
    options = [location, "--output", str(tmp_path / "out.csv"), *model]
    # WHEN they are scored THEN that is an error
    assert bulk(*options) == 1
    assert "all 3 rows were rejected" in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()
    # ... which does not stop another run with the right column
    assert bulk(*options, "--text-column", "title") == 0
    assert len(read(tmp_path / "out.csv")) == 3


@pytest.mark.parametrize("output", ["out.jsonl.gz", "out.parquet"])
def test_a_killed_run_resumes_and_gives_the_same_bytes(
    output: str, model: list[str], tmp_path: Path
) -> None:
    # GIVEN a file of five chunks, scored without interruption
    location = write(tmp_path / "in.csv", LONG)
    options = [location, "--text-column", "title", "--keep", "id", *model]
    assert bulk(*options, "--output", str(tmp_path / "whole" / output)) == 0
    # WHEN the same run is killed in the middle of a chunk and started again
    options += ["--output", str(tmp_path / output)]
    folder = tmp_path / f"{output}.partial"
    command = [*COMMAND, *options, "--workers", "1"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        wait_for_chunks(process, folder)
        process.kill()
    before = count_chunks(folder)
    with (folder / "data").open("ab") as data:
        data.write(b"half a row")
    assert not (tmp_path / output).exists()
    assert bulk(*options) == 0
    # THEN no row is missing or doubled: every byte is the same
    assert 0 < before < 5
    assert (tmp_path / output).read_bytes() == (tmp_path / "whole" / output).read_bytes()
    assert not folder.exists()


def count_chunks(folder: Path) -> int:
    """Return the number of chunks that a run has written."""
    progress = folder / "note.json"
    return int(json.loads(progress.read_text())["chunks"]) if progress.exists() else 0


def wait_for_chunks(run: "subprocess.Popen[bytes]", folder: Path) -> None:
    """Wait until a run has written its first chunk."""
    while not count_chunks(folder):
        assert run.poll() is None, "the run ended before it wrote a chunk"
        time.sleep(0.001)


def list_workers(process: int) -> set[int]:
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return {int(c) for c in children if b"spawn_main" in Path(f"/proc/{c}/cmdline").read_bytes()}


def is_alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@needs_proc
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 130)])
def test_a_run_that_is_stopped_leaves_no_process_behind(
    sent: signal.Signals, code: int, model: list[str], tmp_path: Path
) -> None:
    # GIVEN a run that is scoring
    location = write(tmp_path / "in.csv", LONG)
    options = [location, "--text-column", "title", "--output", str(tmp_path / "out.csv"), *model]
    with subprocess.Popen([*COMMAND, *options], cwd=ROOT, stderr=subprocess.PIPE) as process:
        wait_for_chunks(process, tmp_path / "out.csv.partial")
        workers = list_workers(process.pid)
        # WHEN it is stopped
        process.send_signal(sent)
        assert process.wait(30) == code
    # THEN its workers end too
    assert workers
    deadline = time.monotonic() + 30
    while any(is_alive(worker) for worker in workers):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_ctrl_c_says_how_to_resume(model: list[str], tmp_path: Path) -> None:
    # GIVEN a run that is scoring
    location = write(tmp_path / "in.csv", LONG)
    options = [location, "--text-column", "title", "--output", str(tmp_path / "out.csv"), *model]
    with subprocess.Popen([*COMMAND, *options], cwd=ROOT, stderr=subprocess.PIPE) as process:
        wait_for_chunks(process, tmp_path / "out.csv.partial")
        # WHEN the user presses Ctrl-C
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    # THEN the message says what to do, and there is no other after how the input is read
    assert process.returncode == 130
    read_as, *messages = error.decode().splitlines()
    assert read_as.startswith(f"{location}: read as csv")
    assert messages == ["error: interrupted: repeat the command to resume it"]


@needs_proc
def test_a_worker_that_dies_is_an_error_and_the_run_can_be_resumed(
    model: list[str], tmp_path: Path
) -> None:
    # GIVEN a run that is scoring
    location = write(tmp_path / "in.csv", LONG)
    options = [location, "--text-column", "title", "--output", str(tmp_path / "out.csv"), *model]
    options += ["--workers", "1"]
    with subprocess.Popen([*COMMAND, *options], cwd=ROOT, stderr=subprocess.PIPE) as process:
        wait_for_chunks(process, tmp_path / "out.csv.partial")
        # WHEN its worker is killed, as happens when memory runs out
        for worker in list_workers(process.pid):
            os.kill(worker, signal.SIGKILL)
        _, error = process.communicate(timeout=60)
    # THEN that is an error, and the same command resumes the run
    assert process.returncode == 1
    assert b"error: a worker process died" in error
    assert b"Traceback" not in error
    assert bulk(*options) == 0
    assert len(read(tmp_path / "out.csv")) == len(LONG)


def test_a_pipe_gets_json_lines_and_nothing_else(model: list[str]) -> None:
    # GIVEN headlines on stdin, one of them blank, and the progress bar on
    lines = "".join(json.dumps({"text": title}) + "\n" for title in [*TITLES[:20], " "])
    command = [*COMMAND, "-", "--format", "jsonl", "--output", "-", *model]
    environment = {**os.environ, "TQDM_DISABLE": "", "TQDM_DELAY": "0"}
    # WHEN they are scored
    done = subprocess.run(
        command, cwd=ROOT, env=environment, input=lines.encode(), capture_output=True, check=True
    )
    # THEN stdout has nothing but rows; progress, the reject and the summary are on stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["line"] for row in found] == list(range(1, 21))
    for shown in (b"rows/s", b"rejected: line 21: the text is blank", b"20 rows by model"):
        assert shown in done.stderr


def test_a_run_ends_quietly_when_the_reader_of_its_pipe_does(
    model: list[str], tmp_path: Path
) -> None:
    location = write(tmp_path / "in.csv", LONG)
    command = [*COMMAND, location, "--text-column", "title", "--output", "-", *model]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline().startswith(b'{"line": 2')
        process.stdout.close()
        assert process.wait(60) == 1
        (line,) = process.stderr.read().decode().splitlines()
        assert line.startswith(f"{location}: read as csv")


def run_in_bash(command: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, **variables, "TEXTCLF": shlex.join(COMMAND)}
    return subprocess.run(
        ["bash", "-c", command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "source",
    [
        "<(cat $IN)",
        "<(gzip -c $IN)",
        "<(xz -c $IN)",
        "<(zip -q - $IN)",
        "<(cat $PARQUET)",
        "/dev/stdin < $IN",
        "- < $IN",
    ],
)
def test_pipes_and_redirections_work_as_in_any_program(
    source: str, model: list[str], tmp_path: Path
) -> None:
    # GIVEN a file
    location = write(tmp_path / "in.csv", TITLES[:20])
    write(tmp_path / "in.parquet", TITLES[:20])
    program = source.strip("<( ").split()[0]
    if source.startswith("<(") and not shutil.which(program):
        pytest.skip(f"needs {program}")
    # WHEN it comes through a pipe, and the output goes through one
    done = run_in_bash(
        f"$TEXTCLF {source} --output >(cat > $OUT) --text-column title --workers 1 $MODEL; "
        "code=$?; sleep 0.5; exit $code",
        IN=location,
        PARQUET=str(tmp_path / "in.parquet"),
        OUT=str(tmp_path / "out.jsonl"),
        MODEL=shlex.join(model),
    )
    # THEN every row is there
    assert done.returncode == 0, done.stderr
    assert len(read(tmp_path / "out.jsonl")) == 20
    assert "20 rows = 20 scored + 0 rejected" in done.stderr


def test_what_the_shell_appends_to_is_not_replaced(model: list[str], tmp_path: Path) -> None:
    # GIVEN a file with a line
    (tmp_path / "all.jsonl").write_text('{"line": 0}\n')
    # WHEN the shell appends the output to it, by the name of its descriptor
    done = run_in_bash(
        "$TEXTCLF $IN --output /dev/stdout --text-column title --workers 1 $MODEL >> $OUT",
        IN=write(tmp_path / "in.csv", TITLES[:3]),
        OUT=str(tmp_path / "all.jsonl"),
        MODEL=shlex.join(model),
    )
    # THEN that line is still there
    assert done.returncode == 0, done.stderr
    assert [row["line"] for row in read(tmp_path / "all.jsonl")] == ["0", "2", "3", "4"]


def test_a_full_disk_names_the_file_and_the_same_command_goes_on(
    model: list[str], tmp_path: Path
) -> None:
    # GIVEN the output of a run, and a disk with room for half of it
    location = write(tmp_path / "in.csv", LONG)
    options = [location, "--text-column", "title", "--workers", "1", *model]
    assert bulk(*options, "--output", str(tmp_path / "whole.csv")) == 0
    half = (tmp_path / "whole.csv").stat().st_size // 2048
    options += ["--output", str(tmp_path / "out.csv")]
    # WHEN the run is made there
    done = run_in_bash(f"ulimit -f {half}; $TEXTCLF $OPTIONS", OPTIONS=shlex.join(options))
    # THEN the error names the file, and the same command goes on when there is room
    assert done.returncode == 1
    assert "out.csv.partial/data: File too large; " in done.stderr
    assert "give the same command again, which goes on from there" in done.stderr
    assert "Traceback" not in done.stderr
    assert count_chunks(tmp_path / "out.csv.partial") in (1, 2)
    assert bulk(*options) == 0
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_a_file_in_s3_is_scored_into_s3(
    s3: S3Client, bucket: str, model: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a compressed table in a bucket
    monkeypatch.chdir(tmp_path)
    table = "id,text\n" + "".join(f'{i},"{t.replace(chr(34), "")}"\n' for i, t in enumerate(TITLES))
    s3.put_object(Bucket=bucket, Key="in/rows.csv.gz", Body=gzip.compress(table.encode()))
    # WHEN it is scored into the bucket
    uri = f"s3://{bucket}"
    options = [f"{uri}/in/rows.csv.gz", "--keep", "id", "--output", f"{uri}/out/rows.csv", *model]
    assert bulk(*options) == 0
    # THEN the output and the rejects are there, and nothing is left on this machine
    body = s3.get_object(Bucket=bucket, Key="out/rows.csv")["Body"].read().decode()
    ids = [row["id"] for row in csv.DictReader(io.StringIO(body))]
    assert ids == [str(i) for i in range(len(TITLES))]
    rejects = s3.get_object(Bucket=bucket, Key="out/rows.csv.rejects.csv")["Body"].read()
    assert rejects == b"line,reason,excerpt\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("source", "output", "message"),
    [
        ("s3://{bucket}/none.csv", "out.csv", "cannot read s3://{bucket}/none.csv"),
        ("s3:///in.csv", "out.csv", "is not an S3 URI: give s3://BUCKET/KEY"),
        ("{folder}/in.csv", "s3://not-there-at-all/out.csv", "there is no such bucket"),
        ("{folder}/none.csv", "out.csv", "no such file"),
        ("{folder}/in.csv", "out.doc", "cannot tell the format of out.doc"),
        ("{folder}/in.csv", "{folder}/in.csv", "--output would overwrite the input"),
    ],
)
def test_a_place_that_cannot_be_read_or_written_is_an_error_at_once(
    source: str,
    output: str,
    message: str,
    s3: S3Client,
    bucket: str,
    model: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "in.csv", TITLES[:3])
    names = {"bucket": bucket, "folder": str(tmp_path)}
    assert bulk(source.format(**names), "--output", output.format(**names), *model) == 1
    assert message.format(**names) in capsys.readouterr().err
