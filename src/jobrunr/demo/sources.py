"""Which files and packages the demo reads."""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path

_NOT_OURS = frozenset({"site-packages", "dist-packages", "__pycache__"})


def standard_library() -> Path:
    """The folder of the standard library of this Python."""
    return Path(sysconfig.get_path("stdlib"))


def find_files(folder: Path) -> list[str]:
    """All Python files below a folder, relative to it, in order; without what was installed beside them."""
    found: list[str] = []
    for directory, directories, files in os.walk(folder):
        directories[:] = [name for name in directories if name not in _NOT_OURS]
        inside = Path(directory).relative_to(folder)
        found.extend(str(inside / name) for name in files if name.endswith(".py"))
    return sorted(found)


def packages_among(files: list[str]) -> list[str]:
    """The folders that are packages, relative as the files are.

    >>> packages_among(["email/__init__.py", "email/mime/__init__.py", "email/mime/text.py", "os.py"])
    ['email', 'email/mime']
    """
    return [str(Path(file).parent) for file in files if Path(file).name == "__init__.py" and len(Path(file).parts) > 1]
