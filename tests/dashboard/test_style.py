"""Colours can be told from what is behind them, in both themes (WCAG 2.2, success criteria 1.4.3 and 1.4.11)."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

_STYLE = (files("jobrunr.dashboard") / "static" / "style.css").read_text(encoding="utf-8")
COLOURS = {
    name: {"light": light, "dark": dark}
    for name, light, dark in re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", _STYLE)
}

TEXTS = [
    *((ink, paper) for ink in ("ink", "ink-2", "accent") for paper in ("paper", "paper-2")),
    *((ink, "wait-2") for ink in ("ink", "ink-2", "wait")),
    *((ink, f"{kind}-2") for kind in ("good", "bad", "warn") for ink in ("ink", kind)),
    *((ink, f"{kind}-2") for kind in ("bad", "warn", "good") for ink in ("accent",)),
    ("busy", "busy-2"),
    ("accent-ink", "accent"),
    ("warn", "paper-2"),
    ("bad", "paper"),
    ("bad", "paper-2"),
]
"""What stands on what as text."""
SHAPES = [("edge", "paper"), ("edge", "paper-2"), ("good", "paper-2"), ("bad", "paper-2"), ("accent", "paper")]
"""What has to be seen without being text: the edges of fields, bars, where the focus is."""

in_both_themes = pytest.mark.parametrize("theme", ["light", "dark"])


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    red, green, blue = (int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (red, green, blue)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_black_on_white_is_twenty_one_to_one() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@in_both_themes
@pytest.mark.parametrize(("ink", "paper"), TEXTS, ids="-on-".join)
def test_text_can_be_read(theme: str, ink: str, paper: str) -> None:
    assert contrast(COLOURS[ink][theme], COLOURS[paper][theme]) >= 4.5


@in_both_themes
@pytest.mark.parametrize(("shape", "paper"), SHAPES, ids="-on-".join)
def test_shapes_can_be_seen(theme: str, shape: str, paper: str) -> None:
    assert contrast(COLOURS[shape][theme], COLOURS[paper][theme]) >= 3


def test_every_colour_has_a_name() -> None:
    _, _, rules = _STYLE.partition("}")
    assert re.findall(r"#[0-9a-fA-F]{3,8}\b|\brgba?\(", rules) == []
    assert set(re.findall(r"var\(--([\w-]+)\)", _STYLE)) <= {*COLOURS, "radius", "mono"}
