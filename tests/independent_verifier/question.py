"""A question that its requester signed: what entries use of RFC 9421, RFC 7638 and RFC 9651.

The base is read from left to right, character by character; there is one spelling.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from .refusal import Refused, require
from .spelling import base64_std, base64_url, canonical, url_text

WORDS = ("purpose", "basis", "case", "urgency", "sealed_until")
MUST, MAY = {"@method", "@target-uri"}, {"disclosure-request", "authorization-digest"}
TIMES, TEXTS = {"created", "expires"}, {"nonce", "keyid", "alg", "tag"}
URL_SAFE = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
DIGITS = set("0123456789")
NAME = set("abcdefghijklmnopqrstuvwxyz_@-")


class Scanner:
    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def next(self, literal: str) -> bool:
        """Whether the literal comes next; it is then behind."""
        found = self.text.startswith(literal, self.at)
        self.at += len(literal) if found else 0
        return found

    def expect(self, literal: str) -> None:
        require(self.next(literal), f"no {literal!r} where it must stand")

    def run(self, alphabet: set[str]) -> str:
        begin = self.at
        while self.at < len(self.text) and self.text[self.at] in alphabet:
            self.at += 1
        return self.text[begin : self.at]

    def string(self) -> str:
        """RFC 9651 §3.3.3."""
        self.expect('"')
        read = ""
        while not self.next('"'):
            require(self.at < len(self.text), "a string without an end")
            self.next("\\") and require(self.text[self.at : self.at + 1] in {'"', "\\"}, "escape")
            read += self.text[self.at]
            self.at += 1
        return read

    def strings(self) -> list[str]:
        """An inner list."""
        self.expect("(")
        read: list[str] = []
        while not self.next(")"):
            if read:
                self.expect(" ")
            read.append(self.string())
        return read

    @property
    def ended(self) -> bool:
        return self.at == len(self.text)


def _words(field: str) -> dict[str, object]:
    scanner, words = Scanner(field), {}
    while True:
        name = scanner.run(NAME)
        scanner.expect("=")
        require(name in {*WORDS, "elements"} and name not in words, "a word unknown or said twice")
        words[name] = scanner.strings() if name == "elements" else scanner.string()
        if scanner.ended:
            return words
        scanner.expect(", ")


def _parameters(scanner: Scanner) -> dict[str, str]:
    said: dict[str, str] = {}
    while not scanner.ended:
        scanner.expect(";")
        name = scanner.run(NAME)
        scanner.expect("=")
        require(name in TIMES | TEXTS and name not in said, "a parameter unknown or given twice")
        if name in TIMES:
            said[name] = scanner.run(DIGITS)
            require(len(said[name]) == 10 and said[name][0] != "0", "not a time")
        else:
            said[name] = scanner.string()
            require(0 < len(said[name]) <= 64 and set(said[name]) <= URL_SAFE, "not a text")
    require(said.keys() == TIMES | TEXTS, "a parameter is missing")
    require(0 < int(said["expires"]) - int(said["created"]) <= 120, "a life too long")
    require(len(said["nonce"]) >= 22, "a nonce too short")
    require(said["tag"] == "whoisgate-question", "for something else")
    return said


def _read(base: str) -> tuple[dict[str, str], dict[str, str]]:
    """The covered components and the parameters."""
    require(0 < len(base) <= 16_384, "a base too long")
    require(all(" " <= c <= "~" or c == "\n" for c in base), "not printable ASCII")
    *lines, last = base.split("\n")
    scanner = Scanner(last)
    scanner.expect('"@signature-params": ')
    names = scanner.strings()
    parameters = _parameters(scanner)
    require(len(names) == len(lines) == len(set(names)), "other lines than components")
    require(MUST <= set(names) <= MUST | MAY, "other components")
    covered = {}
    for name, line in zip(names, lines, strict=True):
        head = f'"{name}": '
        require(line.startswith(head), "a line out of order")
        covered[name] = line[len(head) :]
    require(covered["@method"] == "GET", "another method")
    scheme, colon, rest = covered["@target-uri"].partition("://")
    require(scheme in {"http", "https"} and colon and rest, "no URL")
    require(not set(rest) & set(" ?#"), "a URL with more than a path")
    if "authorization-digest" in covered:
        scanner = Scanner(covered["authorization-digest"])
        scanner.expect("sha-256=:")
        require(scanner.text.endswith(":"), "no digest")
        require(len(base64_std(scanner.text[scanner.at : -1])) == 32, "no digest")
    return covered, parameters


def _integer(text: object, size: int | None = None) -> int:
    require(isinstance(text, str), "no number")
    raw = base64_url(text, len(text) * 3 // 4)
    require(raw and (len(raw) == size if size else raw[0]), "a number in another spelling")
    return int.from_bytes(raw, "big")


def _verify(jwk: dict, algorithm: str, signature: bytes, base: bytes) -> None:
    sort = (jwk.get("kty"), jwk.get("crv"), algorithm)
    try:
        if sort == ("OKP", "Ed25519", "ed25519"):
            require(jwk.keys() == {"kty", "crv", "x"}, "other members of a key")
            public = ed25519.Ed25519PublicKey.from_public_bytes(base64_url(jwk["x"], 32))
            public.verify(signature, base)
        elif sort == ("EC", "P-256", "ecdsa-p256-sha256"):
            require(jwk.keys() == {"kty", "crv", "x", "y"}, "other members of a key")
            x, y = _integer(jwk["x"], 32), _integer(jwk["y"], 32)
            point = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
            require(len(signature) == 64, "not r and s")
            halves = (int.from_bytes(signature[at : at + 32], "big") for at in (0, 32))
            point.verify(encode_dss_signature(*halves), base, ec.ECDSA(hashes.SHA256()))
        elif sort == ("RSA", None, "rsa-pss-sha512"):
            require(jwk.keys() == {"kty", "n", "e"} and jwk["e"] == "AQAB", "another key")
            n = _integer(jwk["n"])
            require(2**2047 <= n < 2**4096, "another length of key")
            sha = hashes.SHA512()
            pss = padding.PSS(padding.MGF1(sha), salt_length=64)
            rsa.RSAPublicNumbers(0x10001, n).public_key().verify(signature, base, pss, sha)
        else:
            raise Refused("no algorithm for this key")
    except (InvalidSignature, ValueError) as error:
        raise Refused("a signature that the key did not make") from error


def check_question(fields: dict[str, object]) -> None:
    """Where the fields hold a requester's signature, it is one of what they record."""
    detail = fields.get("detail")
    if not isinstance(detail, dict) or "signed" not in detail:
        return
    signed = detail["signed"]
    require(isinstance(signed, dict), "no signature")
    require(signed.keys() == {"base", "signature", "algorithm", "key"}, "other members")
    base, jwk, text = signed["base"], signed["key"], signed["signature"]
    require(isinstance(base, str) and isinstance(jwk, dict) and isinstance(text, str), "no texts")
    covered, parameters = _read(base)
    require(parameters["alg"] == signed["algorithm"], "another algorithm")
    require(parameters["keyid"] == url_text(hashlib.sha256(canonical(jwk)).digest()), "other key")
    _verify(jwk, parameters["alg"], base64_url(text, len(text) * 3 // 4), base.encode())

    said = _words(covered["disclosure-request"]) if "disclosure-request" in covered else {}
    asked = {"name": covered["@target-uri"].split("/domain/")[-1], "urgency": "none"}
    asked |= dict.fromkeys(("purpose", "basis", "case")) | said
    asked["elements"] = sorted(set(said.get("elements", [])))
    same = {word: asked[word] for word in ("purpose", "basis", "case")}
    same |= {"domain": asked["name"], "question": hashlib.sha256(canonical(asked)).hexdigest()}
    if asked["elements"]:
        same["asked"] = asked["elements"]
    for name in same.keys() & fields.keys():
        require(fields[name] == same[name], f"another {name} than the requester signed")
    require(detail.get("sealed_until") == said.get("sealed_until"), "sealed otherwise")
    if "decided_at" in fields:
        _in_time(fields["decided_at"], int(parameters["created"]), int(parameters["expires"]))


def _in_time(text: object, created: int, expires: int) -> None:
    form = "0000-00-00T00:00:00.000000Z"
    shaped = isinstance(text, str) and "".join("0" if c in DIGITS else c for c in text) == form
    require(shaped, "not a moment")
    try:
        moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise Refused("no such moment") from error
    begin = datetime.fromtimestamp(created, UTC) - timedelta(seconds=5)
    require(begin <= moment < datetime.fromtimestamp(expires, UTC), "decided at another time")
