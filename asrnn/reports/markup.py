"""HTML from plain strings: whatever is not `Markup` already is escaped, so nothing is forgotten."""

import base64
import html
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from asrnn.objectives import Metric

VOID = ("img", "meta")

LONG = 36
"""Text of more characters is wrapped within its cell."""

NOTHING = "\N{EN DASH}"
"""What a cell without a value shows."""


class Markup(str):
    """Text that is HTML, and not to be escaped again."""


class Cell(NamedTuple):
    """A cell of a table; a column of numbers is sorted by `order` and aligned right."""

    content: str
    order: float | None = None


def element(tag: str, *children: str, **attributes: str) -> Markup:
    """<tag attribute="...">children</tag>.

    Args:
      tag: its name.
      *children: what is within; text is escaped.
      **attributes: values are escaped; `class_` stands for class, `aria_label` for aria-label.
    """
    written = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{html.escape(value)}"'
        for name, value in attributes.items()
    )
    if tag in VOID:
        return Markup(f"<{tag}{written}>")
    return Markup(f"<{tag}{written}>{join(children)}</{tag}>")


def join(parts: Sequence[str]) -> Markup:
    """The parts one after the other; text is escaped."""
    return Markup("".join(p if isinstance(p, Markup) else html.escape(p) for p in parts))


def picture(png: bytes, description: str) -> Markup:
    """A PNG within the page, as wide as that at most."""
    source = "data:image/png;base64," + base64.b64encode(png).decode()
    return element("img", src=source, alt=description, class_="picture")


def table(caption: str, header: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Markup:
    """A table that scrolls on its own; the first cell of a row is its heading."""
    numeric = [any(row[i].order is not None for row in rows) for i in range(len(header))]
    heading = element(
        "tr",
        *(
            element("th", name, scope="col", **_kind(number))
            for name, number in zip(header, numeric, strict=True)
        ),
    )
    body = [
        element(
            "tr",
            element("th", row[0].content, scope="row"),
            *(_data(*pair) for pair in zip(row[1:], numeric[1:], strict=True)),
        )
        for row in rows
    ]
    whole = element(
        "table",
        element("caption", caption),
        element("thead", heading),
        element("tbody", *body),
    )
    return scroller(whole, caption)


def scroller(content: Markup, name: str) -> Markup:
    """A box that scrolls what is wider than the page, also with the keys."""
    return element("div", content, class_="scroll", tabindex="0", role="region", aria_label=name)


def definitions(pairs: Sequence[tuple[str, str]]) -> Markup:
    """Names and their values."""
    return element("dl", *(element("div", element("dt", a), element("dd", b)) for a, b in pairs))


def details(summary: str, *children: str, **attributes: str) -> Markup:
    """What is folded away until it is asked for."""
    return element("details", element("summary", summary), *children, **attributes)


def number(value: float | None, shape: str) -> Cell:
    """A number written by a format such as ".2%", or the sign for none."""
    return Cell(NOTHING) if value is None else Cell(format(value, shape), float(value))


def score(value: float | None, metric: Metric) -> Cell:
    """A value of a metric, or the sign for none."""
    return Cell(NOTHING) if value is None else Cell(metric.text(value), float(value))


def _data(cell: Cell, numeric: bool) -> Markup:
    order = {} if cell.order is None else {"data_order": repr(cell.order)}
    long = len(cell.content) > LONG and not isinstance(cell.content, Markup)
    return element("td", cell.content, **_kind(numeric, long), **order)


def _kind(numeric: bool, long: bool = False) -> dict[str, str]:
    return {"class_": "number"} if numeric else {"class_": "long"} if long else {}


def status_mark(status: str) -> Markup:
    """The word with a mark whose shape and colour say the same."""
    return element("span", status, class_=f"status {status}")


def tally(states: Sequence[str]) -> str:
    """For example "5 done, 2 diverged", the most frequent first."""
    counts = sorted(Counter(states).items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count} {status}" for status, count in counts)
