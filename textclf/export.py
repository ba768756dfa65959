"""`textclf export`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def export(
    model: Annotated[Path, Parameter(help="Folder of a trained and evaluated model.")],
    /,
    *,
    output: Annotated[
        Path | None,
        Parameter(help="Folder for the bundle; `bundle` in the model folder by default."),
    ] = None,
    allow_worse: Annotated[
        bool, Parameter(help="Accept a model that is worse than a linear one, or than one answer.")
    ] = False,
) -> None:
    """Turn a trained model into an int8 bundle, unless it is not good enough.

    ```
    textclf export build/news
    textclf export build/news --output my-bundle
    ```

    The bundle holds the model as ONNX with small integers for weights, the tokenizer and a
    manifest. Before it is written, the classifier that serves labels the test rows with it. The
    bundle is refused, with exit code 3, in two cases; `gate.md` in the model folder always has the
    figures:

    - It is less accurate than the fp32 model by more than 0.5 points, or gives more than 1.5 % of
      the rows another label, and the rows are enough to show that it is not chance.
    - It is significantly worse than a linear model, in accuracy or macro-F1, or than always the
      most frequent label, or it knows a single answer. `--allow-worse` insists.

    Next: `textclf publish build/news/bundle s3://my-models/news`.
    """
    from training.fit.trained_model import open_trained_model

    trained = open_trained_model(model)
    # After the data, because torch takes seconds to import and the data may be missing.
    from training.evaluate.results import ModelSummary
    from training.export import bundle
    from training.export.gate import Quantization, list_cautions

    exported = bundle.export(trained, output or model / "bundle", allow_worse=allow_worse)
    figures = Quantization.model_validate(exported.manifest.quantization).describe()
    cautions = list_cautions(ModelSummary.model_validate(exported.manifest.metrics["int8"]))
    print(" ".join([figures, *cautions]))
    print(f"bundle {exported.version} in {exported.folder}")
