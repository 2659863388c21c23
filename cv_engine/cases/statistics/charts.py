"""Charts of the figures, as PNG files, and the monthly report as a PDF."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cv_engine.cases.statistics.figures import Figures
from cv_engine.cases.statistics.fonts import families
from cv_engine.cases.statistics.period import Period
from cv_engine.cases.statistics.queries import Value
from cv_engine.files import atomic_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

_PAGE_IN = (11.69, 8.27)  # A4, landscape
_DPI = 150
_MOST_ROWS = 20  # of a bar chart that stays readable on a page
_MOST_DAYS = 16  # labels of days on one axis
_LONGEST_NAME = 40  # characters; longer names leave no room for the bars
_HOUR_S = 3600.0
_LEGEND_BELOW = 4.0  # lines of text: ticks and label of the axis lie between
#: Colours of Okabe and Ito (2008), which people with colour blindness can tell apart.
_BLUE, _ORANGE, _GREEN, _GREY = "#0072B2", "#E69F00", "#009E73", "#8A8F98"


@dataclass(frozen=True, slots=True)
class Charted:
    """What the charts of a period show.

    Attributes:
        period: The period.
        total: The figures of all its cases, with the median times.
        days: The figures by day.
        departments: The figures by department, with the median times.
        classes: The figures by class, with the median times.
        class_name: Gives the name of a class.
    """

    period: Period
    total: Figures
    days: Mapping[Value, Figures]
    departments: Mapping[Value, Figures]
    classes: Mapping[Value, Figures]
    class_name: Callable[[Value], str]


def charts(charted: Charted) -> dict[str, Figure]:
    """The charts of a period, by their file names without suffix."""
    with style():
        return {
            "by-day": _by_day(charted),
            "on-time-by-department": _rates(
                charted, charted.departments, _department, "department"
            ),
            "on-time-by-class": _rates(charted, charted.classes, charted.class_name, "class"),
            "cases-by-class": _by_class(charted),
            "times-by-department": _times(charted),
        }


def save_charts(charted: Charted, folder: Path) -> list[Path]:
    """Write each chart as a PNG into a folder, created if missing.

    Returns:
        The files.

    Raises:
        OSError: A file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, figure in charts(charted).items():
        paths.append(folder / f"{name}.png")
        save(figure, paths[-1])
    return paths


def save_report(charted: Charted, path: Path, more: Sequence[Figure] = ()) -> None:
    """Write the report of a period: a page with the figures, then a page for each chart.

    Args:
        charted: What the report shows.
        path: The PDF file.
        more: Further pages, such as the map of repeat places.

    Raises:
        OSError: The file cannot be written.
    """
    from matplotlib.backends.backend_pdf import PdfPages

    with style():
        pages = [_cover(charted), *charts(charted).values(), *more]
    facts = {"Title": f"Cases of {charted.period.name}", "Creator": "cv-engine"}
    with atomic_file(path) as partial, PdfPages(partial, metadata=facts) as pdf:
        for page in pages:
            pdf.savefig(page)


def save(figure: Figure, path: Path) -> None:
    """Write a figure; the suffix names the format.

    Raises:
        OSError: The file cannot be written.
    """
    with atomic_file(path, keep_suffix=True) as partial:
        figure.savefig(partial, dpi=_DPI)


def page() -> tuple[Figure, Axes]:
    """An empty chart of the size of a page."""
    figure = empty_page()
    return figure, figure.add_subplot()


def empty_page() -> Figure:
    """A page without a chart.

    The figure has no window and no state outside it, so any thread may draw one.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    figure = Figure(figsize=_PAGE_IN, layout=ConstrainedLayoutEngine(w_pad=0.4, h_pad=0.4))
    FigureCanvasAgg(figure)
    return figure


@contextmanager
def style() -> Iterator[None]:
    """The style of all charts."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rc("font", family=families(), size=11)
        mpl.rc("axes", titlesize=15, titleweight="bold", titlelocation="left", titlepad=14)
        mpl.rc("axes", axisbelow=True)
        mpl.rc("axes.spines", top=False, right=False)
        mpl.rc("grid", color="#E3E5E8")
        mpl.rc("legend", frameon=False)
        mpl.rc("pdf", fonttype=42)  # text that can be selected and searched
        yield


