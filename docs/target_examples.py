"""Examples for the page about the target file, by table; a test reads each of them beside the reference target."""

EXAMPLES = {
    "integrations.NAME.disabled": """
```toml
[flags]
variable = "INTEGRATIONS_{NAME}_ENABLED"
disabled = { status = 503, body = { detail = "integration disabled" } }    # exactly this JSON

[integrations.github]
disabled = { status = [404, 410] }                                         # either of them, whatever the body

[integrations.jira]
disabled = { status = 503, contains = { reason = "disabled" } }            # JSON with this in it

[integrations.slack]
disabled = { status = 503, pattern = "turned off", not_pattern = "(?i)database|pool" }

[integrations.linear]
disabled = { status = 202, contains = { status = "ignored" } }             # acknowledged in form, and dropped
```

Every drill that turns an integration off holds its answer against this one, and client traffic counts such an answer as
*deliberate*: neither an error nor downtime. `pattern` and `not_pattern` are searched in the text of the body as it was
sent, at most 65536 characters of it. A status that `delivery.accepted` names as well needs one of the other keys.
""",
}
