"""The target's own Compose file, as an isolated project."""
