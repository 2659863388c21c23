"""Conversion of published checkpoints to ONNX graphs, without PyTorch."""
