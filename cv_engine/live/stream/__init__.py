"""Receiving a stream: RTSP, RTP and SDP here, everything else through FFmpeg."""
