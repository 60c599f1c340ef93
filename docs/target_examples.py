"""Examples for the page about the target file, by table. A test merges each with the reference target and reads it."""

EXAMPLES = {
    "requests": """
```toml
[logins.user]
path = "/api/v1/login/access-token"
form = { username = "ada@example.com", password = "a password of the seed" }

[[requests]]
name = "create item"
login = "user"
path = "/api/v1/items"
json = { title = "{unique}" }
stored = "SELECT title FROM item WHERE title = ANY(%(ids)s)"

[[requests]]
name = "who am I"
login = "user"
path = "/api/v1/users/me"
same = true
```

A request with `stored` is treated as a delivery to an integration is: clients send it during the whole drill, each
acknowledged one must be in the database exactly once, and a refused one must not be. Where the documentation says
*integration* or *delivery*, such a request is meant as well. A request without `stored` reads: it must be answered with
a status of `accepted`, before and after a rollback, and counts in the downtime of clients.

`same = true`: before the drills, the previous release is asked on its own schema, twice, with writes and a restart in
between. What it answers the same both times, it must answer after a rollback too (`read-differs`). An answer that
writes or a restart change by themselves is reported as not compared.
""",
    "logins.NAME": """
```toml
[logins.api]                                  # a token in the body, sent as `Authorization: Bearer …`
path = "/auth/token"
json = { user = "ada", password = "${API_PASSWORD:-a password of the seed}" }
token = "/data/token"

[logins.browser]                              # a session cookie
path = "/login"
form = { username = "ada", password = "a password of the seed" }
cookie = "session"
expired = [302, 401]                          # a login page instead of an answer

[[requests]]
name = "create parcel"
login = "browser"
path = "/parcels"
json = { number = "{unique}" }
stored = "SELECT number FROM parcels WHERE number = ANY(%(ids)s)"
```

Clients log in once, and again where an answer is one of `expired`; the request is then repeated once. So a restart that
forgets all sessions costs a login, and no error. A login that fails is told as such; what needs it was not sent.
""",
    "integrations.NAME.disabled": """
```toml
[flags]
variable = "INTEGRATIONS_{NAME}_ENABLED"
disabled = { status = 503, body = { detail = "integration disabled" } }    # exactly this JSON

[integrations.github]
disabled = { status = [404, 410] }                                         # either of them, whatever the body

[integrations.gitlab]
disabled = { status = 503, body = { detail = "{integration} is off" } }    # "gitlab is off"

[integrations.jira]
disabled = { status = 503, contains = { reason = "disabled" } }            # JSON with this in it

[integrations.slack]
disabled = { status = 503, pattern = "turned off", not_pattern = "(?i)database|pool" }

[integrations.linear]
disabled = { status = 202, contains = { status = "ignored" } }             # acknowledged in form, and dropped
```

Every drill that turns an integration off compares its answer with this one, and client traffic counts such an answer
as *deliberate*: neither an error nor downtime. `pattern` and `not_pattern` are searched in the text of the body as it
was sent, at most 65536 characters of it. A status that `delivery.accepted` names as well needs one of the other keys.

In all of them, patterns included, `{integration}` stands for the integration's name. There is no other placeholder,
since the answer must be the same each time. Braces that enclose no word stand for themselves, as in `\\d{3}`;
`{{word}}` is the text `{word}`. The same goes for `delivery.repeated` and `delivery.absent`.
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

`defaults`: an unset flag has the default that is declared here. If a release turns off what is not set, drills begin
with every flag set to `on`. The prevention drills and the doctor then remove all flags from the environment, as a
rollback to a release that was configured otherwise does, and verify every integration that has a default.

`ungated`: no drill turns it off or claims that it cannot be turned off, and it must work while others are off. Every
report has the finding `integration-ungated` instead, which fails nothing.
""",
    "delivery": """
```toml
[delivery]
path = "/hooks"
headers = { "X-Source" = "{integration}", "X-Event-Id" = "{unique}" }
form = { payload = '{{"id": "{unique}"}}' }         # or json, or raw; a literal brace is written twice
accepted = [200, 202]
repeated = { status = [200, 409] }                  # the same delivery once more
rate_limit = 50.0                                   # per second
stored = "SELECT event_id FROM events WHERE event_id = ANY(%(ids)s)"

[integrations.jenkins]
path = "/hooks/ci"
raw = "<build id='{unique}'/>"
headers = { "Content-Type" = "application/xml" }    # besides those of all, or instead of one of them
```

`repeated`: after the rollback, the drill of the application sends again what it had sent before. The previous release
must answer as agreed, and store nothing twice.

`rate_limit`: clients send no faster than this, and every other request of theirs is a delivery. The drill keeps its own
deliveries to the other half, so that together they never exceed the limit. This makes the verification slower, and with
it the measured recovery: if the gateway has a variable that lifts its limit, set that under `[gateway.env]` instead. A
delivery that is answered 429 nonetheless is the finding `deliveries-rate-limited`, whatever else is found. A limit that
holds for every request, reads too, is `rate_limit` under `[traffic]`.
""",
    "delivery.signature": """
```toml
# GitHub: X-Hub-Signature-256: sha256=<hex>
[delivery.signature]
header = "X-Hub-Signature-256"
secret = "${WEBHOOK_SECRET}"
prefix = "sha256="

[integrations.slack]
secret = "${SLACK_SIGNING_SECRET}"
```

```toml
# Slack: X-Slack-Signature: v0=<hex>, over a version, the time and the body
[delivery.signature]
header = "X-Slack-Signature"
secret = "${SLACK_SIGNING_SECRET}"
prefix = "v0="
payload = "v0:{timestamp}:{body}"
timestamp_header = "X-Slack-Request-Timestamp"
```

```toml
# Stripe: Stripe-Signature: t=<seconds>,v1=<hex>
[delivery.signature]
header = "Stripe-Signature"
secret = "${STRIPE_WEBHOOK_SECRET}"
prefix = "t={timestamp},v1="
payload = "{timestamp}.{body}"
```

The drilled gateway needs the same secret, under `[gateway.env]`. It is masked in everything that is recorded, without
being listed under `secrets`. The doctor tries unsigned and wrongly signed deliveries, and says which integrations take
them.
""",
    "health": """
```toml
[health]
path = "/healthz"
body = { status = "up" }        # and whatever else it says
timeout = 1.0                   # an orchestrator waits no longer
```
""",
    "runbook": """
```toml
[runbook]
file = "docs/ROLLBACK.md"
```

Nothing in it is executed, and no heading in it is searched for: the sections and the checklist of the report come from
the drills, and are the same for every target. Two things are read:

- its bytes: the report gives its name and SHA-256, so that everyone knows which version was rehearsed;
- its commands: those in fenced blocks of shell (no language, `bash`, `sh`, `shell`, `zsh`, `console`, `shell-session`),
  without prompts and comments, with lines that end in `\\` joined. A command that
  [misleads](runbook-commands.md) is a finding if it stands in such a block, with its line; one that a sentence warns
  of is not.

Any text file will do; one with only a title is a start. If there is none, the doctor says so, the report has `not
readable` for its SHA-256, and the drills of commands to the letter cannot be carried out.
""",
    "write_probe": """
```toml
[write_probe]
path = "/orders"
headers = { "Authorization" = "Bearer ${API_TOKEN}" }
json = { reference = "{unique}", dry_run = false }
status = 201
body = { stored = true }
```

It is sent after every rollback, beside /health and version, by the doctor, and by the drill of /health: there it must
succeed again after the database was frozen, and must not once the schema is gone. Deliveries are tried in any case; a
write probe is worthwhile if the gateway writes more than those, or acknowledges a delivery before it is stored. What it
writes is not accounted for.
""",
    "version.routes": """
```toml
[version]
path = "/version"
pointer = "/version"
expected = { "0.4.0" = "0.5.0" }        # the number was not raised

[version.routes]
path = "/openapi.json"
pointer = "/paths"
releases = { "0.5.0" = 25, "0.4.0" = ["/health", "/version", "/webhooks/{integration}"] }
```

A number says how many entries the list or object has, a list which ones, in any order. It is checked wherever
`[[behaviours]]` are, and a difference is the same finding, `wrong-code`. The third way to tell the releases apart is
`delivery.absent`: the previous release's answer to a delivery for an integration that only the current one has
(`since`).
""",
}
