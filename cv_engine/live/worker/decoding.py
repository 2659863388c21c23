"""Decodes the samples of a stream that are due."""

from __future__ import annotations

from fractions import Fraction

import av
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from cv_engine.live.buffer.sampler import DueSample
from cv_engine.live.encoded_frame import EncodedFrame, StreamFormat
from cv_engine.video.decoder import Decoder
from cv_engine.video.frame import Sample, Scaler, Turn
from cv_engine.video.picture_shape import deinterlaced, square_size

# Damaged samples in a row after which the decoder conceals damage as well as it can: over a bad
# line half a picture is better than none.
_STRICT_ATTEMPTS = 3
# Sound samples in a row after which damage is an error again.
_SOUND_AGAIN = 30


class SampleDecoder:
    """Decodes the samples of one stream.

    Args:
        scaler: Scaling contexts, shared by the streams of one thread.
    """

    def __init__(self, scaler: Scaler) -> None:
        self._scaler = scaler
        self._alone: Decoder | None = None
        self._group: Decoder | None = None
        self._format: StreamFormat | None = None
        self._follows = False  # whether the group's decoder holds what the next frames refer to
        self._recovers = False  # whether the group began without a key frame, and is not whole yet
        self._turn: Turn | None = None
        self._pixel_shape: Fraction | None = None
        self._strict = True
        self._opened_strict = True
        self._damaged = 0
        self._sound = 0

    def decode(self, due: DueSample) -> Sample | None:
        """Decodes a sample.

        Returns:
            The sample, or ``None`` where it is damaged, or pictures are not whole yet after a
            start without a key frame; see :attr:`lost`.
        """
        if not (due.begins or self._follows):
            return None  # due before the frame that it refers to was known to be damaged
        try:
            frame = self._frame(due)
        except av.FFmpegError:
            frame, self._recovers = None, False
        if frame is None and self._recovers:
            return None
        self._judge(sound=frame is not None)
        if frame is None:
            self._follows = False
            return None
        self._recovers = False
        # Once for each connection: reading a frame's side data ties the frame into a cycle, which
        # holds its three megabytes until the next garbage collection.
        if self._turn is None:
            self._turn = Turn.of(frame)
        steady_s, key = _shown_at(frame, due), bool(frame.key_frame)
        size = square_size(frame.width, frame.height, self._pixel_shape)
        return Sample(steady_s, key, deinterlaced(frame), self._turn, size, self._scaler)

    @property
    def lost(self) -> bool:
        """Whether no frame can be decoded before the next one with which decoding can begin."""
        return not self._follows

    def _frame(self, due: DueSample) -> VideoFrame | None:
        first, form = due.encoded[0], due.encoded[-1].format
        if due.begins and (self._format is not form or self._strict is not self._opened_strict):
            self._format, self._turn, self._opened_strict = form, None, self._strict
            self._alone = self._group = None
        if due.begins and first.alone and len(due.encoded) == 1:
            if self._alone is None:
                # Nothing refers to a frame that is decoded alone: its block edges may stay.
                self._alone = _opened(form, strict=self._strict, deblock=False)
            frame = self._alone.decode_alone(due.encoded[0].packet)
            self._pixel_shape = self._alone.pixel_shape
            return frame
        return self._last_of(due, form)

    def _last_of(self, due: DueSample, form: StreamFormat) -> VideoFrame | None:
        """The last frame of a group."""
        if self._group is None:
            self._group = _opened(form, strict=self._strict, deblock=True)
        if due.begins:
            self._recovers = not due.encoded[0].alone
            self._group.restart(lenient=self._recovers)
        self._follows = True
        frame = None
        for encoded in due.encoded:
            frames = self._group.decode(encoded.packet)
            frame = frames[-1] if frames else frame
        self._pixel_shape = self._group.pixel_shape
        return frame

    def _judge(self, *, sound: bool) -> None:
        """Turns strictness off where no sample is sound, and on again where all are."""
        self._sound = self._sound + 1 if sound else 0
        self._damaged = 0 if sound else self._damaged + 1
        # Takes effect with the next key frame: the present group is decoded as it began.
        if self._strict and self._damaged >= _STRICT_ATTEMPTS:
            self._strict, self._sound = False, 0
        elif not self._strict and self._sound >= _SOUND_AGAIN:
            self._strict, self._sound = True, 0


def _opened(form: StreamFormat, *, strict: bool, deblock: bool) -> Decoder:
    context = av.CodecContext.create(form.codec, "r")
    assert isinstance(context, VideoCodecContext)
    if form.header:
        context.extradata = form.header
    return Decoder(context, strict=strict, deblock=deblock, skip_unreferenced=True)


def _shown_at(frame: VideoFrame, due: DueSample) -> float:
    """The steady time of a frame: the decoder may hold back the latest frames."""
    last: EncodedFrame = due.encoded[-1]
    if frame.pts is None or last.packet.pts is None:
        return due.steady_s
    behind_s = float((last.packet.pts - frame.pts) * last.format.time_base)
    return due.steady_s - max(0.0, behind_s)
