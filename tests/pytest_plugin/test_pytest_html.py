"""The report of pytest-html beside the incident document."""

from __future__ import annotations

from html.parser import HTMLParser

from support.drill_project import Project

HOSTILE = """
import pytest

@pytest.mark.parametrize("value", ["<script>alert(1)</script>", '"><img src=x onerror=alert(2)>'])
@pytest.mark.drill("<script>alert(3)</script>", runbook="quick-flags", objective="feature_flag")
def test_hostile(drill, value):
    with drill.recovery(), drill.step(value):
        drill.check("it holds", value, expected=1)
"""


class Page(HTMLParser):
    """The tags, links and texts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.data = self.seen = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        named = dict(attributes)
        self.links += [named["href"] or ""] if "href" in named else []
        self.data = named.get("data-jsonblob") or self.data

    def handle_data(self, text: str) -> None:
        self.seen += text


def rows_of(page: Page) -> list[Page]:
    import json

    tests = json.loads(page.data)["tests"].values()
    return [Page("".join(test["resultsTableRow"])) for results in tests for test in results]


def test_pytest_html(project: Project) -> None:
    project.write(HOSTILE)
    project.run_here()
    page = Page((project.run_directory / "pytest.html").read_text())
    assert {"Verdict", "Recovery", "Findings"} <= set(page.seen.split())
    assert "incident.html" in page.links
    rows = rows_of(page)
    assert len(rows) == 2
    for row in rows:
        assert set(row.tags) <= {"td", "a"}
        (link,) = row.links
        document, _, anchor = link.partition("#")
        assert document == "incident.html"
        assert f'id="{anchor}"' in (project.run_directory / document).read_text()
        assert "failed" in row.seen
        assert "never of 10 s" in row.seen
    assert "<script>alert(1)</script>" in rows[0].seen
    assert "<script>alert" not in (project.run_directory / "incident.html").read_text()


def test_pytest_html_elsewhere(project: Project) -> None:
    project.write(HOSTILE)
    project.run_here("--html=out/x.html", "--self-contained-html")
    assert not (project.run_directory / "pytest.html").exists()
    page = Page((project.path / "out" / "x.html").read_text())
    (link,) = {link.partition("#")[0] for row in rows_of(page) for link in row.links}
    assert (project.path / "out" / link).resolve() == project.run_directory / "incident.html"
