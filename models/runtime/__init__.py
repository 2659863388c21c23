"""Inference of ONNX models with ONNX Runtime or OpenVINO."""
