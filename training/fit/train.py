r"""Fine-tune DistilBERT on labelled texts.

    python -m training.fit.train --data newsCorpora.csv.xz --output build/news
    python -m training.fit.train --data newsCorpora.csv.xz --output build/news --resume
    python -m training.fit.train --task sentiment --data reviews.csv --output build/reviews
    python -m training.fit.train --task mine --data mine.csv --text-column body \
        --label-column topic --output build/mine
    torchrun --standalone --nproc-per-node 4 -m training.fit.train --data …    # four GPUs

Ctrl-C saves a checkpoint and ends; --resume goes on from it to the same result. Then:
`python -m training.evaluate.evaluation build/news` and `python -m training.export.bundle build/news`.
"""

import json
import math
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm
from transformers import DistilBertForSequenceClassification

from training.atomic import write_text
from training.data.examples import (
    DataError,
    Dataset,
    Example,
    clusters_of,
    labels_of,
    labels_of_clusters,
)
from training.evaluate import metrics
from training.fit import checkpoint, distilbert, distillation
from training.fit.batches import masked, padded, shuffled
from training.fit.objective import Objective
from training.fit.process_group import Group, process_group
from training.fit.record import base_sha256, record, require_base_held_out, source_commit
from training.fit.settings import Settings, parse, rows_of

RESULTS = ("training.json", "evaluation.json", "model.safetensors")
INTERRUPTED = 130  # the exit code a shell gives Ctrl-C

Weights = tuple[Tensor, ...] | list[Tensor]


