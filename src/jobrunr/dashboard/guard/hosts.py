"""The hosts to which a dashboard answers.

A page that somebody opens in a browser can call itself anything and let its name lead to 127.0.0.1 (DNS rebinding). What it
cannot do is to send another name than its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_address
from typing import NamedTuple

from starlette.requests import Request

HERE = ("localhost", "127.0.0.1", "[::1]")
"""What a machine calls itself."""
_HOST = re.compile(r"(?P<name>[a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?")


class Host(NamedTuple):
    """A name and a port."""

    name: str
    port: int | None


def read_host(text: str) -> Host | None:
    """A host as it stands in a header; None if it cannot be one.

    >>> read_host("localhost:8000")
    Host(name='localhost', port=8000)
    >>> read_host("127.0.0.1:evil.com")
    """
    match = _HOST.fullmatch(text.lower())
    if match is None:
        return None
    port = int(match["port"]) if match["port"] else None
    return None if port is not None and port > 65535 else Host(match["name"], port)


def host_of(request: Request) -> Host | None:
    """The host that a request is meant for; None if it says none, or several."""
    said = request.headers.getlist("host")
    if len(said) != 1 or not request.scope["path"].startswith("/"):  # a whole URL in place of a path names a second one
        return None
    return read_host(said[0])


def is_own_address(request: Request, host: Host) -> bool:
    """Whether a host is the very address at which this request arrived, as load balancers and Prometheus ask by.

    An address of digits leads to nobody else. It is names that can change where they lead.
    """
    address = (request.scope.get("server") or ("",))[0]
    try:
        version = ip_address(address).version
    except ValueError:  # a name, or the path of a socket
        return False
    return host.name == (address if version == 4 else f"[{address}]")


class AllowedHosts:
    """The hosts to which a dashboard answers.

    Arguments:
        hosts: besides those that every machine has. One without a port may have any.
    """

    def __init__(self, hosts: Iterable[str]) -> None:
        self._allowed = {read_host(host) for host in (*HERE, *hosts)}

    def allow(self, host: Host) -> bool:
        """Whether this is one of them."""
        return host in self._allowed or Host(host.name, None) in self._allowed
