"""A provider of OpenID Connect on this machine, which can be told to lie."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

CLIENT, SECRET = "jobs", "the client's secret"


def another_key(kid: str = "two") -> Any:
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"})


_KEY = another_key("one")


class LocalProvider:
    """Everybody who comes is signed in at once, as `claims` say."""

    def __init__(self) -> None:
        self.key: Any = _KEY
        self.published: list[Any] = [self.key]
        self.algorithm = "RS256"
        self.has_secret = True
        self.claims: dict[str, Any] = {
            "sub": "4711",
            "groups": ["staff"],
            "email": "ada@example.org",
            "email_verified": True,
        }
        self.header: dict[str, Any] = {}
        self.sign: Callable[[dict[str, Any]], str] = self._sign
        self.about: dict[str, Any] = {}
        self.asked: list[str] = []
        self.authorizations: list[dict[str, str]] = []
        self._codes: dict[str, dict[str, str]] = {}
        provider = self

        class Answering(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider._get(self)

            def do_POST(self) -> None:
                provider._post(self)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def settings(self, **settings: Any) -> dict[str, Any]:
        return {
            "dashboard_openid_url": self.url,
            "dashboard_openid_client_id": CLIENT,
            "dashboard_openid_client_secret": SECRET,
            "dashboard_openid_roles": ["staff=reader", "admins=operator"],
        } | settings

    def authorize(self, address: str) -> dict[str, str]:
        """What the browser of somebody brings back from here."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        self.authorizations.append(asked)
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        return {"code": code, "state": asked["state"]}

    def _get(self, http: BaseHTTPRequestHandler) -> None:
        self.asked.append(http.path)
        if http.path == "/.well-known/openid-configuration":
            about = {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys",
                "something_else": [1],
            }
            self._answer(http, 200, about | self.about)
        elif http.path == "/keys":
            self._answer(http, 200, {"keys": [key.as_dict(private=False) for key in self.published]})
        elif http.path == "/elsewhere":
            http.send_response(302)
            http.send_header("Location", f"{self.url}/keys")
            http.end_headers()
        else:
            self._answer(http, 404, {})

    def _post(self, http: BaseHTTPRequestHandler) -> None:
        self.asked.append(http.path)
        length = int(http.headers["Content-Length"])
        form = {name: values[0] for name, values in parse_qs(http.rfile.read(length).decode()).items()}
        asked = self._codes.pop(form["code"], None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).decode().rstrip("=")
        if (
            asked is None
            or asked["code_challenge_method"] != "S256"
            or asked["code_challenge"] != challenge
            or asked["redirect_uri"] != form["redirect_uri"]
            or not self._is_client(http, form)
        ):
            self._answer(http, 400, {"error": "invalid_grant"})
            return
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": asked["nonce"]} | self.claims
        claims = {name: value for name, value in claims.items() if value is not None}
        self._answer(http, 200, {"access_token": "a", "token_type": "Bearer", "id_token": self.sign(claims)})

    def _is_client(self, http: BaseHTTPRequestHandler, form: dict[str, str]) -> bool:
        if not self.has_secret:
            return form.get("client_id") == CLIENT and "Authorization" not in http.headers
        kind, _, encoded = http.headers.get("Authorization", "").partition(" ")
        return kind == "Basic" and base64.b64decode(encoded).decode().startswith(f"{CLIENT}:")

    def _sign(self, claims: dict[str, Any]) -> str:
        header = {"alg": self.algorithm, "kid": self.key.kid} | self.header
        return jwt.encode(header, claims, self.key, algorithms=[self.algorithm])

    @staticmethod
    def _answer(http: BaseHTTPRequestHandler, status: int, said: dict[str, Any]) -> None:
        content = json.dumps(said).encode()
        http.send_response(status)
        http.send_header("Content-Type", "application/json")
        http.send_header("Content-Length", str(len(content)))
        http.end_headers()
        http.wfile.write(content)


def unsigned(claims: dict[str, Any]) -> str:
    """A token with alg none."""

    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'none'})}.{part(claims)}."


def signed_with_the_public_key(provider: LocalProvider) -> Callable[[dict[str, Any]], str]:
    """A token with HS256, whose secret is what everybody can read."""

    def sign(claims: dict[str, Any]) -> str:
        key = OctKey.import_key(base64.urlsafe_b64encode(provider.key.as_pem(private=False)).decode())
        return jwt.encode({"alg": "HS256", "kid": provider.key.kid}, claims, key, algorithms=["HS256"])

    return sign


def a_curve(kid: str = "curve") -> Any:
    return ECKey.generate_key("P-256", {"kid": kid, "use": "sig", "alg": "ES256"})
