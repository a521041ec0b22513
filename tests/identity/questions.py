"""Keys, authorities and signed requests, made for real; and requests altered on the way."""

import re
from base64 import b64decode, b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from whoisgate.audit.question import QuestionSigner, public_jwk, signed_with
from whoisgate.identity.authority import Authority, Record
from whoisgate.identity.directory import Directory
from whoisgate.presented import Presented
from whoisgate.queries import Purpose

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
URL = "https://rdap.registrar.example/domain/example.com"
DISCLOSURE = (
    f'purpose="{Purpose.CRIMINAL_INVESTIGATION}", basis="national_order", case="2026-\\"114\\"", '
    'elements=("registrant.name" "registrant.email")'
)
PRIVATE = {
    "ed25519": ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32))),
    "ecdsa-p256-sha256": ec.derive_private_key(20261123, ec.SECP256R1()),
    "rsa-pss-sha512": rsa.generate_private_key(65537, 2048),
}
SIGNERS = {name: QuestionSigner(key) for name, key in PRIVATE.items()}
STRANGER = QuestionSigner(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)))
RANDOM = Random(9421)


def jwk(key, kid, **more):
    return {**public_jwk(key.public_key()), "kid": kid, **more}


def record(*keys, name="Police of Example", **more):
    return Record.of(
        {
            "authority": name,
            "country": "DE",
            "kind": "police",
            "purposes": [Purpose.CRIMINAL_INVESTIGATION.value],
            "bases": ["national_order"],
            "proof": [{"method": "signature", "keys": {"keys": [*keys]}, "assurance": "high"}],
            "vetted": {"by": "ops", "how": "called back", "on": "2026-11-01"},
            **more,
        },
        "record",
    )


POLICE = Authority(record(*(jwk(key, f"officer {name}") for name, key in PRIVATE.items())), 7)
DIRECTORY = Directory([POLICE], "https://rdap.registrar.example")


def signed(signer=SIGNERS["ed25519"], *, url=URL, at=NOW, disclosure=DISCLOSURE, **more):
    """A request as the client sends it."""
    request = signer.sign(url, at=at, nonce=RANDOM.randbytes(16), disclosure=disclosure, **more)
    headers = dict(request.headers)
    if disclosure is not None:
        headers["Disclosure-Request"] = disclosure
    if authorization := more.get("authorization"):
        headers["Authorization"] = authorization
    lines = tuple((name.lower().encode(), value.encode()) for name, value in headers.items())
    return Presented("GET", url, lines)


def line(request, name):
    (value,) = request.lines(name)
    return value.decode()


def with_line(request, name, value):
    """The same with another value of a header, or without it for None."""
    lines = tuple(each for each in request.headers if each[0] != name)
    return replace(request, headers=lines if value is None else (*lines, (name, value.encode())))


def resigned(request, change, algorithm="ed25519"):
    """The same with the parameters changed, and signed again by the key's own holder."""
    params = change(line(request, b"signature-input").partition("=")[2])
    names = re.findall(r'"([a-z@-]+)"', params.partition(")")[0])
    sent = {"@method": request.method, "@target-uri": request.url}
    base = "\n".join(
        f'"{name}": {sent.get(name) or next(request.lines(name.encode()), b"?").decode()}'
        for name in names
    )
    base = f'{base}\n"@signature-params": {params}'.lstrip("\n")
    made = b64encode(signed_with(SIGNERS[algorithm]._private, base.encode())).decode()
    request = with_line(request, b"signature-input", f"question={params}")
    return with_line(request, b"signature", f"question=:{made}:")


def later(seconds):
    return NOW + timedelta(seconds=seconds)


def flipped(request):
    """The same with one bit of the signature turned."""
    raw = bytearray(b64decode(line(request, b"signature").split(":")[1]))
    raw[7] ^= 1
    return with_line(request, b"signature", f"question=:{b64encode(raw).decode()}:")
