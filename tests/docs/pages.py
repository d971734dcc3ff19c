"""The examples in the documentation, as steps that can be run.

A fenced block is run according to its language:

* ``python`` whose first line is a comment with the name of a file is written into that file; ``toml`` likewise;
* other ``python`` is executed, all blocks of a page one after the other in the same namespace;
* ``pycon`` is a session whose output must match (``...`` stands for anything);
* ``console`` holds commands behind ``$``, for a shell; the output below must match, if there is any.

Other languages are for reading only. A block that cannot be run has a comment right above it that says why:
``<!-- not run: it wants a mail server -->``. What a reader need not see stands in a comment of its own, which is run too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

_BLOCK = re.compile(
    r"(?:^<!-- not run: (?P<reason>[^\n]+?) -->\n+)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_FILE = re.compile(r"# (?P<name>[\w./-]+\.(?:py|toml))\n")
RUN = frozenset({"python", "toml", "pycon", "console"})


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    page: str
    line: int
    language: str
    text: str
    reason: str | None
    """Why it is not run."""

    @property
    def file(self) -> str | None:
        """The file that it is to be written into."""
        match = _FILE.match(self.text)
        return match["name"] if match and self.language in ("python", "toml") else None


def blocks_of(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    name = str(page.relative_to(ROOT)) if page.is_relative_to(ROOT) else page.name
    return [
        Block(name, text.count("\n", 0, match.start("text")) + 1, match["language"], match["text"], match["reason"])
        for match in _BLOCK.finditer(text)
    ]
