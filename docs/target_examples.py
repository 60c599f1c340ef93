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
    "integrations.NAME": """
```toml
[flags]
variable = "INTEGRATIONS_{NAME}_ENABLED"
disabled = { status = 503, body = { detail = "integration disabled" } }
defaults = { "0.4.0" = "on", "0.5.0" = "off" }      # where no variable is set

[integrations.jira]
flag = "FEATURE_TICKETS"                            # instead of INTEGRATIONS_JIRA_ENABLED
defaults = { "0.5.0" = "on" }

[integrations.sentry]
ungated = "its handler is part of the alerting; off only with the whole release"
```

`defaults`: where a release turns off what is not set, drills begin with every flag set to `on`. The prevention drills and
the doctor then take all flags out of the environment, as a rollback to a release that was configured otherwise does, and
hold every integration against what is said here; nothing is said of those without a default.

`ungated`: no drill turns it off, nor claims that it cannot be; it has to work while others are off. What is told instead
is the finding `integration-ungated`, which fails nothing.
""",
}
