"""Sessions: who signed in, in a cookie that only we can have written."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from jobrunr.dashboard.access import Role, User
from jobrunr.dashboard.guard.revocations import Revocations
from jobrunr.dashboard.guard.signing import Signing, is_equal, random_text

LONGEST = 12 * 3600.0
"""Seconds that a session lasts."""
_PURPOSE = "session"


class Session(msgspec.Struct, frozen=True):
    """Somebody who has signed in.

    Arguments:
        id: at random; another one at every sign-in.
        way: how: ``"password"`` or ``"openid"``.
        proof: follows from what made the session good. If that changes, it is not good any more.
        ends: seconds since 1970.
    """

    id: str
    way: str
    name: str
    role: Role
    proof: str
    ends: float

    @property
    def user(self) -> User:
        """Whose it is."""
        return User(self.name, self.role)


class Sessions:
    """Makes sessions and knows them again.

    Arguments:
        signing: signs them.
        revocations: knows those that were ended.
        ground: on what a session of a way and a name stands; None if on nothing any more.
        now: seconds since 1970.
    """

    def __init__(
        self,
        signing: Signing,
        revocations: Revocations,
        ground: Callable[[str, str], str | None],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._signing = signing
        self._revocations = revocations
        self._ground = ground
        self._now = now

    def begin(self, way: str, user: User) -> str:
        """A session, as it stands in a cookie."""
        proof = self._proof(way, user.name)
        assert proof is not None, "whoever signs in is known"
        session = Session(random_text(), way, user.name, user.role, proof, self._now() + LONGEST)
        return self._signing.seal(_PURPOSE, msgspec.json.encode(session))

    def find(self, cookie: str) -> Session | None:
        """The session in a cookie, if it is good."""
        content = self._signing.open(_PURPOSE, cookie)
        if content is None:
            return None
        try:
            session = msgspec.json.decode(content, type=Session)
        except msgspec.MsgspecError:  # of another version of this library
            return None
        proof = self._proof(session.way, session.name)
        if session.ends <= self._now() or proof is None or not is_equal(session.proof, proof):
            return None
        return None if session.id in self._revocations else session

    def end(self, session: Session) -> None:
        """It is not good any more, wherever its cookie is."""
        self._revocations.add(session.id, session.ends)

    def _proof(self, way: str, name: str) -> str | None:
        ground = self._ground(way, name)
        return None if ground is None else self._signing.code("proof", f"{way}\0{ground}")
