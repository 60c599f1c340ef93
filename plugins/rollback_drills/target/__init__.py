"""The target file: the system under drill."""
