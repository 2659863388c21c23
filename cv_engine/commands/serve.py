"""The command ``cv-engine serve``: the cases over HTTP, until stopped."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from cv_engine.commands.accounts import needs_extra
from cv_engine.commands.exit_codes import escaped
from cv_engine.commands.options import ConfigOption, DataOption
from cv_engine.commands.session import Session


def serve(
    host: Annotated[
        str,
        typer.Option(
            "--host", metavar="ADDRESS", help="An address of this machine; 0.0.0.0 for all."
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="The port.")] = 8080,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Serve the cases to officers and to other programs over HTTP, until stopped."""
    session = Session(config, data)
    try:
        from cv_engine.service.app import create_app, first_link
        from cv_engine.service.serving import listen
        from cv_engine.service.serving import serve as serve_until_stopped
    except ModuleNotFoundError as error:
        raise needs_extra(error) from error
    app = create_app(session.config, lambda: datetime.now(UTC))
    with listen(host, port) as listener:
        address = _address(host, listener.getsockname()[1])

        def ready() -> None:
            session.err.print(f"serving on {escaped(address)}; Ctrl-C stops")
            secret = first_link(app)
            if secret is not None:
                first = f"{session.config.service.address or address}/password/{secret}"
                session.err.print(
                    "there is no administrator yet: open this link, which works once and for an "
                    f"hour, to become the first one\n{escaped(first)}"
                )

        serve_until_stopped(app, listener, ready)


def _address(host: str, port: int) -> str:
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}"
