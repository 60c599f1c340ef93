"""What a release is made from: trees, git references, Python environments."""
