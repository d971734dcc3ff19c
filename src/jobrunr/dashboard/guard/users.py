"""The users that stand in the settings."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from jobrunr.dashboard.access import Role, User
from jobrunr.dashboard.guard.passwords import can_be_hash, is_password
from jobrunr.errors import WrongSettingError
from jobrunr.setting_types import USER


class _Kept(msgspec.Struct, frozen=True):
    user: User
    password: str
    line: str


class Users:
    """Knows users by name and password.

    Arguments:
        lines: the setting ``dashboard_users``.

    Raises:
        WrongSettingError: two have the same name, or a hash cannot be one.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self._kept: dict[str, _Kept] = {}
        for line in lines:
            match = re.fullmatch(USER, line)
            assert match is not None, "the settings were checked"
            if match["name"] in self._kept:
                raise WrongSettingError("dashboard_users", match["name"], "two lines", "each name once")
            user = User(match["name"], Role[match["role"].upper()])
            if not can_be_hash(match["password"]):
                raise WrongSettingError("dashboard_users", user.name, "its line", "what `jobrunr dashboard-user` prints")
            self._kept[user.name] = _Kept(user, match["password"], line)

    def __bool__(self) -> bool:
        return bool(self._kept)

    def check(self, name: str, password: str) -> User | None:
        """The user of this name, if the password is right. One that does not exist takes as long."""
        kept = self._kept.get(name)
        measured = kept or next(iter(self._kept.values()))
        is_right = is_password(password, measured.password)
        return kept.user if kept is not None and is_right else None

    def find(self, name: str) -> User | None:
        """The user of this name, whose password is known to be right."""
        kept = self._kept.get(name)
        return None if kept is None else kept.user

    def line(self, name: str) -> str | None:
        """All that is known of a user. It changes with the password and with the role."""
        kept = self._kept.get(name)
        return None if kept is None else kept.line
