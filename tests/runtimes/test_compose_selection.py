"""What a compose file makes of the release variable, without an engine: the resolved files are given."""

from __future__ import annotations

from typing import Any

import pytest

from rollback_drills.runtimes.compose.selection import selection
from rollback_drills.runtimes.protocols import ReleaseSelection


def chosen(one: dict[str, Any], other: dict[str, Any]) -> ReleaseSelection:
    """For two forms of the gateway's service; another service differs in any case."""
    models = [
        {"services": {"gateway": gateway, "worker": {"image": f"worker:{n}"}}} for n, gateway in enumerate((one, other))
    ]
    return selection("VERSION", "gateway", *models)


@pytest.mark.parametrize(
    ("one", "other", "effective", "needs_build"),
    [
        pytest.param({"image": "g:1"}, {"image": "g:2"}, True, False, id="the image is named by release"),
        pytest.param({"image": "g:latest"}, {"image": "g:latest"}, False, False, id="a fixed tag"),
        pytest.param({"build": {"context": "/a"}}, {"build": {"context": "/a"}}, False, False, id="one build"),
        pytest.param({"build": {"context": "/1"}}, {"build": {"context": "/2"}}, True, True, id="a build by release"),
        pytest.param(
            {"image": "g:latest", "build": {"args": {"R": "1"}}},
            {"image": "g:latest", "build": {"args": {"R": "2"}}},
            False,
            False,
            id="a fixed tag, and a build that up does not perform",
        ),
        pytest.param(
            {"image": "g", "volumes": [{"source": "code_1"}]},
            {"image": "g", "volumes": [{"source": "code_2"}]},
            True,
            False,
            id="the code is in a volume by release",
        ),
    ],
)
def test_selection(one: dict[str, Any], other: dict[str, Any], effective: bool, needs_build: bool) -> None:
    found = chosen(one, other)
    assert (found.effective, found.needs_build) == (effective, needs_build)


def test_differences_are_named_by_their_place() -> None:
    found = chosen({"image": "g:1", "environment": {"A": "1", "B": "x"}}, {"image": "g:2", "environment": {"B": "x"}})
    assert found.differences == ("image", "environment.A")
    assert found.image == "g:1"


def test_resources_of_the_project_count_as_well() -> None:
    service = {"services": {"gateway": {"image": "g"}}}
    found = selection("V", "gateway", {**service, "volumes": {"code": {"name": "c1"}}}, {**service, "volumes": {}})
    assert found.differences == ("volumes.code",)
