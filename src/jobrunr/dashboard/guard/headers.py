"""What every answer says to browsers."""

from __future__ import annotations

_SELF = ("script-src", "style-src", "img-src", "connect-src", "form-action", "base-uri")

HEADERS = {
    "Content-Security-Policy": "; ".join(
        ["default-src 'none'", *(f"{kind} 'self'" for kind in _SELF), "frame-ancestors 'none'"]
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
"""By name. There are none for CORS: no other site may read anything."""
