"""What somebody likes. Kept in the browser: whoever uses another has other preferences there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from starlette.responses import Response

from jobrunr.dashboard.answers import go_to, page
from jobrunr.dashboard.call import Call
from jobrunr.dashboard.refusal import Refusal

CHOICES: Mapping[str, Mapping[str, str]] = {
    "theme": {"system": "As the system has it", "light": "Light", "dark": "Dark"},
    "times": {"relative": "How long ago", "local": "Local time", "utc": "UTC"},
}
"""What can be chosen; what comes first is meant where nothing was."""
_YEAR = 365 * 86_400


def preferences(call: Call) -> Response:
    """The page."""
    chosen = {name: call.request.cookies.get(_cookie(name), next(iter(words))) for name, words in CHOICES.items()}
    return page(
        call, "preferences.html", choices=CHOICES, chosen=chosen, is_saved="saved" in call.query, now=datetime.now(UTC)
    )


def save(call: Call) -> Response:
    """Keep what was chosen, for browsers without JavaScript."""
    chosen = {name: call.field(name) for name in CHOICES}
    for name, value in chosen.items():
        if value not in CHOICES[name]:
            raise Refusal(422, f"The {name} can be {', '.join(CHOICES[name])}.", name)
    response = go_to(call, "preferences", saved=1)
    for name, value in chosen.items():
        response.set_cookie(_cookie(name), value, max_age=_YEAR, path="/", samesite="lax")
    return response


def _cookie(name: str) -> str:
    return f"jobrunr_{name}"
