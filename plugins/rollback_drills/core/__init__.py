"""Small things that know nothing of drills."""
