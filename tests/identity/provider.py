"""An identity provider in this process: signs for real, checks what a provider must check."""

import asyncio
import base64
import hashlib
import json
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from tests.identity.tokens import AUDIENCE, ED, by_token, claims, ed_jwk, header, jwks, token

ISS = "https://id.police.example"
KEYS = jwks(ed_jwk(ED, kid="2026"))
PROOF = by_token(ISS, "EdDSA", KEYS)
SECRET = "s:ecret ä"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


class Provider:
    """Takes people at their word, and clients by PKCE, secret, redirect and code.

    ``access`` and ``identity`` replace claims of the tokens; ``says`` is what it answers a form
    with instead, if not None, as status and body, or raises it; ``given`` replaces members of its
    answer that holds the tokens.
    """

    def __init__(self, iss=ISS, client="gateway", secret=SECRET, **metadata):
        self.iss, self.client, self.secret = iss, client, secret
        self.metadata = {
            "issuer": iss,
            "authorization_endpoint": f"{iss}/auth?tenant=1",
            "token_endpoint": f"{iss}/token",
            "device_authorization_endpoint": f"{iss}/device",
            "revocation_endpoint": f"{iss}/revoke",
            **metadata,
        }
        self.access, self.identity, self.says = {}, {}, None
        self.fetched, self.forms, self.codes, self.devices = [], [], {}, {}
        self.refreshes, self.revoked, self.serial, self.given = {}, [], 0, {}

    async def fetch(self, url):
        self.fetched.append(url)
        if isinstance(self.metadata, Exception):
            raise self.metadata
        return json.dumps(self.metadata).encode()

    def authorize(self, address, person="officer-7"):
        """What the browser brings back after ``person`` signed in at this address."""
        assert address.startswith(f"{self.iss}/auth?tenant=1&")
        asked = {k: v for k, (v,) in parse_qs(urlsplit(address).query).items()}
        assert (asked["response_type"], asked["client_id"]) == ("code", self.client)
        assert asked["code_challenge_method"] == "S256"
        code = self._next("code")
        self.codes[code] = asked, person
        return asked["redirect_uri"], {"code": code, "state": asked["state"], "iss": self.iss}

    async def post(self, url, form, authorization):
        await asyncio.sleep(0)  # others may ask meanwhile
        said = dict(parse_qsl(form.decode(), strict_parsing=True))
        self.forms.append((url, said, authorization))
        if isinstance(self.says, Exception):
            raise self.says
        if self.says is not None:
            return self.says
        assert said.get("resource") == (None if url.endswith("/revoke") else AUDIENCE)
        if self.secret is None:
            assert (said["client_id"], authorization) == (self.client, None)
        else:
            pair = urlencode({self.client: self.secret}).replace("=", ":")
            assert authorization == f"Basic {base64.b64encode(pair.encode()).decode()}"
        if url.endswith("/device"):
            code = self._next("device")
            self.devices[code] = None
            told = {
                "device_code": code, "user_code": "AB-CD", "verification_uri": f"{self.iss}/d",
                "verification_uri_complete": f"{self.iss}/d?c=AB-CD", "expires_in": 600,
                "interval": 5, "internal": "x",
            }  # fmt: skip
            return 200, json.dumps(told).encode()
        if url == f"{self.iss}/revoke":
            self.refreshes.pop(said["token"], None)
            self.revoked.append((said["token_type_hint"], said["token"]))
            return 200, b""
        assert url == f"{self.iss}/token"
        return self._granted(said)

    def _granted(self, said):
        kind, wrong = said["grant_type"], (400, b'{"error": "invalid_grant"}')
        if kind == "authorization_code":
            asked, person = self.codes.pop(said["code"], (None, None))
            if asked is None:
                return wrong
            digest = hashlib.sha256(said["code_verifier"].encode()).digest()
            challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            assert asked["code_challenge"] == challenge
            assert asked["redirect_uri"] == said["redirect_uri"]
            return self._tokens(person, nonce=asked["nonce"])
        if kind == DEVICE:
            person = self.devices.get(said["device_code"], "nobody")
            if person is None:
                return 400, b'{"error": "authorization_pending"}'
            # A device's code is good once, and so is a refresh token.
            return self._tokens(person) if self.devices.pop(said["device_code"], None) else wrong
        assert kind == "refresh_token"
        person = self.refreshes.pop(said["refresh_token"], None)
        return self._tokens(person) if person else wrong

    def _tokens(self, person, **more):
        refresh = self._next("refresh")
        self.refreshes[refresh] = person
        own = {"iss": self.iss, "sub": person, "jti": self._next("id")}
        access = claims(**own | self.access)
        identity = claims(**own | {"aud": self.client} | more | self.identity)
        given = {
            "access_token": token(header(), access),
            "id_token": token(header(typ="JWT"), identity),
            "token_type": "Bearer",
            "refresh_token": refresh,
            "expires_in": 600,
        } | self.given
        return 200, json.dumps(given).encode()

    def _next(self, what):
        self.serial += 1
        return f"{what}-{self.serial}"