def _by_day(charted: Charted) -> Figure:
    figure, axes = page()
    names = [str(name) for name in charted.days]
    rows = list(charted.days.values())
    for label, colour, counts in (
        ("received", _GREY, [row.received for row in rows]),
        ("filed", _BLUE, [row.filed for row in rows]),
        ("closed", _GREEN, [row.closed for row in rows]),
    ):
        axes.plot(range(len(names)), counts, marker="o", markersize=4, color=colour, label=label)
    step = max(1, -(-len(names) // _MOST_DAYS))
    shown = range(0, len(names), step)
    axes.set_xticks(list(shown), [names[at][5:] for at in shown])
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(_whole_numbers())
    axes.set_ylabel("cases")
    axes.set_xlabel("day")
    axes.grid(axis="y")
    _legend(axes)
    axes.set_title(f"Cases by day, {charted.period.name}")
    return figure


def _rates(
    charted: Charted, rows: Mapping[Value, Figures], name_of: Callable[[Value], str], what: str
) -> Figure:
    figure, axes = page()
    due = {value: row for value, row in rows.items() if row.on_time_rate is not None}
    top = _largest(due, lambda row: row.due)
    names = [f"{_short(name_of(value))} ({row.due:,})" for value, row in top]
    rates = [100 * (row.on_time_rate or 0) for _, row in top]
    bars = axes.barh(names, rates, color=_BLUE, height=0.7)
    axes.bar_label(bars, [f"{rate:.2f} %" for rate in rates], padding=5)
    overall = charted.total.on_time_rate
    if overall is not None:
        axes.axvline(
            100 * overall, color=_ORANGE, linewidth=2, zorder=0.5, label=f"all: {percent(overall)}"
        )
        _legend(axes)
    axes.set_xlim(0, 112)  # room for the labels
    axes.set_xticks(range(0, 101, 20))
    axes.set_xlabel("closed on time, % of the cases due (number of cases due in brackets)")
    _finish_bars(axes, f"On-time closing rate by {what}, {charted.period.name}", due, top)
    return figure


def _by_class(charted: Charted) -> Figure:
    figure, axes = page()
    top = _largest(charted.classes, lambda row: row.received)
    height = 0.27
    for shift, label, colour, counts in (
        (-height, "received", _GREY, [row.received for _, row in top]),
        (0.0, "filed", _BLUE, [row.filed for _, row in top]),
        (height, "closed", _GREEN, [row.closed for _, row in top]),
    ):
        at = [place + shift for place in range(len(top))]
        bars = axes.barh(at, counts, height=height, color=colour, label=label)
        axes.bar_label(bars, [f"{count:,}" for count in counts], padding=4, fontsize=9)
    axes.set_yticks(range(len(top)), [_short(charted.class_name(value)) for value, _ in top])
    axes.margins(x=0.1)
    axes.xaxis.set_major_locator(_whole_numbers())
    axes.set_xlabel("cases")
    if top:
        _legend(axes)
    _finish_bars(axes, f"Cases by class, {charted.period.name}", charted.classes, top)
    return figure


def _times(charted: Charted) -> Figure:
    figure, axes = page()
    closed = {value: row for value, row in charted.departments.items() if row.close_s is not None}
    top = _largest(closed, lambda row: row.closed)
    height = 0.4
    for shift, label, colour, times in (
        (-height / 2, "from dispatch to handling", _ORANGE, [row.handle_s for _, row in top]),
        (height / 2, "from report to closing", _BLUE, [row.close_s for _, row in top]),
    ):
        hours = [(seconds or 0.0) / _HOUR_S for seconds in times]
        at = [place + shift for place in range(len(top))]
        bars = axes.barh(at, hours, height=height, color=colour, label=label)
        texts = [duration(seconds) for seconds in times]
        axes.bar_label(bars, texts, padding=4, fontsize=9)
    names = [f"{_short(_department(value))} ({row.closed:,})" for value, row in top]
    axes.set_yticks(range(len(top)), names)
    axes.margins(x=0.15)
    axes.set_xlabel("median time in hours (number of cases closed in brackets)")
    if top:
        _legend(axes)
    _finish_bars(axes, f"Median times by department, {charted.period.name}", closed, top)
    return figure


def _legend(axes: Axes) -> None:
    """The names of the colours, in a row below the label of the axis."""
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 0), borderaxespad=_LEGEND_BELOW, ncols=3)


