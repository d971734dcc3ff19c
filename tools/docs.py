"""The pages that are made from the code, and the links between all pages.

python tools/docs.py write      write the generated pages
python tools/docs.py check      fail if one of them is out of date, or a link leads nowhere
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from jobrunr.setting_descriptions import SettingDescription, describe_settings

ROOT = Path(__file__).parent.parent
SETTINGS_PAGE = ROOT / "docs" / "reference" / "settings.md"
LINK = re.compile(r"\[[^\]]*\]\(<?([^)\s>]+)>?[^)]*\)")
FENCED = re.compile(r"^(```|~~~).*?^\1", re.DOTALL | re.MULTILINE)


def settings_page() -> str:
    """The reference of all settings, in Markdown."""
    return "\n".join([SETTINGS_INTRODUCTION, *map(settings_section, describe_settings())])


SETTINGS_INTRODUCTION = """\
<!-- Made by `make docs` from src/jobrunr/settings.py: change it there. -->
# Settings

A setting is given in code (`JobRunr(url, workers=20)`), in an environment variable (`JOBRUNR_WORKERS=20`), or in a file, and
counts in that order. The file is the nearest `jobrunr.toml`, or `pyproject.toml` with a table `[tool.jobrunr]`, from the
working directory upwards:

```toml
url = "postgresql://localhost/shop"
workers = 20
shutdown_grace = "30s"
queues = ["mail", "reports"]
```

Durations are written `"36h"`, `"15s"`, `"250ms"`, `"1h30m"`, `"3d"`, `"PT36H"`, or as a number of seconds; in code a
`timedelta` will do, too. Sizes are numbers of bytes, or `"64KiB"`, `"1MiB"`. In an environment variable a list is written
with commas, and `none` (or `never`) stands for no value. A name that does not exist and a value that is not allowed are
refused.
"""


def settings_section(setting: SettingDescription) -> str:
    description = setting.description.replace("``", "`")
    return (
        f"## `{setting.name}`\n\n{description}\n\n"
        f"* Default: {setting.default}\n* Allowed: {setting.allowed}\n* Environment: `{setting.variable}`\n"
    )


GENERATED = {SETTINGS_PAGE: settings_page}


def pages() -> list[Path]:
    return [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


def anchors(page: Path) -> set[str]:
    """The names of a page's headings, as they stand in links."""
    headings = re.findall(r"^#+ +(.+?)\s*$", FENCED.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> Iterator[str]:
    """The links of a page to files and headings of ours that do not exist. Links to elsewhere are not followed."""
    for link in LINK.findall(FENCED.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            yield f"{page.relative_to(ROOT)}: the link {link} leads nowhere"


def check() -> list[str]:
    old = [page for page, make in GENERATED.items() if not page.exists() or page.read_text(encoding="utf-8") != make()]
    stale = [f"{page.relative_to(ROOT)} is out of date; run `make docs`" for page in old]
    return stale + [problem for page in pages() for problem in broken_links(page)]


def write() -> list[str]:
    for page, make in GENERATED.items():
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(make(), encoding="utf-8")
    return []


if __name__ == "__main__":
    problems = {"check": check, "write": write}[sys.argv[1]]()
    print(*problems, sep="\n", end="\n" if problems else "")
    sys.exit(bool(problems))
