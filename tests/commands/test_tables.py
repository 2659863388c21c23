from __future__ import annotations

from rich.console import Console

from cv_engine.commands.tables import empty_table, records_of, rows_table


def test_a_table_becomes_one_record_a_row_without_padding_and_markup() -> None:
    table = empty_table(["id", "re-\nceived", "on time\n%"])
    table.add_row("1", "[bold red]escalated[/]", "two\nlines")
    table.add_row("10", "a\tb", "\\[not markup]")
    assert list(records_of(table)) == [
        ["id", "received", "on time %"],
        ["1", "escalated", "two; lines"],
        ["10", "a b", "[not markup]"],
    ]


def test_a_fact_of_several_lines_is_several_records_with_its_name() -> None:
    from rich.table import Table

    grid = Table.grid()
    grid.add_row("[bold]history[/]", "filed\nconfirmed")
    assert list(records_of(grid)) == [["history", "filed"], ["history", "confirmed"]]


def test_a_table_fits_the_terminal() -> None:
    rows = [{"camera": "a-long-name-of-a-camera-at-the-corner", "kind": "motor_vehicle_parked"}]
    console = Console(width=40)
    with console.capture() as shown:
        console.print(rows_table(rows))
    assert max(map(len, shown.get().splitlines())) <= 40
