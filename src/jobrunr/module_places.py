"""Where a module lies: the application's own code, an installed package, the standard library. Found without importing it.

A row in the database may name any module. Whether we want to import it must be known before anything of it, or of the
packages above it, has run.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Callable, Iterable
from enum import Enum
from functools import lru_cache
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType


class ModulePlace(Enum):
    """To whom a module belongs, judged by where its file lies."""

    OWN = "the application's own code"
    INSTALLED = "an installed package"
    STANDARD_LIBRARY = "the standard library"
    MISSING = "nowhere to be found"


def place_of(module: str) -> ModulePlace:
    """Where a module lies. Neither it nor a package above it is imported.

    Own is what lies neither in the standard library nor in a ``site-packages`` or ``dist-packages`` directory; a project
    that was installed with ``pip install -e`` is the application's own code.

    >>> place_of("subprocess")
    <ModulePlace.STANDARD_LIBRARY: 'the standard library'>
    >>> place_of("no.such.module")
    <ModulePlace.MISSING: 'nowhere to be found'>
    """
    spec = find_spec(module)
    if spec is None:
        return ModulePlace.MISSING
    if spec.origin in ("built-in", "frozen"):
        return ModulePlace.STANDARD_LIBRARY
    paths = [spec.origin] if spec.origin is not None else list(spec.submodule_search_locations or ())
    places = {_place_of_path(Path(path)) for path in paths if Path(path).is_absolute()}
    for place in (ModulePlace.STANDARD_LIBRARY, ModulePlace.INSTALLED, ModulePlace.OWN):
        if place in places:  # the portions of a namespace package can lie in several places; the strictest counts
            return place
    return ModulePlace.MISSING


@lru_cache(maxsize=4096)
def is_own_file(path: str) -> bool:
    """Whether a file of code is neither of an installed package nor of the standard library.

    >>> is_own_file("/srv/shop/mail.py"), is_own_file(os.__file__)
    (True, False)
    """
    return Path(path).is_absolute() and _place_of_path(Path(path)) is ModulePlace.OWN


def find_spec(module: str) -> ModuleSpec | None:
    """What the import system knows about a module, without importing it or the packages above it.

    ``importlib.util.find_spec`` imports the packages above; this one walks down level by level and asks the finders only.
    """
    spec: ModuleSpec | None = None
    path: Iterable[str] | None = None
    parts = module.split(".")
    for depth in range(1, len(parts) + 1):
        name = ".".join(parts[:depth])
        loaded = sys.modules.get(name)
        # Any other way to look into a module would load one that waits to be loaded until it is used.
        known = ModuleType.__getattribute__(loaded, "__dict__") if isinstance(loaded, ModuleType) else {}
        spec = known.get("__spec__")
        if spec is None and (depth == 1 or path is not None):
            spec = _ask_the_finders(name, path)
        if spec is None:
            return None
        path = known.get("__path__", spec.submodule_search_locations)  # a package may have extended its own path
    return spec


def _ask_the_finders(name: str, path: Iterable[str] | None) -> ModuleSpec | None:
    locations = None if path is None else list(path)
    for finder in sys.meta_path:
        find: Callable[..., ModuleSpec | None] | None = getattr(finder, "find_spec", None)
        try:
            spec = find(name, locations) if find else None
        except KeyError:
            # PathFinder wants the parent of a nested namespace package in sys.modules. By its last name, the package is a
            # top-level one to it, and is found in the same directories.
            spec = PathFinder.find_spec(name.rpartition(".")[2], locations)
        if spec is not None:
            return spec
    return None


def name_of_main() -> str | None:
    """Under which name another process can import what runs here as ``__main__``; None when it cannot.

    ``python -m shop.worker`` is ``shop.worker``. A script is found under its own name when its directory is searched for
    modules. An interactive session has no name, and importing a package's ``__main__`` would run the program.
    """
    main = vars(sys.modules["__main__"])
    spec, file = main.get("__spec__"), main.get("__file__")
    if spec is not None:
        return None if spec.name.rpartition(".")[2] == "__main__" else spec.name
    if file is None:
        return None
    stem = Path(file).stem
    found = find_spec(stem) if stem.isidentifier() else None
    if found is None or found.origin is None or not Path(found.origin).exists():
        return None
    return stem if Path(found.origin).samefile(file) else None


def application_of(module: str) -> str | None:
    """The package (or single module) that a module belongs to: by which name the application is known.

    This is the top-level name; below a namespace package, which several distributions share, it is the first name that is
    a package of its own. None when another process could not import it, and for the standard library.

    >>> application_of("sqlalchemy.orm.session")
    'sqlalchemy'
    """
    name = name_of_main() if module == "__main__" else module
    parts = name.split(".") if name else []
    for depth in range(1, len(parts) + 1):
        package = ".".join(parts[:depth])
        found = find_spec(package)
        if found is not None and found.origin is not None:
            return None if place_of(package) is ModulePlace.STANDARD_LIBRARY else package
    return None


def is_within(module: str, package: str) -> bool:
    """Whether a module is a package, or lies below it.

    >>> is_within("shop.mail", "shop"), is_within("shopping", "shop")
    (True, False)
    """
    return module == package or module.startswith(package + ".")


def _place_of_path(path: Path) -> ModulePlace:
    spellings = (path, path.resolve())
    if any(not _INSTALL_DIRECTORIES.isdisjoint(spelling.parts) for spelling in spellings):
        return ModulePlace.INSTALLED
    for roots, place in ((_INSTALLED_ROOTS, ModulePlace.INSTALLED), (_LIBRARY_ROOTS, ModulePlace.STANDARD_LIBRARY)):
        if any(spelling.is_relative_to(root) for spelling in spellings for root in roots):
            return place
    return ModulePlace.OWN


def _roots(*directories: str) -> frozenset[Path]:
    return frozenset(spelling for directory in directories for spelling in (Path(directory), Path(directory).resolve()))


_INSTALL_DIRECTORIES = frozenset({"site-packages", "dist-packages"})
_INSTALLED_ROOTS = _roots(sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))
_LIBRARY_ROOTS = _roots(sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), str(Path(os.__file__).parent))
