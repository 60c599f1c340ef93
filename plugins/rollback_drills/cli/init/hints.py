"""Keys that a first target file does without and many a gateway needs: comments, each of which can be uncommented."""

from __future__ import annotations


def hints(section: str, current: str, previous: str) -> tuple[str, ...]:
    """The comments at the end of a section.

    Args:
        current: the release that runs in production, as TOML writes it.
        previous: the release to go back to, as TOML writes it.
    """
    return tuple(
        line.replace("<current>", current).replace("<previous>", previous)
        for line in _HINTS.get(section, "").strip().splitlines()
    )


_HINTS = {
    "health": """
Positive although there are no tables? Then a request that needs them:
[write_probe]
path = "/orders"
json = { id = "{unique}" }
status = 201
""",
    "version": """
Do both releases say the same? What a list, or the routes of an OpenAPI document, has in each tells them apart:
routes = { path = "/openapi.json", pointer = "/paths", releases = { <current> = 25, <previous> = 23 } }
""",
    "delivery": """
Instead of json: form = { field = "{unique}" } or raw = "text with {unique}". And where there is more to it:
signature = { header = "X-Hub-Signature-256", secret = "${WEBHOOK_SECRET}", prefix = "sha256=" }
repeated = { status = [200, 409] }  # what the same delivery is answered once more
absent = { status = 404 }  # what the previous release answers for an integration that it does not have
rate_limit = 10.0  # deliveries per second that it takes
""",
    "integrations": """
Where one differs: path, headers, json, form, raw and secret as in [delivery]; flag, defaults and disabled as in
[flags]; ungated = "why" where no flag turns it off, which is told as a known gap.
""",
    "flags": """
Of a disabled integration, also: status = [404, 410], contains = {}, pattern = "", not_pattern = "database".
What a flag is that is not set, if that is not on:
defaults = { <current> = "off", <previous> = "off" }
""",
}
