"""Make the model that everything is measured with, in the format that each candidate reads.

    python -m benchmarks.speed.models torch FOLDER 6 768
    python -m benchmarks.speed.models optimum FOLDER

`torch` is a DistilBERT with random weights, which do not change the speed; `onnx` its fp32 graph;
`optimum` the int8 graph as optimum makes it; `openvino` the int8 graph as NNCF makes it, calibrated
with headlines.
"""

import logging
import sys
import warnings
from pathlib import Path

CALIBRATION_ROWS = 300  # NNCF's own default

# OpenVINO's tools report each use to Google Analytics; without this package they cannot.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]


def main(arguments: list[str]) -> None:
    """Make one format in its folder; the others that it is made from are there."""
    kind, folder, *size = arguments[0], Path(arguments[1]), *arguments[2:]
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    if kind == "torch":
        save_torch(folder, *map(int, size))
    else:
        make = {"onnx": export_onnx, "optimum": quantize_by_optimum, "openvino": quantize_by_nncf}
        make[kind](folder, folder.parent)


def save_torch(folder: Path, layers: int, dim: int) -> None:
    """Save the model for `transformers`."""
    from benchmarks.full_size import save_model
    from benchmarks.speed.bundle import configure

    save_model(configure(layers, dim), folder)


def export_onnx(folder: Path, models: Path) -> None:
    """Export the fp32 graph with optimum."""
    from optimum.onnxruntime import ORTModelForSequenceClassification

    model = ORTModelForSequenceClassification.from_pretrained(models / "torch", export=True)
    model.save_pretrained(folder)


def quantize_by_optimum(folder: Path, models: Path) -> None:
    """Quantize the fp32 graph as optimum's documentation shows."""
    from optimum.onnxruntime import ORTQuantizer
    from optimum.onnxruntime.configuration import AutoQuantizationConfig
    from transformers import AutoTokenizer

    quantizer = ORTQuantizer.from_pretrained(models / "onnx", file_name="model.onnx")
    configuration = AutoQuantizationConfig.avx512_vnni(is_static=False, per_channel=False)
    quantizer.quantize(save_dir=folder, quantization_config=configuration)
    AutoTokenizer.from_pretrained(models / "torch").save_pretrained(folder)


def quantize_by_nncf(folder: Path, models: Path) -> None:
    """Quantize the fp32 graph as OpenVINO's documentation shows for transformers."""
    import nncf
    import numpy as np
    import openvino

    from benchmarks.full_size import read_headlines
    from benchmarks.speed.peers import open_tokenizer

    def to_inputs(ids: list[int]) -> dict[str, object]:
        inputs = np.array([ids], np.int64)
        return {"input_ids": inputs, "attention_mask": np.ones_like(inputs)}

    nncf.set_log_level(logging.ERROR)
    texts = read_headlines()[:CALIBRATION_ROWS]
    token_ids = [encoding.ids for encoding in open_tokenizer(models).encode_batch(texts)]
    quantized = nncf.quantize(
        openvino.convert_model(models / "onnx" / "model.onnx"),
        nncf.Dataset(token_ids, to_inputs),
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(token_ids),
    )
    openvino.save_model(quantized, folder / "model.xml")


if __name__ == "__main__":
    main(sys.argv[1:])