class InterruptedRunError(Exception):
    """The run was asked to end; its state is in the checkpoint."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Train and write the model folder; returns the exit code."""
    settings = parse(__doc__ or "", arguments)
    try:
        with process_group() as group:
            train(settings, group)
    except (DataError, distilbert.ModelError, checkpoint.CheckpointError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted before the first step", file=sys.stderr)
        return INTERRUPTED
    except InterruptedRunError:
        print(f"interrupted; to go on, add --resume (state in {settings.output})", file=sys.stderr)
        return INTERRUPTED
    return 0


def train(settings: Settings, group: Group) -> checkpoint.Progress:
    """One run, from the rows to the folder of the best model; in every process of the group.

    Raises:
        DataError, ModelError, CheckpointError: what the run needs is not there or not right.
        InterruptedRunError: SIGINT or SIGTERM came; the checkpoint is saved.
    """
    output = Path(settings.output)
    output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(settings.threads or torch.get_num_threads())
    torch.manual_seed(settings.seed)
    commit = source_commit()  # now: the files may have changed when the run ends

    dataset, rows = rows_of(settings)
    if group.leads:
        print(
            f"{dataset.task.name} ({', '.join(dataset.task.labels)}): {len(rows.train):,} "
            f"training, {len(rows.validation):,} validation, {len(rows.test):,} test rows"
        )
        tested = {example.label for example in rows.test}
        for label, name in enumerate(dataset.task.labels):
            if label not in tested:
                print(f"note: no test row is {name!r}; its F1 will count as 0")
    known = record(settings, dataset, rows)
    require_base_held_out(known)
    teachers = distillation.digests(settings)
    base = base_sha256(settings.base_model)
    known |= {"base_sha256": base, "teachers": teachers, "commit": commit}
    model, tokenizer = initialise(settings, dataset, rows.train)
    precision = autocast_type(settings.precision, group.device)
    targets = distillation.targets(rows, dataset, settings, group.device, precision)
    learn = Texts.of(rows.train, targets, tokenizer, settings.new_rows_times)
    check, truth = encoded(rows.validation, tokenizer), labels_of(rows.validation)
    labels_of_groups = labels_of_clusters(rows.train)
    objective = Objective(
        model, len(labels_of_groups), settings.group_loss, settings.label_smoothing
    ).to(group.device)
    training = checkpoint.Training(
        objective,
        group.replica(objective),
        AveragedModel(objective, multi_avg_fn=running_mean(settings.averaging)),
        adamw(objective, settings),
        torch.amp.GradScaler(group.device.type, enabled=precision is torch.float16),
    )
    progress = checkpoint.Progress()
    state = checkpoint.Checkpoint(
        output / "checkpoint.safetensors", settings, dataset.sha256, teachers
    )
    if settings.resume:
        progress = state.load(training)
    elif group.leads:
        for name in RESULTS:  # of another run: nobody may take them for this one's
            (output / name).unlink(missing_ok=True)
    if not group.leads:  # dropout and masking of its own
        torch.manual_seed(settings.seed + group.rank + group.size * progress.step)

    epoch = learn.steps(settings.batch_size)
    total = max(1, round(epoch * settings.epochs))
    between = max(1, epoch // settings.evaluations)
    loss, saved = math.nan, time.monotonic()
    started = saved - progress.seconds
    quiet: dict[str, Any] = {} if group.leads else {"disable": True}
    bar = tqdm(
        total=total, initial=progress.step, desc="train", unit="step", dynamic_ncols=True, **quiet
    )
    with bar, stop_requests() as stop_requested:
        for batch in batches_from(progress.step, learn, settings):
            if progress.step >= total or progress.stale >= settings.patience:
                break
            rate = settings.learning_rate * schedule(progress.step, total, settings.warmup)
            now = take_step(training, learn, batch, rate, settings, precision, group)
            loss = now if math.isnan(loss) else 0.99 * loss + 0.01 * now
            progress.step += 1
            progress.seconds = time.monotonic() - started
            bar.update()
            bar.set_postfix(loss=f"{loss:.4f}", f1=f"{progress.best:.4f}")

            if progress.step % between == 0 or progress.step == total:
                f1 = 0.0
                if group.leads:
                    heads = training.averaged.classifiers(labels_of_groups, dataset.task.labels)
                    for head in heads:
                        scores = distilbert.logits(head, check, group.device, precision)
                        found = metrics.macro_f1(scores.argmax(1), truth, targets.shape[1])
                        at = f"step {progress.step}/{total}, {head.num_labels} outputs"
                        bar.write(f"{at}: loss {loss:.4f}, validation macro-F1 {found:.4f}")
                        if found > max(f1, progress.best):
                            distilbert.save(head, tokenizer, output)
                        f1 = max(f1, found)
                f1 = group.of_leader(f1)
                progress.history.append((progress.step, f1))
                progress.stale += 1
                if f1 > progress.best:
                    progress.best, progress.stale = f1, 0
            stop = group.any(stop_requested())
            late = time.monotonic() - saved > settings.checkpoint_minutes * 60
            if group.leads and (late or stop):
                state.save(training, progress)
                saved = time.monotonic()
            if stop:
                group.any(stop)  # nobody ends, which ends all, before the leader has saved
                raise InterruptedRunError
    if group.leads:
        write_record(output, known | progress.record())
        state.path.unlink(missing_ok=True)
        print(f"best validation macro-F1 {progress.best:.4f}; model in {output}")
    return progress


def initialise(
    settings: Settings, dataset: Dataset, train_rows: Sequence[Example]
) -> tuple[DistilBertForSequenceClassification, Tokenizer]:
    """The model to start from, cut to the size the settings ask for."""
    labels = dataset.task.labels
    layers = [int(layer) for layer in settings.layers.split(",") if layer]
    model, tokenizer = distilbert.load_pretrained(settings.base_model, labels, layers)
    if dataset.task.markup:
        distilbert.read_as_space(tokenizer, dataset.task.markup)
    if settings.vocabulary:
        texts = [example.text for example in train_rows]
        tokenizer = distilbert.prune_vocabulary(model, tokenizer, texts, settings.vocabulary)
    max_length = settings.max_length or dataset.task.max_length
    if max_length > model.config.max_position_embeddings:
        limit = model.config.max_position_embeddings
        raise distilbert.ModelError(f"{settings.base_model} reads {limit} wordpieces at most")
    tokenizer.enable_truncation(max_length, direction=dataset.task.truncation_side)
    return model, tokenizer


def encoded(examples: Sequence[Example], tokenizer: Tokenizer) -> list[list[int]]:
    """Token ids of each row."""
    return distilbert.encode(tokenizer, [example.text for example in examples])


@dataclass(frozen=True)
class Texts:
    """Encoded rows, and what to learn of them."""

    token_ids: list[list[int]]
    targets: NDArray[np.float32]  # (rows, labels)
    groups: NDArray[np.int64]
    order: NDArray[np.intp]  # the numbers of an epoch's rows, those of new ones repeatedly
    mask_id: int

    @classmethod
    def of(
        cls,
        examples: Sequence[Example],
        targets: NDArray[np.float32],
        tokenizer: Tokenizer,
        new_rows_times: int,
    ) -> "Texts":
        """Encode rows."""
        times = [new_rows_times if example.new else 1 for example in examples]
        return cls(
            encoded(examples, tokenizer),
            targets,
            clusters_of(examples),
            np.repeat(np.arange(len(examples)), times),
            tokenizer.token_to_id("[MASK]"),
        )

    def steps(self, batch_size: int) -> int:
        """Batches in an epoch."""
        return math.ceil(len(self.order) / batch_size)


def batches_from(step: int, texts: Texts, settings: Settings) -> Iterator[NDArray[np.intp]]:
    """Batches of rows without end, beginning at a step of the run."""
    lengths = [len(texts.token_ids[row]) for row in texts.order]
    epoch, skipped = divmod(step, texts.steps(settings.batch_size))
    while True:
        for batch in shuffled(lengths, settings.batch_size, settings.seed, epoch)[skipped:]:
            yield texts.order[batch]
        epoch, skipped = epoch + 1, 0


def take_step(
    training: checkpoint.Training,
    texts: Texts,
    batch: NDArray[np.intp],
    learning_rate: float,
    settings: Settings,
    precision: torch.dtype | None,
    group: Group,
) -> float:
    """One step of AdamW on a batch; returns the loss of this process's share."""
    objective, optimizer, scaler = training.objective, training.optimizer, training.scaler
    device = group.device
    for parameters in optimizer.param_groups:
        parameters["lr"] = learning_rate
    share, weight = group.share(batch)
    inputs, mask = padded(
        [texts.token_ids[row] for row in share], objective.model.config.pad_token_id
    )
    if settings.masking:
        inputs = masked(inputs, mask, texts.mask_id, settings.masking)
    answers = (torch.from_numpy(known[share]) for known in (texts.targets, texts.groups))
    objective.train()
    with torch.autocast(device.type, precision, enabled=precision is not None):
        loss = training.replica(*(part.to(device) for part in (inputs, mask, *answers)))
    scaler.scale(weight * loss).backward()
    scaler.unscale_(optimizer)
    torch.nn.utils.clip_grad_norm_(objective.parameters(), settings.max_grad_norm)
    scaler.step(optimizer)
    scaler.update()
    optimizer.zero_grad(set_to_none=True)
    training.average.update_parameters(objective)
    return float(loss.item())


def schedule(step: int, total: int, warmup: float) -> float:
    """Share of the peak learning rate: linear warm-up, then linear decay."""
    warm = max(1, round(warmup * total))
    return min((step + 1) / warm, (total - step) / (total - warm + 1))


def running_mean(decay: float) -> Callable[[Weights, Weights, Tensor | int], None]:
    """How the mean of the weights follows them: exponentially, and faster in the first steps.

    The mean scores what a decayed learning rate would, at any step of the run (Polyak & Juditsky
    1992), and lies in a flatter place, which holds better on other texts (Izmailov et al. 2018,
    https://arxiv.org/abs/1803.05407).
    """

    @torch.no_grad()
    def update(mean: Weights, weights: Weights, updates: Tensor | int) -> None:
        share = min(decay, (1 + int(updates)) / (10 + int(updates)))
        torch._foreach_lerp_(mean, weights, 1 - share)

    return update


def adamw(model: torch.nn.Module, settings: Settings) -> torch.optim.AdamW:
    """AdamW (Loshchilov & Hutter 2019) that decays matrices, not biases and norms."""
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim == 1]
    groups = [
        {"params": matrices, "weight_decay": settings.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)


def autocast_type(precision: str, device: torch.device) -> torch.dtype | None:
    """The type matrix products run in; none for plain fp32.

    Raises:
        ModelError: the precision has no such name.
    """
    types = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
    if precision in types:
        return types[precision]
    if precision != "auto":
        raise distilbert.ModelError(f"unknown precision {precision!r}: auto, {', '.join(types)}")
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability() >= (8, 0) else torch.float16
    cpu = Path("/proc/cpuinfo")
    has_bf16 = cpu.exists() and {"avx512_bf16", "amx_bf16"} & set(cpu.read_text().split())
    return torch.bfloat16 if has_bf16 else None


@contextmanager
def stop_requests() -> Iterator[Callable[[], bool]]:
    """Turn SIGINT and SIGTERM (spot instances get one) into a question to ask between steps."""
    received: list[int] = []
    previous = {
        number: signal.signal(number, lambda number, _frame: received.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def write_record(output: Path, found: dict[str, Any]) -> None:
    """Say in ``training.json``, which only a finished run has, how the model was made."""
    whole = found | {"time": datetime.now(UTC).isoformat(timespec="seconds")}
    write_text(output / "training.json", json.dumps(whole, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
