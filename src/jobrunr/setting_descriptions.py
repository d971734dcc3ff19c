"""Settings as the documentation tells of them."""

from __future__ import annotations

import msgspec

from jobrunr.field_texts import field_texts
from jobrunr.settings import KINDS, VARIABLES, Settings


class SettingDescription(msgspec.Struct, frozen=True, kw_only=True):
    """What a person wants to know about one setting."""

    name: str
    variable: str
    """The environment variable."""
    type: str
    default: str
    allowed: str
    description: str


def describe_settings() -> tuple[SettingDescription, ...]:
    """All settings, in the order in which they are defined."""
    default, texts = Settings(), field_texts(Settings)
    return tuple(
        SettingDescription(
            name=name,
            variable=variable,
            type=KINDS[name].type,
            default=KINDS[name].show(getattr(default, name)),
            allowed=KINDS[name].allowed,
            description=texts[name],
        )
        for variable, name in VARIABLES.items()
    )
