"""Optional keys that many gateways need, as comments that can be uncommented."""

from __future__ import annotations


def hints(section: str, current: str, previous: str) -> tuple[str, ...]:
    """The comments at the end of a section.

    Args:
        current: the release that runs in production, as TOML.
        previous: the release to go back to, as TOML.
    """
    return tuple(
        line.replace("<current>", current).replace("<previous>", previous)
        for line in _HINTS.get(section, "").strip().splitlines()
    )


_HINTS = {
    "health": """
Is health positive even without any tables? Add a request that needs them:
[write_probe]
path = "/orders"
json = { id = "{unique}" }
status = 201
""",
    "version": """
Do both releases report the same version? Distinguish them by the entries of a list, or the routes of an OpenAPI
document:
routes = { path = "/openapi.json", pointer = "/paths", releases = { <current> = 25, <previous> = 23 } }
""",
    "delivery": """
Instead of json: form = { field = "{unique}" } or raw = "text with {unique}". Optional keys:
signature = { header = "X-Hub-Signature-256", secret = "${WEBHOOK_SECRET}", prefix = "sha256=" }
repeated = { status = [200, 409] }  # the answer to a repeated delivery
absent = { status = 404 }  # the previous release's answer for an integration that it does not have
rate_limit = 10.0  # deliveries per second that it accepts
""",
    "integrations": """
To change one: path, headers, json, form, raw and secret as in [delivery]; flag, defaults and disabled as in
[flags]; ungated = "why" if it has no flag, which reports list as a known gap.
""",
    "flags": """
Other keys of disabled: status = [404, 410], contains = {}, pattern = "", not_pattern = "database".
The state of a flag whose variable is not set, if that is not on:
defaults = { <current> = "off", <previous> = "off" }
""",
}
