"""Statistics of the queue: figures of a period, repeat places, charts and the monthly report.

What counts in a period
-----------------------

The figures show the queue as it is now: a period that has passed changes where one of its cases
is undone, reopened or withdrawn later. Every case counts by its own last times, so each case counts
at most once in a figure, and the rows of a table add up to its total.

=============  ====================================================================================
figure         cases
=============  ====================================================================================
received 上报  filed in the queue in the period (``filed_at``)
filed 立案     confirmed in the period (``confirmed_at``, the last confirmation) and still so
rejected       rejected in the period (``ended_at``) and still so: 不立案
withdrawn      withdrawn in the period (``ended_at``): 作废
closed 结案    closed in the period (``ended_at``), whatever their deadline: the work of the period
reworked 返工  of ``closed``: returned for rework at least once
due 应结案     filed cases whose deadline for closing lies in the period (``close_due_at``)
deferred 缓办  of ``due``: waiting at present
settled        of ``due``: closed by now, before or after the period's end
on time        of ``due``: closed, and not after the deadline: 按期结案
=============  ====================================================================================

The rates are

- filing rate 立案率 = filed / received,
- closing rate 结案率 = settled / (due - deferred),
- on-time closing rate 按期结案率 = on time / (due - deferred),
- rework rate 返工率 = reworked / closed.

*Two readings.* Some reports divide all cases closed in the period by those due in it, so that a
month that works off a backlog has a rate above 100 %. Here numerator and denominator are the same
cases, those due in the period. For the filing rate the published definition is kept: it compares
two flows, and can exceed 100 % where reports of an earlier period are confirmed.

*Special cases.* A merged case (合并) counts nowhere: the case that continues with its findings
counts. A withdrawn case counts as received and withdrawn only. A verdict that was undone does not
count, nor does a confirmation after which the case was rejected on appeal. A reopened case, or one
under appeal, is open: it counts as closed again in the period in which it is closed again, and a
reopened one is due by its new deadline. A deferral moves the deadline by its length when the case
is resumed. A case without a limit for closing is never due.

The times are medians, as the middle value or the mean of the two middle ones, in seconds, of
calendar time: to confirm (from ``filed_at``) over ``filed``, to handle (from the last dispatch,
rework included) and to close (from ``filed_at``) over ``closed``.
"""

from __future__ import annotations

from cv_engine.cases.statistics.figures import Figures
from cv_engine.cases.statistics.period import Period
from cv_engine.cases.statistics.queries import Selection, figures, figures_and_total, total
from cv_engine.cases.statistics.repeats import RepeatPlace, repeat_places
from cv_engine.figure_rows import By

__all__ = [
    "By",
    "Figures",
    "Period",
    "RepeatPlace",
    "Selection",
    "figures",
    "figures_and_total",
    "repeat_places",
    "total",
]
