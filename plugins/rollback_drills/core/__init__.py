"""Small tools that know nothing of drills: errors, clock, meter, polling, redaction, placeholders."""
