"""Images on disk for tests: small, georeferenced, of any kind."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray

UTM50 = "EPSG:32650"
# The north-west corner of most test images, in UTM zone 50 north, and their pixels of 0.5 m.
WEST, NORTH = 500_000.0, 3_300_000.0
HALF_METRE = Affine(0.5, 0, WEST, 0, -0.5, NORTH)


def write(
    path: Path,
    values: NDArray[Any],
    *,
    crs: str | None = UTM50,
    transform: Affine = HALF_METRE,
    mask: NDArray[Any] | None = None,
    tags: dict[str, str] | None = None,
    names: tuple[str, ...] = (),
    **options: Any,
) -> Path:
    """Writes ``(bands, height, width)`` to a file."""
    count, height, width = values.shape
    if count in (3, 4) and values.dtype == np.uint8:
        options = {"photometric": "rgb"} | options
    profile = {
        "driver": "GTiff",
        "count": count,
        "height": height,
        "width": width,
        "dtype": values.dtype.name,
        "crs": crs,
        "transform": transform,
    }
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(path, "w", **(profile | options)) as image,
    ):
        image.write(values)
        if mask is not None:
            image.write_mask(mask)
        if tags:
            image.update_tags(**tags)
        for band, name in enumerate(names, start=1):
            image.set_band_description(band, name)
    return path


def texture(height: int, width: int, bands: int = 3, seed: int = 0) -> NDArray[np.uint8]:
    """A random picture ``(bands, height, width)`` without repetition."""
    found = np.random.default_rng(seed).integers(1, 255, (bands, height, width))
    return found.astype(np.uint8)


class _Ranges(BaseHTTPRequestHandler):
    """Serves files of a folder, whole or in ranges, and records the requests."""

    server: _Server

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        name = self.path.partition("?")[0].lstrip("/")
        self.server.asked.append(name)
        path = self.server.folder / name
        if not path.is_file():
            self.send_error(404)
            return
        content = path.read_bytes()
        first, last = 0, len(content) - 1
        wanted = self.headers.get("Range", "")
        if wanted.startswith("bytes="):
            start, _, end = wanted.removeprefix("bytes=").partition("-")
            first, last = int(start), min(int(end or last), last)
            if first > last:
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(last - first + 1))
        self.end_headers()
        if body:
            self.server.sent += last - first + 1
            self.wfile.write(content[first : last + 1])

    def log_message(self, format: str, *args: Any) -> None:
        """Suppresses the log."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Ranges)
        self.folder = folder
        self.asked: list[str] = []
        self.sent = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def served(folder: Path) -> Iterator[_Server]:
    """Serves a folder over HTTP on this machine."""
    server = _Server(folder)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
