"""What several rooms' tests share: projects, samples and servers under test."""
