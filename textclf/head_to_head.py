"""`textclf head-to-head`."""

from typing import Annotated

from cyclopts import Parameter

from textclf.model_uri import locate_model


def head_to_head(
    new: Annotated[str, Parameter(help="The new bundle: a folder or a model URI.")],
    old: Annotated[str, Parameter(help="The old bundle: a folder or a model URI.")],
    /,
    *,
    data: Annotated[str, Parameter(help="The file that both were trained on; path or S3 URI.")],
    new_rows: Annotated[
        str,
        Parameter(
            help="Folder of the new rows that were added to the file for training.",
            show_default=False,
        ),
    ] = "",
) -> None:
    r"""Compare two published bundles on test rows that neither has learned.

    ```
    textclf head-to-head s3://my-models/news/NEW s3://my-models/news/OLD \
        --data newsCorpora.csv.xz
    ```

    Use it before a new model goes live. It splits the file as it was split for training and prints
    the accuracy of both bundles (micro-F1, if a text may have several labels), their difference
    with its 95 % interval, and the same for parts of the rows. Bundles that held out different rows
    are refused, because one of them may have learned what the other is tested on.
    """
    new, old = locate_model(new, "NEW"), locate_model(old, "OLD")

    # Here, because the metrics take a second to import and --help does not need them.
    from training.evaluate.head_to_head import measure_head_to_head

    print(measure_head_to_head(new, old, data, new_rows).to_markdown())
