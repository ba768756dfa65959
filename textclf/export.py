"""`textclf export`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, validators


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
    precision: Annotated[
        float | None,
        Parameter(
            validator=validators.Number(gt=0, lt=1),
            show_default=False,
            help="Choose a threshold for each label, above which it is right this often.",
        ),
    ] = None,
    refused: Annotated[
        float | None,
        Parameter(
            validator=validators.Number(gte=0, lte=0.5),
            show_default=False,
            help="Share of in-scope texts that count as out of scope (0.05); 0 for no such limit.",
        ),
    ] = None,
    out_of_scope: Annotated[
        tuple[str, ...],
        Parameter(show_default=False, help="File of texts that no label fits, to learn from."),
    ] = (),
    other_texts: Annotated[
        tuple[str, ...],
        Parameter(show_default=False, help="File of texts of another kind, to measure on."),
    ] = (),
    text_column: Annotated[
        str, Parameter(help="Column with the texts of these files, if not that of the task.")
    ] = "",
) -> None:
    """Turn a trained model into an int8 bundle, unless it is not good enough.

    ```
    textclf export build/news
    textclf export build/news --output my-bundle
    ```

    The bundle holds the model as ONNX with small integers for weights, the tokenizer and a
    manifest. A note says if the model is of a kind that cannot be made as fast as a DistilBERT.
    Before it is written, the classifier that serves labels the test rows with it. The
    bundle is refused, with exit code 3, in two cases; `gate.md` in the model folder always has the
    figures:

    - It is less accurate than the fp32 model by more than 0.5 points, or gives more than 1.5 % of
      the rows another label, and the rows are enough to show that it is not chance.
    - It is significantly worse than a linear model, in accuracy or macro-F1, or than always the
      most frequent label, or it knows a single answer. `--allow-worse` insists.

    With `--precision`, answers say whether to act on them (`abstained`), and why not:

    ```
    textclf export build/news --precision 0.95
    textclf export build/news --precision 0.95 --out-of-scope yesterdays-misrouted-mail.txt
    ```

    - `low_confidence`: below the threshold of its label. Above it, the label is right in 95 % of
      the cases or more, with 95 % confidence, for texts like the validation rows, on which the
      threshold is chosen. A label that reaches this nowhere always abstains.
    - `out_of_scope`: the text is unlike those that the model knows, by a score that 5 % of the
      validation rows exceed (`--refused`). The score is the energy of the model's outputs. With
      texts that no label fits (`--out-of-scope`: a text a line, or a table), it is learned from
      one half of each file and measured on the other. `--other-texts` are only measured. Both
      options can be repeated. Any of the four adds the limit, unless `--refused 0` is given.

    `predicted_label` stays what it was, so that no client breaks. `gate.md` has the figures.

    Next: `textclf publish build/news/bundle s3://my-models/news`.
    """
    from training.fit.trained_model import open_trained_model

    trained = open_trained_model(model)
    # After the data, because torch takes seconds to import and the data may be missing.
    from training.evaluate.results import ModelSummary
    from training.export import bundle
    from training.export.abstention import AbstentionFigures, AbstentionOptions
    from training.export.abstention_page import summarise_abstention
    from training.export.gate import Quantization, list_cautions
    from training.export.multi_label_gate import describe_multi_label_bundle
    from training.fit.exportable import NOT_FUSED

    abstention = AbstentionOptions(
        precision=precision,
        refused=refused,
        out_of_scope=out_of_scope,
        other_texts=other_texts,
        text_column=text_column,
    )
    exported = bundle.export(
        trained, output or model / "bundle", allow_worse=allow_worse, abstention=abstention
    )
    if exported.manifest.labelling:
        print(describe_multi_label_bundle(exported.manifest))
    else:
        figures = Quantization.model_validate(exported.manifest.quantization).describe()
        cautions = list_cautions(ModelSummary.model_validate(exported.manifest.metrics["int8"]))
        print(" ".join([figures, *cautions]))
    if figures_of_abstention := exported.manifest.metrics.get("abstention"):
        print(summarise_abstention(AbstentionFigures.model_validate(figures_of_abstention)))
    if exported.manifest.quantization.get("fused") is False:
        print(f"note: {NOT_FUSED}")
    print(f"bundle {exported.version} in {exported.folder}")
