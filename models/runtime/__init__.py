"""Running ONNX models with ONNX Runtime or OpenVINO."""
