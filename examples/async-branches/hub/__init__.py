"""Collects what is pushed to code forges, from webhooks that the forges sign."""

__version__ = "5.2.0"
