"""Turn a trained model into a bundle: int8 ONNX, manifest, accuracy gate."""
