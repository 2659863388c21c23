"""The command ``cv-engine cases file``: findings of other programs become cases."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from cv_engine.commands.cases.progress import counting
from cv_engine.commands.exit_codes import escaped
from cv_engine.commands.options import ConfigOption, DataOption, Format, FormatOption
from cv_engine.commands.session import Session

FilesArgument = Annotated[
    list[Path],
    typer.Argument(metavar="FILE...", help="JSON Lines: one finding a line (see docs/cases.md)."),
]


def file_cases(
    files: FilesArgument,
    config: ConfigOption = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """File findings of other programs: each becomes a case, or joins that of its problem.

    A file with a wrong line changes nothing. A file that was filed before, whole or in part, may be
    filed again.
    """
    from cv_engine.cases.filing.findings_file import file_findings
    from cv_engine.services import Services

    session = Session(config, data, format)
    with Services(session.config) as services, counting(session) as progress:
        for path in files:
            outcomes: Counter[str] = Counter()
            for line, filed in file_findings(path, services.queue, partial(progress, "bytes")):
                outcomes[filed.outcome] += 1
                if format is Format.JSONL:
                    session.line({"file": str(path), "line": line, **asdict(filed)})
            told = ", ".join(f"{number} {outcome}" for outcome, number in outcomes.most_common())
            session.err.print(f"{escaped(str(path))}: {told or 'no finding'}")
