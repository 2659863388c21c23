"""Live cameras for tests and benchmarks: real RTSP and HLS servers that play recorded footage."""
