"""From a trained student to a folder that others can use: sentence-transformers, ONNX, a model card, the hub."""
