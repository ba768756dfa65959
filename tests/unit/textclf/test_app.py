import errno
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from inference.errors import TextClassifierError
from tests.conftest import ROOT
from textclf.app import app, candidate, labels, main, sagemaker

GROUPS = {"candidate": candidate, "labels": labels, "sagemaker": sagemaker}
COMMANDS = [[name] for name in app if not name.startswith("-") and name not in GROUPS]
COMMANDS += [[name, sub] for name, group in GROUPS.items() for sub in group if sub[0] != "-"]
TRAIN = ["train", "--data", "texts.csv", "--output", "model"]
HEAVY = {"matplotlib", "moto", "onnxruntime", "optuna", "sklearn", "torch", "transformers"}


class RefusedError(TextClassifierError):
    exit_code = 3


@pytest.fixture
def fail() -> Iterator[Callable[[BaseException], int]]:
    """Runs a command that raises an exception, and returns the exit code."""

    def run(error: BaseException) -> int:
        def raise_error() -> None:
            raise error

        app.command(raise_error, name="fail")
        return main(["fail"])

    yield run
    if "fail" in app:
        del app["fail"]


def modules_after(*arguments: str) -> set[str]:
    """Return the modules that a fresh interpreter has loaded after it ran commands."""
    code = (
        "import json, sys\n"
        "from textclf.app import main\n"
        "codes = [main(command) for command in json.loads(sys.argv[1])]\n"
        "assert not any(codes), codes\n"
        "print(json.dumps(list(sys.modules)))"
    )
    commands = json.dumps([argument.split() for argument in arguments])
    done = subprocess.run(
        [sys.executable, "-c", code, commands],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_an_error_the_user_can_fix_is_one_line_and_an_exit_code(
    fail: Callable[[BaseException], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert fail(TextClassifierError("texts.csv, line 3: the label is blank")) == 1
    assert capsys.readouterr() == ("", "error: texts.csv, line 3: the label is blank\n")


def test_an_error_may_choose_its_exit_code(fail: Callable[[BaseException], int]) -> None:
    assert fail(RefusedError("int8 loses 2 points of accuracy")) == 3


@pytest.mark.parametrize(
    "error", [NoCredentialsError(), ClientError({"Error": {"Code": "AccessDenied"}}, "GetObject")]
)
def test_an_error_of_aws_is_one_line(
    error: Exception, fail: Callable[[BaseException], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert fail(error) == 1
    assert capsys.readouterr().err == f"error: AWS: {error}\n"


@pytest.mark.parametrize(
    ("name", "what"), [("x.csv", "cannot write x.csv"), (None, "a file cannot be written")]
)
def test_a_full_disk_is_one_line_that_says_how_to_go_on(
    name: str | None,
    what: str,
    fail: Callable[[BaseException], int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert fail(OSError(errno.ENOSPC, "No space left on device", name)) == 1
    remedy = "No space left on device; correct that, then give the same command again"
    assert capsys.readouterr().err == f"error: {what}: {remedy}\n"


def test_ctrl_c_exits_as_a_shell_expects(
    fail: Callable[[BaseException], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert fail(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == "error: interrupted\n"


def test_a_missing_library_is_one_line_that_says_how_to_install_it() -> None:
    # GIVEN an environment without torch
    code = (
        "import sys\n"
        "sys.modules['torch'] = None\n"
        "from textclf.app import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    # WHEN a command needs it
    command = [sys.executable, "-c", code, *TRAIN]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    # THEN the error says what to do
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == "error: torch is not installed: run `make setup`\n"


def test_a_bug_keeps_its_traceback(fail: Callable[[BaseException], int]) -> None:
    with pytest.raises(ZeroDivisionError):
        fail(ZeroDivisionError())


def test_an_unknown_command_is_answered_with_a_suggestion(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["serv"]) == 2
    assert 'Did you mean "serve"?' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["serve", "--prot", "8080"], "--prot"),
        (["serve", "--port", "70000"], "--port"),
        (["serve", "--port", "http"], "--port"),
        (["serve", "--environments", "0"], "--environments"),
        (["sam-local", "--port", "-1"], "--port"),
        (["drift", "--table", "predictions"], "--model-uri"),
        (["drift", "--table", "t", "--model-uri", "u", "--hours", "0"], "--hours"),
        (["train", "--output", "model"], "--data"),
        *(
            ([*TRAIN, option, value], option)
            for option, value in (
                ("--batch-size", "0"),
                ("--evaluations", "0"),
                ("--layers", "x"),
                ("--epochs", "nan"),
                ("--epochs", "-1"),
                ("--seed", "-1"),
                ("--threads", "-1"),
                ("--max-rows", "-5"),
                ("--warmup", "2"),
                ("--max-length", "1"),
                ("--precision", "fp8"),
            )
        ),
    ],
    ids=" ".join,
)
def test_a_usage_error_names_the_option(
    arguments: list[str], option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN an option that is missing, unknown or out of range
    assert main(arguments) == 2
    # THEN one line names it
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert re.search(rf"{option}\b", error)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["one", "--bundle", "folder"], "there is no option --bundle"),
        (["one", " "], "a text is blank: give it some words"),
        ([""], "a text is blank: give it some words"),
    ],
)
def test_an_error_about_one_of_several_values_is_a_sentence(
    texts: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN several texts, one of which is not usable WHEN they are classified
    assert main(["predict", *texts]) == 2
    # THEN the error says so, without a list of all values
    assert capsys.readouterr().err == f"error: {message}\n"


def test_without_arguments_the_commands_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    out = capsys.readouterr().out
    for command, *_ in COMMANDS:
        assert f" {command} " in out


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_help_of_a_command_explains_it_with_an_example(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a command WHEN its help is shown
    assert main([*command, "--help"]) == 0
    usage, _, text = capsys.readouterr().out.partition("\n\n")
    # THEN it starts with how to call it, and shows an example further down
    call = f"textclf {' '.join(command)}"
    assert usage.startswith(f"Usage: {call}")
    assert call in text


def test_progress_bars_are_rare_in_logs() -> None:
    # GIVEN stderr in a pipe WHEN a command has run THEN a bar writes every 30 seconds at most
    code = (
        "from textclf.app import main; main(['--version']); from tqdm import tqdm; "
        "bar = tqdm(disable=False); print(bar.mininterval, bar.maxinterval)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert shown.stdout.split()[-2:] == ["30.0", "60.0"]


def test_the_command_can_be_run_as_a_module() -> None:
    command = [sys.executable, "-m", "textclf", "--version"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", done.stdout)


def test_the_list_of_commands_is_shown_without_importing_much() -> None:
    # GIVEN a fresh interpreter WHEN it shows the list THEN nothing that takes long is loaded
    modules = modules_after("--help")
    assert not modules & {*HEAVY, "boto3", "botocore", "numpy", "pydantic"}
    # AND fewer than 450 modules are, of which Python itself and cyclopts are almost all
    assert len(modules) < 450
    assert {name for name in modules if name.startswith("textclf.")} == {"textclf.app"}


def test_the_help_of_no_command_loads_a_heavy_library() -> None:
    assert not modules_after(*(f"{' '.join(command)} --help" for command in COMMANDS)) & HEAVY


def test_classifying_on_the_terminal_loads_neither_torch_nor_aws() -> None:
    modules = modules_after("predict Fed_holds_rates")
    assert not modules & (HEAVY - {"onnxruntime"} | {"boto3", "moto"})
