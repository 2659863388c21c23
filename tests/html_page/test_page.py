from __future__ import annotations

from html.parser import HTMLParser

from cv_engine.html_page.page import page, picture, table


class _Tags(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_page_fetches_nothing_and_is_readable_on_a_phone() -> None:
    tags = _Tags(page("Cases <1>", ["<h1>Cases</h1>"], style="b{}", script="let a"))
    assert {"link", "iframe"}.isdisjoint(tag for tag, _ in tags.found)
    assert all("src" not in attributes for tag, attributes in tags.found if tag == "script")
    assert ("meta", {"charset": "utf-8"}) in tags.found
    assert any("width=device-width" in (a.get("content") or "") for _, a in tags.found)
    assert "Cases <1>" in tags.text


def test_a_page_has_a_print_view() -> None:
    assert "@media print" in page("Cases", [])


def test_a_picture_opens_and_says_what_it_shows() -> None:
    tags = _Tags(picture("a b.jpg", "data:image/jpeg;base64,AA==", 'a "car"', "Case 1", "site-1"))
    figure, link, image = tags.found[:3]
    assert figure == ("figure", {"id": "site-1"})
    assert link == ("a", {"href": "a b.jpg"})
    assert image[1]["alt"] == 'a "car"'


def test_a_table_scrolls_sideways() -> None:
    text = table(["<th>a</th>"], [["<td>1</td>"], ["<td>2</td>"]])
    assert text.startswith('<div class="wide">')
    assert text.count("<tr>") == 3
