"""Building ONNX graphs from published checkpoints without PyTorch."""
