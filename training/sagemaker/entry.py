"""The program of a training job: train, evaluate, export behind the gate, publish.

SageMaker's toolkit starts this file in the container. It reads the hyperparameters from the
environment; the command line, which repeats them without their types, is ignored. A retraining is
also given the bundle that serves now: it publishes only a model that is no worse, and writes its
verdict for the state machine.
"""

import os
import sys
import traceback

import boto3
import torch

from inference.errors import InterruptedRunError
from inference.model.bundle import Bundle
from inference.model.publish import publish
from training.evaluate.evaluation import evaluate
from training.export.bundle import export
from training.fit.process_group import process_group
from training.fit.train import train
from training.fit.trained_model import TrainedModel, open_trained_model
from training.sagemaker.container import Container, Delivery, read_hyperparameters
from training.sagemaker.verdict import judge, write_verdict


def main() -> int:
    """Run the job; return the exit code, and leave the reason of a failure for SageMaker."""
    container = Container.current()
    try:
        if "RANK" not in os.environ:  # the first process, not one that torchrun started
            container.keep_new_rows()
            if torch.cuda.device_count() > 1:
                run_on_every_gpu()
        run(container, os.environ["SM_HPS"])
    except InterruptedRunError as interruption:
        print("interrupted; the next instance continues from the checkpoint", file=sys.stderr)
        return interruption.exit_code
    except Exception as error:
        traceback.print_exc()
        container.failure.parent.mkdir(parents=True, exist_ok=True)
        container.failure.write_text(f"{type(error).__name__}: {error}")
        return 1
    return 0


def run_on_every_gpu() -> None:
    """Replace this process by torchrun, which starts this file once per GPU."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "gpu", __file__]
    os.execv(sys.executable, command)  # noqa: S606


def run(container: Container, hyperparameters: str) -> None:
    """Do the whole job, from the data channel to the model URI."""
    settings, delivery = read_hyperparameters(container, hyperparameters)
    with process_group() as group:
        trained = None if container.has_trained_model else train(settings, group)
    if not group.leads:
        return
    if trained is None:  # an earlier instance finished the training
        trained = open_trained_model(container.checkpoints)
    evaluation = evaluate(trained)
    # A retraining is judged next to the bundle that serves, whatever a linear model can do.
    allow_worse = delivery.allow_worse or delivery.previous is not None
    bundle = export(trained, container.bundle, allow_worse=allow_worse)
    fp32 = evaluation.fp32
    print(f"test accuracy {fp32.accuracy:.4f}, test macro-F1 {fp32.macro_f1:.4f}")
    deliver(trained, bundle, delivery)


def deliver(trained: TrainedModel, bundle: Bundle, delivery: Delivery) -> None:
    """Publish the bundle, unless the network is isolated or the bundle that serves is better."""
    s3 = boto3.client("s3")
    verdict = judge(trained, bundle, delivery.previous) if delivery.previous else None
    if verdict and not verdict.deploy:
        print(f"bundle {bundle.version} is not published: {verdict.summary}")
    elif delivery.publish:
        print(f"model URI {publish(s3, bundle.folder, delivery.store)}")
    else:
        print(f"bundle {bundle.version} is left for `textclf sagemaker follow` to publish")
    if verdict and delivery.verdict:
        # Last, because the state machine deploys the bundle as soon as it reads the verdict.
        write_verdict(s3, verdict, delivery.verdict)


if __name__ == "__main__":
    sys.exit(main())
