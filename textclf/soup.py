"""`textclf soup`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, validators


def soup(
    models: list[Path],
    /,
    *,
    output: Path,
    base_share: Annotated[float, Parameter(validator=validators.Number(gte=0, lt=1))] = 0.0,
    vocabulary: Annotated[int, Parameter(validator=validators.Number(gte=0))] = 0,
    overwrite: bool = False,
) -> None:
    """Average trained models, and a share of their base model, into one.

    The mean of models that were fine-tuned from the same weights is usually better than each of
    them. A share of the base model helps on texts of other years and sources.

    ```
    textclf soup build/one build/two --output build/news --base-share 0.2
    ```

    Choose the models and the share by the macro-F1 on the validation rows, which is printed, and
    not by `textclf evaluate`: once you choose by the test rows, they no longer test anything.

    Args:
        models: Folders that `textclf train` wrote; one that is named twice counts twice.
        output: Folder for the mean.
        base_share: Share of the base model's encoder, from 0 to below 1.
        vocabulary: Most frequent wordpieces to keep; 0 for all.
        overwrite: Replace the model in the output folder.
    """
    # Here, because torch takes seconds to import and --help does not need it.
    from training.recipes import soup as recipe

    mean = recipe.soup(models, output, base_share, vocabulary, overwrite=overwrite)
    print(f"validation macro-F1 {mean.record.best_validation:.4f}; model in {output}")
