"""Fine-tune with `transformers.Trainer`, on the rows and with the settings of `textclf train`.

    python -m benchmarks.speed.trainer rows SETTINGS ROWS.json
    python -m benchmarks.speed.trainer train SECONDS.json ROWS.json BASE OUTPUT THREADS
    python -m benchmarks.speed.trainer train … --group-by-length

`rows` writes what `textclf train` learns with some settings, given as JSON, and prints the number
of tokens. `train` writes the seconds that the steps and the validation took, without loading and
saving. Everything that is not named is at its default.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any


def main(arguments: list[str]) -> None:
    """Write rows, or train on them."""
    command, *rest = arguments
    if command == "rows":
        print(write_rows(json.loads(rest[0]), Path(rest[1])))
        return
    result, rows, base, output, threads, *options = rest
    run = json.loads(Path(rows).read_text())
    took = train(run, base, output, int(threads), bool(options))
    Path(result).write_text(json.dumps(took))


def write_rows(values: dict[str, Any], target: Path) -> int:
    """Write the rows to learn and to validate on, and the settings; return the tokens to learn."""
    import torch

    from training.fit.initialise import initialise
    from training.fit.precision import choose_precision
    from training.fit.rows import load_rows
    from training.fit.settings import Settings
    from training.fit.text_model import encode

    settings = Settings.model_validate(values)
    dataset, rows = load_rows(settings)
    _, tokenizer = initialise(settings, dataset.task, rows.train)
    precision = choose_precision(settings.precision, torch.device("cpu"))
    names = {"batch_size", "learning_rate", "weight_decay", "max_grad_norm", "seed", "max_length"}
    content = settings.model_dump(include=names) | {
        "train": [(row.text, row.label) for row in rows.train],
        "validation": [(row.text, row.label) for row in rows.validation],
        "labels": len(dataset.task.labels),
        "warmup_ratio": settings.warmup,
        "bf16": precision is torch.bfloat16,
    }
    target.write_text(json.dumps(content))
    return sum(map(len, encode(tokenizer, [row.text for row in rows.train])))


def train(
    run: dict[str, Any], base: str, output: str, threads: int, group: bool
) -> dict[str, float]:
    """Train for one epoch, validate and save; return the seconds of steps and validation."""
    import torch
    import transformers
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    torch.set_num_threads(threads)
    transformers.logging.set_verbosity_error()
    tokenizer = AutoTokenizer.from_pretrained(base, model_max_length=run["max_length"])
    model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=run["labels"])
    trainer = transformers.Trainer(
        model=model,
        args=transformers.TrainingArguments(
            output_dir=output,
            num_train_epochs=1,
            per_device_train_batch_size=run["batch_size"],
            per_device_eval_batch_size=256,
            learning_rate=run["learning_rate"],
            weight_decay=run["weight_decay"],
            warmup_ratio=run["warmup_ratio"],
            max_grad_norm=run["max_grad_norm"],
            seed=run["seed"],
            bf16=run["bf16"],
            use_cpu=True,
            group_by_length=group,
            eval_strategy="epoch",
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            log_level="error",
        ),
        train_dataset=encode(tokenizer, run["train"]),
        eval_dataset=encode(tokenizer, run["validation"]),
        processing_class=tokenizer,
    )
    started, used = time.perf_counter(), time.process_time()
    trainer.train()
    took = {"wall": time.perf_counter() - started, "cpu": time.process_time() - used}
    trainer.save_model(output)
    return took


def encode(tokenizer: Any, rows: list[tuple[str, int]]) -> list[dict[str, Any]]:
    """Return the rows as the Trainer's collator takes them."""
    encoded = tokenizer([text for text, _ in rows], truncation=True)["input_ids"]
    return [
        {"input_ids": ids, "labels": label} for ids, (_, label) in zip(encoded, rows, strict=True)
    ]


if __name__ == "__main__":
    main(sys.argv[1:])
