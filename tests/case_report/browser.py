"""A page in a real browser, after a script has run in it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")


def after(page: Path, script: str) -> str:
    """The document of a page, as HTML, after a script.

    Args:
        page: The HTML file; a copy beside it is opened.
        script: JavaScript, run when the page is there.
    """
    assert BROWSER is not None
    copy = page.with_name(f"scripted-{page.name}")
    text = page.read_text(encoding="utf-8")
    copy.write_text(text.replace("</body>", f"<script>{script}</script></body>"), encoding="utf-8")
    profile = f"--user-data-dir={page.parent / 'profile'}"
    command = [BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", profile]
    done = subprocess.run(
        [*command, "--virtual-time-budget=3000", "--dump-dom", copy.absolute().as_uri()],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout
