"""From options to a dashboard that listens: for ``jobrunr dashboard`` and ``jobrunr worker --dashboard``."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from jobrunr.errors import DashboardAccessError, MissingExtraError
from jobrunr.jobrunr import JobRunr

if TYPE_CHECKING:
    from jobrunr.dashboard.running import DashboardServer

HOST = "127.0.0.1"
PORT = 8000


def dashboard_server(
    jobrunr: JobRunr,
    host: str,
    port: int,
    *,
    hosts: tuple[str, ...] = (),
    insecure: bool = False,
    root_path: str = "",
    proxies: str | None = None,
) -> DashboardServer:
    """A dashboard that listens. Without users, only this machine reaches it, unless somebody says that this is meant.

    Arguments:
        hosts: the names under which browsers reach it, besides those of the settings.
        insecure: everybody may reach it, and do everything.
        root_path: what a proxy in front of it takes off the path.
        proxies: whose X-Forwarded-… is believed.

    Raises:
        DashboardAccessError: others would reach it, and nobody has to sign in.
        DashboardAddressError: it cannot listen there.
        MissingExtraError: what it takes is not installed.
    """
    settings = jobrunr.settings
    is_for_all = not (settings.dashboard_users or settings.dashboard_openid_url)
    if is_for_all and not insecure and not _is_here(host):
        raise DashboardAccessError(f", which others reach at {host}")
    dashboard = jobrunr.dashboard(insecure=is_for_all, hosts=_names(host, hosts))
    try:
        from jobrunr.dashboard.running import DashboardServer  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise MissingExtraError("The dashboard", error.name or "a package", "dashboard") from error
    return DashboardServer(dashboard, host, port, root_path=root_path, proxies=proxies)


def _names(host: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
    """Whoever listens at one address answers to it, too."""
    try:
        address = ip_address(host)
    except ValueError:
        return allowed
    name = f"[{host}]" if ":" in host else host
    return allowed if address.is_unspecified else (*allowed, name)


def _is_here(host: str) -> bool:
    """Whether only this machine reaches it."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
