"""What runs inside a SageMaker training job: train, evaluate, export and gate, publish.

The job that ``training.sagemaker.job`` creates starts this file in the container, with the
hyperparameters as its command line: those of ``training.fit.train``, and where to publish; when it
retrains, also the bundle to do better than, and where to say whether it does. SageMaker mirrors the
checkpoints folder in S3 and puts it back when a spot instance was taken away, so that the next one
goes on from there. What the job ends with is in the model folder.
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
"""

import argparse
import os
import shutil
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

import boto3
import torch

from inference.model.publish import publish
from training.evaluate.evaluation import evaluate, open_run, read_evaluation
from training.export.bundle import export
from training.fit import train
from training.fit.process_group import process_group
from training.fit.settings import Settings, parse, truth
from training.sagemaker import verdict

ROOT = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))  # the toolkit's own variable
CHECKPOINTS, MODEL, FAILURE = ROOT / "checkpoints", ROOT / "model", ROOT / "output" / "failure"
CHANNELS = ROOT / "input" / "data"
NEW_ROWS = CHECKPOINTS / "new"
CHECKPOINT, RECORD = "checkpoint.safetensors", "training.json"  # only a finished run has the second


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job; returns the exit code, and leaves the reason of a failure for the job."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if "RANK" not in os.environ:
        keep_new_rows()
    if torch.cuda.device_count() > 1 and "RANK" not in os.environ:
        run_on_every_gpu(arguments)
    try:
        run(arguments)
    except train.InterruptedRunError:
        print("interrupted; the state is in the checkpoint", file=sys.stderr)
        return train.INTERRUPTED
    except Exception as error:
        traceback.print_exc()
        FAILURE.parent.mkdir(parents=True, exist_ok=True)
        FAILURE.write_text(f"{type(error).__name__}: {error}")
        return 1
    return 0


def run(arguments: Sequence[str]) -> None:
    """The whole job, from the data channel to the model URI."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--store", required=True, help="the model store")
    parser.add_argument("--publish", type=truth, required=True, help="whether S3 can be reached")
    parser.add_argument("--previous", help="the model URI to do better than")
    parser.add_argument("--verdict", help="where to say whether it does, s3://BUCKET/KEY")
    options, others = parser.parse_known_args(arguments)
    settings = settings_of(others)
    with process_group() as group:
        if not (CHECKPOINTS / RECORD).is_file():
            train.train(settings, group)
    if not group.leads:
        return
    finished = open_run(CHECKPOINTS)
    evaluate(finished)
    version = export(finished, MODEL / "bundle")
    figures = read_evaluation(CHECKPOINTS)["fp32"]
    print(f"test accuracy {figures['accuracy']:.4f}, test macro-F1 {figures['macro_f1']:.4f}")
    found = (
        verdict.judge(finished, MODEL / "bundle", options.previous) if options.previous else None
    )
    if found and not found.deploy:
        print(f"bundle {version} is not published: {found.summary}")
    elif options.publish:
        print(f"model URI {publish(boto3.client('s3'), MODEL / 'bundle', options.store)}")
    else:
        print(f"bundle {version} awaits publishing")
    if found:  # last: the state machine deploys what it says
        verdict.write(boto3.client("s3"), found, options.verdict)


def settings_of(arguments: Sequence[str]) -> Settings:
    """The training settings, with the container's folders in them.

    Raises:
        FileNotFoundError: the data channel is not one file.
    """
    files = sorted((CHANNELS / "training").iterdir())
    if len(files) != 1:
        raise FileNotFoundError(f"the data must be one file, not {len(files)}")
    arguments = [*arguments, "--data", str(files[0]), "--output", str(CHECKPOINTS)]
    if NEW_ROWS.is_dir():
        arguments += ["--new-rows", str(NEW_ROWS)]
    if (CHANNELS / "model").is_dir():
        arguments += ["--base-model", str(CHANNELS / "model")]
    if (CHECKPOINTS / CHECKPOINT).is_file():
        arguments += ["--resume"]
    return parse(__doc__ or "", arguments)


def keep_new_rows() -> None:
    """Copy the new rows beside the checkpoints, where another instance finds the very same.

    The channel brings it what was dropped meanwhile too, and a run goes on only with its own data.
    """
    begun = any((CHECKPOINTS / name).is_file() for name in (CHECKPOINT, RECORD))
    if (CHANNELS / "new").is_dir() and not begun:
        shutil.rmtree(NEW_ROWS, ignore_errors=True)
        shutil.copytree(CHANNELS / "new", NEW_ROWS)


def run_on_every_gpu(arguments: Sequence[str]) -> None:
    """Become torchrun, which starts this file once for each GPU."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "gpu", __file__, *arguments]
    os.execv(sys.executable, command)  # noqa: S606


if __name__ == "__main__":
    sys.exit(main())
