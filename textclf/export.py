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
) -> None:
    """Turn a trained model into an int8 bundle, unless it loses too much accuracy.

    ```
    textclf export build/news
    textclf export build/news --output my-bundle
    ```

    The bundle holds the model as ONNX with small integers for weights, the tokenizer and a
    manifest. Before it is written, the classifier that serves labels the test rows with it. If it
    is less accurate than the fp32 model by more than 0.5 points, or gives more than 1.5 % of the
    rows another label, the bundle is refused and the exit code is 3. `gate.md` in the model folder
    has the figures in either case.

    Next: `textclf publish build/news/bundle s3://my-models/news`.
    """
    from training.fit.trained_model import open_trained_model

    trained = open_trained_model(model)
    # After the data, because torch takes seconds to import and the data may be missing.
    from training.export import bundle
    from training.export.gate import Quantization

    exported = bundle.export(trained, output or model / "bundle")
    print(Quantization.model_validate(exported.manifest.quantization).describe())
    print(f"bundle {exported.version} in {exported.folder}")
