"""The subcommands of `textclf`, and the one place that prints their errors.

A subcommand is imported when it is called, so `textclf --help` and the commands that serve never
wait for torch.
"""

import errno
import os
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from cyclopts import App, CycloptsError, Group, Parameter, ValidationError

from inference.errors import TextClassifierError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
USAGE, INTERRUPTED = 2, 130  # exit codes, as a shell gives them
OURS = ("inference", "operations", "textclf", "training")
AWS_ERRORS = ("botocore.", "boto3.", "s3transfer.")  # known by name: importing them takes 0.1 s

app = App(
    name="textclf",
    help="Train, serve and operate a serverless text classifier.",
    version=version("serverless-text-classifier"),
    default_parameter=Parameter(negative=()),
    result_action="return_value",
    suppress_keyboard_interrupt=False,  # main() reports it
    help_format="markdown",
)
app.register_install_completion_command()

TRY = Group.create_ordered("Try it on this machine")
app.command("textclf.predict:predict", help="Classify texts on the terminal.", group=TRY)
app.command("textclf.explain:explain", help="Show which words decide a label.", group=TRY)
app.command("textclf.local:demo", help="Answer the sample requests as Lambda would.", group=TRY)
app.command("textclf.local:serve", help="Serve a bundle as Lambda would.", group=TRY)
app.command("textclf.local:sam_local", help="Serve template.yaml with Docker.", group=TRY)

MAKE = Group.create_ordered("Make a model")
app.command("textclf.train:train", help="Fine-tune an encoder on labelled texts.", group=MAKE)
app.command("textclf.evaluate:evaluate", help="Measure a model on unseen texts.", group=MAKE)
app.command("textclf.export:export", help="Turn a model into an int8 bundle.", group=MAKE)
app.command("textclf.search:search", help="Search for better settings.", group=MAKE)
app.command("textclf.soup:soup", help="Average trained models into one.", group=MAKE)

STORE = Group.create_ordered("Keep models in S3")
app.command("textclf.publish:publish", help="Put a bundle into a model store.", group=STORE)
app.command("textclf.publish:list_bundles", name="list", help="List a model store.", group=STORE)
app.command(
    "textclf.head_to_head:head_to_head",
    help="Put two bundles head to head on held-out rows.",
    group=STORE,
)

app.command("textclf.regions:replicate", help="Copy a bundle to another region.", group=STORE)

sagemaker = App(name="sagemaker", help="Train and retrain on SageMaker.", group=MAKE)
sagemaker.command("textclf.sagemaker:train", help="Start a training job and follow it.")
sagemaker.command("textclf.sagemaker:follow", help="Follow a job that was started before.")
sagemaker.command("textclf.sagemaker:prepare", help="Prepare a stack's own retraining.")
app.command(sagemaker)

labels = App(name="labels", help="Write labels, and find wrong ones.", group=MAKE)
labels.command("textclf.labels:check", help="List labels that are probably wrong.")
labels.command("textclf.labels:next_texts", name="next", help="Choose the texts to label next.")
labels.command("textclf.labels_write:write", help="Let an LLM on Bedrock label texts.")
labels.command("textclf.labels_export:export", help="Write the labels that people corrected.")
app.command(labels)

SCORE = Group.create_ordered("Score many texts, and watch")
app.command("textclf.bulk:bulk", help="Classify every row of a file.", group=SCORE)
app.command("textclf.drift:drift", help="Measure how far predictions have drifted.", group=SCORE)

OPERATE = Group.create_ordered("Operate a deployed stack")
app.command("textclf.operate:live", help="Print the version that serves.", group=OPERATE)
app.command("textclf.operate:smoke", help="Check that an API answers.", group=OPERATE)
app.command("textclf.operate:compare", help="Compare the candidate's answers.", group=OPERATE)
app.command("textclf.operate:rollback", help="Serve an earlier version again.", group=OPERATE)
app.command("textclf.versions:prune", help="Delete old versions of a function.", group=OPERATE)
app.command("textclf.operate:cost", help="Estimate what predictions cost.", group=OPERATE)
app.command("textclf.deploy:check", help="Check that a deployment can succeed.", group=OPERATE)
app.command("textclf.deploy:image", help="Build and push the functions' image.", group=OPERATE)
app.command("textclf.deploy:parameters", help="Print the parameters for sam.", group=OPERATE)

candidate = App(
    name="candidate", help="Let a second model answer a share of the requests.", group=OPERATE
)
candidate.command("textclf.candidate:start", help="Send a share of the requests to a model.")
candidate.command("textclf.candidate:show", help="Print the candidate's model URI.")
candidate.command("textclf.candidate:end", help="Take the share away again.")
app.command(candidate)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; returns its exit code, and prints what went wrong in one line."""
    tokens = sys.argv[1:] if arguments is None else list(arguments)
    if not sys.stderr.isatty():  # a log keeps every state of a progress bar
        os.environ.setdefault("TQDM_DELAY", "30")  # the bars of short work say nothing
        os.environ.setdefault("TQDM_MININTERVAL", "30")
        os.environ.setdefault("TQDM_MAXINTERVAL", "60")  # or tqdm's monitor writes in between
    try:
        _show_docstring(tokens)
        code = app(tokens, exit_on_error=False, print_error=False) or 0
        sys.stdout.flush()  # here, where a closed pipe is expected
    except BrokenPipeError:  # `| head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except CycloptsError as error:
        return _fail(_usage(error), USAGE)
    except TextClassifierError as error:
        return _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _fail("interrupted", INTERRUPTED)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in OURS:
            raise
        return _fail(f"{error.name} is not installed: run `make setup`", 1)
    except OSError as error:  # a missing file, a full disk, a port that is taken
        return _fail(_describe_os_error(error), 1)
    except Exception as error:
        if not f"{type(error).__module__}.".startswith(AWS_ERRORS):
            raise
        return _fail(f"AWS: {error}", 1)
    return int(code)


def _show_docstring(tokens: Sequence[str]) -> None:
    """Let a subcommand's own help be its docstring, not its line in the list of commands."""
    _, apps, _ = app.parse_commands([token for token in tokens if token not in app.help_flags])
    if apps[-1].default_command and apps[-1] is not app:
        apps[-1].help = None


def _usage(error: CycloptsError) -> str:
    """Say which option is wrong; a rule that a pydantic model sets names its field."""
    argument = error.argument
    if isinstance(error, ValidationError) and argument and isinstance(argument.value, tuple):
        option = argument.tokens[0].keyword  # None if the values stand alone
        return f"{option}: {error.exception_message}" if option else error.exception_message
    broken_rules = getattr(error.__cause__, "errors", None)
    if broken_rules is None:
        return str(error)
    return "; ".join(_broken_rule(rule) for rule in broken_rules(include_url=False))


def _broken_rule(rule: Mapping[str, Any]) -> str:
    message = rule["msg"].removeprefix("Value error, ")
    option = ".".join(str(part) for part in rule["loc"]).replace("_", "-")
    return f"--{option}: {message}" if option else message


def _describe_os_error(error: OSError) -> str:
    """Say what the operating system refused; what a full disk stops, the same command continues."""
    if error.errno not in FULL:
        return str(error)
    what = f"cannot write {error.filename}" if error.filename else "a file cannot be written"
    return f"{what}: {error.strerror}; correct that, then give the same command again"


def _fail(message: str, code: int) -> int:
    print(f"error: {message}", file=sys.stderr)
    return code
