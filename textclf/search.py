"""`textclf search`."""

from typing import Annotated

from cyclopts import Parameter, validators

from training.fit.settings import Settings
from training.recipes.ranges import RANGES

# The options of `textclf train`, without those that the search sets itself.
FIXED = rf"^(?!({'|'.join([*RANGES, 'resume', 'overwrite'])})$)"


def search(
    *,
    settings: Annotated[Settings, Parameter(name="*", parse=FIXED)],
    trials: Annotated[
        int,
        Parameter(
            help="How many trials to have in the end, including those of earlier runs.",
            validator=validators.Number(gte=1),
        ),
    ] = 30,
) -> None:
    r"""Search for the training settings that do best on the validation rows.

    Varies the learning rate, weight decay, masking, label smoothing and, if the task has groups,
    the weight of the group loss. Each trial is a training run with the other options; a few epochs
    on a sample of the rows are enough to compare settings. The test rows take no part.

    ```
    textclf search --data newsCorpora.csv.xz --output build/search \
        --max-rows 60000 --epochs 2 --trials 30
    ```

    The same command, after Ctrl-C or with more trials, continues the search. `trials.md` lists
    all trials; only the best model is kept, in its `trial-…` folder. At the end, the command that
    trains the best model again is printed.
    """
    # Here, because torch takes seconds to import and --help does not need it.
    from training.recipes import search as recipe

    recipe.search(settings, trials)
