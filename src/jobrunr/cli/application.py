"""From ``--app``, ``--url`` and the settings to a `JobRunr`."""

from __future__ import annotations

import os
import sys
import traceback
from importlib import import_module
from pathlib import Path
from types import ModuleType

from jobrunr.cli.verb import ApplicationError
from jobrunr.errors import StorageSetupError, StorageUnavailableError
from jobrunr.jobrunr import JobRunr
from jobrunr.module_places import is_within
from jobrunr.settings import load_settings
from jobrunr.storage.contract import StorageProvider


def find_application(app: str | None) -> JobRunr:
    """The application, its code imported.

    Arguments:
        app: ``module:name`` of a `JobRunr`, or of something that makes one when it is called; otherwise the setting ``app``.

    Raises:
        ApplicationError: nobody says where it is, or it is not there.
    """
    found = _application_or_none(app)
    if found is None:
        raise ApplicationError(
            "Which application? Say --app module:name (such as --app shop.jobs:jobrunr), or set it for good: "
            'JOBRUNR_APP=shop.jobs:jobrunr in the environment, or app = "shop.jobs:jobrunr" in jobrunr.toml.'
        )
    return found


def find_storage(app: str | None, url: str | None) -> JobRunr:
    """A `JobRunr` for a verb that needs no code: on a URL, or the application's, or else on the storage of the settings.

    Raises:
        ApplicationError: there is an application to look for, but it is not there; or there are two answers.
    """
    if app is not None and url is not None:
        raise ApplicationError("Give --app or --url, not both: an application knows where its jobs are.")
    if url is not None:
        return JobRunr(url)
    return _application_or_none(app) or JobRunr()


def existing_storage(jobrunr: JobRunr) -> StorageProvider:
    """The storage, for those who only look: neither a file nor a table comes into being by that.

    Raises:
        StorageSetupError: there is nothing to look at.
    """
    file = _sqlite_file(jobrunr.provider.where)
    if file is not None and not file.exists():
        raise StorageSetupError(
            f"There is no database {file.absolute()}. Are you in the right folder? "
            f"Otherwise say --url or --app; `jobrunr migrate` would make a new one."
        )
    jobrunr.provider.set_up(migrate=False)
    return jobrunr.storage


def _sqlite_file(where: str) -> Path | None:
    """The file of a SQLite database, if it has a plain name."""
    path = where.removeprefix("sqlite:///")
    return None if path == where or path.startswith("file:") else Path(path)


def _application_or_none(app: str | None) -> JobRunr | None:
    said = "--app"
    if app is None:
        app, said = load_settings({}, os.environ, Path.cwd()).app, "the setting app"
    if app is None:
        return None
    found = find_object(app, f"{said} {app}")
    if callable(found):
        found = _made_by(found, f"{said} {app}")
    if not isinstance(found, JobRunr):
        raise ApplicationError(
            f"{said} {app} is a {type(found).__name__}. Name a JobRunr, or something that makes one when it is called."
        )
    return found


def _made_by(factory: object, what: str) -> object:
    assert callable(factory)
    try:
        return factory()
    except StorageUnavailableError:
        raise
    except Exception as error:
        raise ApplicationError(f"{what} could not be called: {_brief(error)}.") from error


def find_object(path: str, what: str) -> object:
    """What ``package.module:name`` names. Modules of the working directory are found too, as with ``python -m``.

    Arguments:
        what: what it is called in messages.

    Raises:
        ApplicationError: it is not there.
    """
    module_name, colon, names = path.partition(":")
    if not (module_name and colon and names):
        raise ApplicationError(f"{what} cannot be read. Write module:name, such as shop.jobs:jobrunr.")
    found: object = _import(module_name, what)
    for name in names.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            raise ApplicationError(f"{what}: the module {module_name} has no {names!r}.") from None
    return found


def _import(name: str, what: str) -> ModuleType:
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        return import_module(name)
    except StorageUnavailableError:  # of an application that connects while it is imported: that will pass
        raise
    except ModuleNotFoundError as error:
        if error.name is not None and is_within(name, error.name):
            raise ApplicationError(f"{what}: {_not_found(error.name, folder)}") from error
        raise _broken(name, what, error) from error
    except (Exception, SystemExit) as error:  # a module can raise anything while it is imported
        raise _broken(name, what, error) from error


def _not_found(module: str, folder: str) -> str:
    package, _, name = module.rpartition(".")
    if not package:
        return f"there is no module {module} in {folder}, nor is one installed. Go to its folder, or correct the name."
    return f"the package {package} (from {', '.join(sys.modules[package].__path__)}) has no module {name}. Correct the name."


def _broken(name: str, what: str, error: BaseException) -> ApplicationError:
    return ApplicationError(f"{what}: importing {name} failed: {_brief(error)} (--debug shows the traceback).")


def _brief(error: BaseException) -> str:
    """An exception and the line that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" in {frames[-1].filename}, line {frames[-1].lineno}" if frames and frames[-1].filename != __file__ else ""
    if isinstance(error, SyntaxError):
        place = ""  # it says itself where
    return f"{type(error).__name__}: {' '.join(str(error).split())}{place}"
