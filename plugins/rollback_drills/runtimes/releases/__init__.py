"""What releases consist of: trees, git references, Python environments."""
