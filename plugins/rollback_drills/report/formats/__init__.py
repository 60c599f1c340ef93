"""Documents: HTML, Markdown, terminal, JUnit, CI job summary."""
