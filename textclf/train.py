"""`textclf train`."""

from typing import Annotated

from cyclopts import Parameter

from training.fit.settings import Settings


def train(*, settings: Annotated[Settings, Parameter(name="*")]) -> None:
    r"""Fine-tune an encoder, by default DistilBERT, on labelled texts.

    Reads a CSV file, holds out rows for validation and testing, trains, and writes the best model
    into a folder. Every run with the same settings gives the same model.

    ```
    textclf train --data newsCorpora.csv.xz --output build/news
    textclf train --task sentiment --data reviews.csv --output build/reviews
    ```

    Your own texts need a CSV file with a header row, and a name for the task:

    ```
    textclf train --task tickets --data tickets.csv --text-column body --label-column team \
        --output build/tickets
    ```

    A text may have several labels, or none, if `--label-separator ";"` says what separates them in
    a cell, or `--label-columns` names a column of 0 and 1 for each.

    Of texts with more than `--max-length` wordpieces, one end is read. `--long-texts windows` reads
    all of them, in overlapping windows.

    `--base-model` takes any encoder: a DistilBERT or a BERT, which are served fastest, but also a
    RoBERTa, an MPNet, a ModernBERT and others. A note says if yours is served more slowly, or can
    only teach another model (`--teachers`).

    With few rows, a logistic head may do better than fine-tuning: on an encoder that stays as it
    is (`--method frozen`, which takes seconds), or on one that has learned from pairs of texts
    (`--method contrastive`, as SetFit does). `--method auto` tries each and keeps the best.
    `--class-weights balanced` helps to find rare labels.

    Ctrl-C saves a checkpoint; the same command with `--resume` continues from it to the same
    result. A model or a checkpoint in the output folder is replaced only with `--overwrite`, and
    only when the new model is complete.

    Several GPUs: `torchrun --standalone --nproc-per-node 4 -m textclf train …`.

    Next: `textclf evaluate build/news`, then `textclf export build/news`.
    """
    # Here, because torch takes seconds to import and --help does not need it.
    from training.fit import train as training
    from training.fit.process_group import process_group

    with process_group() as group:
        training.train(settings, group)
