"""HTML is made of escaped parts; a table has headings with a scope and scrolls on its own."""

from __future__ import annotations

from asrnn.reports.markup import Cell, Markup, element, join, number, picture, table


def test_text_and_attributes_are_escaped_and_markup_is_not_escaped_again() -> None:
    inner = element("b", "1 < 2 & 3")
    assert inner == "<b>1 &lt; 2 &amp; 3</b>"
    assert element("p", inner, "<i>") == "<p><b>1 &lt; 2 &amp; 3</b>&lt;i&gt;</p>"
    assert element("a", href='"><script>') == '<a href="&quot;&gt;&lt;script&gt;"></a>'
    assert isinstance(join([inner, "x"]), Markup)


def test_names_of_attributes_are_those_of_html() -> None:
    made = element("th", "run", class_="number", aria_label="a", viewBox="0 0 1 1")
    assert made == '<th class="number" aria-label="a" viewBox="0 0 1 1">run</th>'
    assert element("img", alt="x") == '<img alt="x">'


def test_a_table_has_a_caption_and_headings_of_rows_and_columns() -> None:
    made = table("Runs & all", ["run", "steps"], [[Cell("a<b"), number(1200, ",.0f")]])
    assert 'role="region"' in made and 'tabindex="0"' in made
    assert "<caption>Runs &amp; all</caption>" in made
    assert '<th scope="col">run</th><th scope="col" class="number">steps</th>' in made
    assert '<th scope="row">a&lt;b</th><td class="number" data-order="1200.0">1,200</td>' in made


def test_a_number_that_is_not_there_is_a_dash_among_numbers() -> None:
    made = table("t", ["a", "b"], [[Cell("x"), number(None, ".1f")], [Cell("y"), number(2, ".1f")]])
    assert '<td class="number">\N{EN DASH}</td>' in made


def test_long_text_is_wrapped_and_short_text_is_not() -> None:
    made = table("t", ["a", "b"], [[Cell("x"), Cell("y" * 80)], [Cell("x"), Cell("short")]])
    assert f'<td class="long">{"y" * 80}</td>' in made
    assert "<td>short</td>" in made


def test_a_picture_is_within_the_page_and_described() -> None:
    made = picture(b"\x89PNG", "Two < three")
    assert '<img src="data:image/png;base64,iVBORw==" alt="Two &lt; three"' in made
