"""Test cases for authors of runtimes, to inherit in their own test suite."""

from __future__ import annotations

import pytest

# Before the module is imported, so that a failed assertion of the contract shows its values.
pytest.register_assert_rewrite(f"{__name__}.gateway_contract")
