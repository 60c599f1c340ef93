"""The forges that are listened to, the switch of each (FORGE_GITHUB=disabled), and the signature of their webhooks."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

FORGES = ("github", "gitea", "forgejo", "bitbucket", "gogs")
_SWITCH = {"enabled": True, "disabled": False}


class SettingError(Exception):
    """A variable of the environment that is missing, or says what nobody understands."""


def listened_to(environment: Mapping[str, str]) -> frozenset[str]:
    """The forges that are not disabled."""
    found = set()
    for forge in FORGES:
        value = environment.get(f"FORGE_{forge.upper()}", "enabled")
        if value not in _SWITCH:
            raise SettingError(f"FORGE_{forge.upper()} must be enabled or disabled, not {value!r}")
        if _SWITCH[value]:
            found.add(forge)
    return frozenset(found)


def secrets(environment: Mapping[str, str]) -> dict[str, bytes]:
    """The secret that each forge signs with; each has one of its own, HOOK_SECRET_GITHUB and so on."""
    found = {forge: environment.get(f"HOOK_SECRET_{forge.upper()}", "").encode() for forge in FORGES}
    missing = [f"HOOK_SECRET_{forge.upper()}" for forge, secret in found.items() if not secret]
    if missing:
        raise SettingError(f"{', '.join(missing)} must be set: without a secret anybody could sign")
    return found


def is_signed(body: bytes, signature: str | None, secret: bytes) -> bool:
    """Whether the header X-Hub-Signature-256 is that of these very bytes: ``sha256=`` and the HMAC in hexadecimal."""
    expected = f"sha256={hmac.new(secret, body, hashlib.sha256).hexdigest()}"
    return signature is not None and hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace"))
