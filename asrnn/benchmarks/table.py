"""A table, as text for a terminal and as Markdown for a page."""

from typing import NamedTuple


class Table(NamedTuple):
    """The first column is a name, the others are numbers."""

    title: str
    header: list[str]
    body: list[list[str]]


def as_text(table: Table) -> str:
    """Aligned columns; headings of several words stand on two lines."""
    halves = [heading.rpartition(" ")[::2] for heading in table.header]
    lines = [[upper for upper, _ in halves], [lower for _, lower in halves], *table.body]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rows = [_aligned(line, widths) for line in lines if any(line)]
    return "\n".join([table.title, *rows])


def _aligned(cells: list[str], widths: list[int]) -> str:
    pairs = list(zip(cells, widths, strict=True))
    name, width = pairs[0]
    numbers = [cell.rjust(width) for cell, width in pairs[1:]]
    return "  ".join(["", name.ljust(width), *numbers]).rstrip()


def as_markdown(table: Table) -> str:
    """A table of Markdown below its title in bold."""
    rule = ["---", *["---:"] * (len(table.header) - 1)]
    lines = [f"| {' | '.join(cells)} |" for cells in (table.header, rule, *table.body)]
    return "\n".join([f"**{table.title}**", "", *lines])