def _whole_numbers() -> MaxNLocator:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(integer=True)


def _finish_bars(
    axes: Axes,
    title: str,
    rows: Mapping[Value, Figures],
    top: Sequence[tuple[Value, Figures]],
) -> None:
    """Order, grid and title of a chart of bars, and what it leaves out."""
    if top:
        axes.set_ylim(len(top) - 0.4, -0.6)
    else:
        axes.set_xticks([])
        axes.set_yticks([])
        axes.text(0.5, 0.5, "no cases", transform=axes.transAxes, ha="center", color=_GREY)
    axes.grid(axis="x")
    axes.tick_params(axis="y", length=0)
    left_out = len(rows) - len(top)
    axes.set_title(title if not left_out else f"{title}\nthe largest {len(top)} of {len(rows)}")


def _largest(
    rows: Mapping[Value, Figures], size: Callable[[Figures], int]
) -> list[tuple[Value, Figures]]:
    known: list[tuple[Value, Figures]] = [row for row in rows.items() if row[0] is not None]
    return sorted(known, key=lambda row: -size(row[1]))[:_MOST_ROWS]


def _cover(charted: Charted) -> Figure:
    figure = empty_page()
    total, period = charted.total, charted.period
    figure.text(0.07, 0.86, "Cases of the city", fontsize=30, weight="bold")
    days = f"{period.first.isoformat()} to {period.last.isoformat()}"
    figure.text(0.07, 0.80, f"{period.name}   ({days}, {period.zone})", fontsize=14, color=_GREY)
    tiles = (
        ("received 上报", f"{total.received:,}", f"{total.rejected:,} rejected"),
        ("filed 立案", f"{total.filed:,}", f"filing rate {percent(total.filing_rate)}"),
        ("due 应结案", f"{total.due:,}", f"{total.deferred:,} deferred"),
        ("closed 结案", f"{total.closed:,}", f"{total.reworked:,} after rework"),
        ("closing rate 结案率", percent(total.closing_rate), f"{total.settled:,} of the due"),
        ("on time 按期结案率", percent(total.on_time_rate), f"{total.on_time:,} of the due"),
        ("to confirm", duration(total.confirm_s), "median from the report"),
        ("to close", duration(total.close_s), "median from the report"),
    )
    for number, (name, value, note) in enumerate(tiles):
        x, y = 0.07 + 0.225 * (number % 4), 0.60 - 0.27 * (number // 4)
        figure.text(x, y + 0.07, _drawable(name), fontsize=12, color=_GREY)
        figure.text(x, y, value, fontsize=24, weight="bold", color=_BLUE)
        figure.text(x, y - 0.045, note, fontsize=11)
    notes = (
        "closing rate = closed / (due - deferred); on-time closing rate = closed by the deadline / "
        "(due - deferred); filing rate = filed / received.\nThe numerators of both closing rates "
        "are cases due in the period. Merged cases count once; times are calendar time."
    )
    figure.text(0.07, 0.07, notes, fontsize=10, color=_GREY, linespacing=1.5)
    return figure


def percent(rate: float | None) -> str:
    """A rate in per cent with two decimals; ``"-"`` if there is none."""
    return "-" if rate is None else f"{100 * rate:.2f} %"


def duration(seconds: float | None) -> str:
    """A time in its two largest units; ``"-"`` if there is none.

    Example:
        >>> duration(93_780)
        '1 d 2 h'
    """
    if seconds is None:
        return "-"
    minutes = round(seconds / 60)
    for unit, name, smaller in ((1440, "d", ("h", 60)), (60, "h", ("min", 1))):
        if minutes >= unit:
            whole, rest = divmod(minutes, unit)
            return f"{whole} {name} {rest // smaller[1]} {smaller[0]}"
    return f"{minutes} min" if minutes else f"{seconds:.0f} s"


def _drawable(text: str) -> str:
    """The text without Chinese characters where no installed font has them."""
    from cv_engine.cases.statistics.fonts import chinese_fonts

    return text if chinese_fonts() else text.encode("ascii", "ignore").decode().strip()


def _department(value: Value) -> str:
    return value or "-"


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
