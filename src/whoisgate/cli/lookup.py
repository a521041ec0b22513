"""``whoisgate lookup``: ask a gateway, check the receipt, show what was released and why."""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whoisgate import app
from whoisgate.audit.evidence import evidence_zip
from whoisgate.audit.question import NONCE_BYTES, SignedRequest, as_kept
from whoisgate.audit.verify import VerificationFailed, VerifierKey, canonical_json, parse_vkey
from whoisgate.cli import show
from whoisgate.cli.output import AsJSON, print_json
from whoisgate.cli.signer import read_signer
from whoisgate.errors import EvidenceError, ExtraMissing, MissingKey
from whoisgate.formats import whois
from whoisgate.policy.decide import Outcome
from whoisgate.policy.load import load_text
from whoisgate.policy.model import Policy
from whoisgate.queries import Question, Signed
from whoisgate.replay import replay

if TYPE_CHECKING:
    from whoisgate.client import Client, Reply, Signing

DIGEST = re.compile(r"[0-9a-f]{64}")
EXIT_CODES = {Outcome.RELEASED: 0, Outcome.REFUSED: 3, Outcome.NEEDS_APPROVAL: 4}


class Format(StrEnum):
    """How an answer is printed."""

    TABLE = "table"
    RDAP = "rdap"
    WHOIS = "whois"


def lookup(
    domain: Annotated[str, typer.Argument(help="The domain to ask about.")],
    server: Annotated[str, typer.Option(help="The gateway's base URL.")],
    token: Annotated[Path | None, typer.Option(help="A file with the token.")] = None,
    dpop_key: Annotated[
        Path | None,
        typer.Option(help="The private key (PEM) that the token is bound to (RFC 9449)."),
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option(help="A file with the client certificate and those above it.")
    ] = None,
    certificate_key: Annotated[
        Path | None, typer.Option(help="The file with its private key, without a passphrase.")
    ] = None,
    purpose: Annotated[str | None, typer.Option(help="A purpose of RFC 9560.")] = None,
    basis: Annotated[str | None, typer.Option(help="The legal basis.")] = None,
    case: Annotated[str | None, typer.Option(help="The case's reference.")] = None,
    elements: Annotated[
        str | None, typer.Option(help="Elements asked for, separated by commas.")
    ] = None,
    urgency: Annotated[str | None, typer.Option(help="The ground of an urgent request.")] = None,
    sealed_until: Annotated[
        str | None, typer.Option(help="The date before which the registrant is not told.")
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.TABLE,
    evidence: Annotated[
        Path | None, typer.Option(help="Write answer, proof, policy and key as a zip.")
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="The log's public key (vkey), or a file holding it.")
    ] = None,
    sign_with: Annotated[
        Path | None, typer.Option(help="A PEM with your private key: sign the question (RFC 9421).")
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option(help="Keep the signed question here, and its receipt as FILE.tlog-proof."),
    ] = None,
    as_json: AsJSON = False,
) -> None:
    """Ask a gateway about a domain.

    Exit 0 released, 3 refused, 4 needs approval.
    """
    if keep is not None and sign_with is None:
        raise typer.BadParameter("expected --sign-with beside --keep")
    proof = keep and keep.with_name(f"{keep.name}.tlog-proof")
    for path in (evidence, keep, proof):
        if path is not None:
            absent(path)
    question = Question.of(
        domain,
        purpose=purpose,
        basis=basis,
        case=case,
        elements=[e.strip() for e in elements.split(",")] if elements else None,
        urgency=urgency,
        sealed_until=sealed_until,
    )
    shown = _pair(certificate, certificate_key)
    with _client(server, token, dpop_key, key, shown, sign_with, keep) as client:
        reply = client.ask(question)
        policy = _policy(client, reply)
    if proof is not None and reply.proof is not None:
        proof.write_text(reply.proof, "utf-8")
    if evidence is not None:
        _write_evidence(evidence, reply, policy, key)
    if as_json:
        print_json(show.as_json(question.name, reply, policy))
    elif form is Format.RDAP:
        typer.echo(reply.body.decode())
    elif form is Format.WHOIS and reply.outcome is Outcome.RELEASED:
        typer.echo(whois.from_rdap(reply.body), nl=False)
    else:
        show.table(question.name, reply, policy)
        if evidence is not None:
            typer.echo(f"evidence written to {evidence}")
    raise typer.Exit(EXIT_CODES[reply.outcome])


def absent(path: Path) -> None:
    """Raises wrong usage for a file that is there, or that can have no place."""
    if path.exists() or not path.parent.is_dir():
        raise typer.BadParameter(f"expected a new file in a folder that is there, got {path}")


def read_vkey(text: str) -> VerifierKey:
    """A vkey given as such, or the file that holds it; raises `MissingKey`."""
    path = Path(text)
    try:
        return parse_vkey((path.read_text("ascii") if path.exists() else text).strip())
    except (OSError, UnicodeError, VerificationFailed) as error:
        raise MissingKey(f"expected a vkey or a file holding one: {error}") from None


def _client(
    server: str,
    token: Path | None,
    dpop_key: Path | None,
    key: str | None,
    certificate: tuple[Path, Path] | None,
    sign_with: Path | None,
    keep: Path | None,
) -> Client:
    try:
        from whoisgate.client import Client, Holder  # noqa: PLC0415  needs the gateway extra
    except ModuleNotFoundError as error:
        raise ExtraMissing(f'expected `pip install "whoisgate[gateway]"`: {error.name}') from None
    if dpop_key is not None and token is None:
        raise typer.BadParameter("expected --token, which the key of --dpop-key belongs to")
    try:
        credential = token.read_text("ascii").strip() if token else None
        pem = dpop_key.read_bytes() if dpop_key else None
    except (OSError, UnicodeError) as error:
        raise MissingKey(f"a credential's file cannot be read: {type(error).__name__}") from None
    bound = None if pem is None or credential is None else (credential, pem)
    return Client(
        server,
        token=credential,
        holder=Holder(*bound, app.utc_now, app.entropy) if bound else None,
        certificate=certificate,
        key=read_vkey(key) if key else None,
        signing=_signing(sign_with) if sign_with else None,
        keep=lambda signed: _keep(keep, signed) if keep else None,
    )


def _pair(certificate: Path | None, key: Path | None) -> tuple[Path, Path] | None:
    if (certificate is None) != (key is None):
        raise typer.BadParameter("expected --certificate and --certificate-key together")
    return (certificate, key) if certificate and key else None


def _signing(pem: Path) -> Signing:
    """Signs with the key in a PEM file, now."""
    signer = read_signer(pem)

    def sign(url: str, *, disclosure: str | None, authorization: str | None) -> SignedRequest:
        at, nonce = app.utc_now(), app.entropy(NONCE_BYTES)
        return signer.sign(
            url, at=at, nonce=nonce, disclosure=disclosure, authorization=authorization
        )

    return sign


def _keep(path: Path, signed: Signed) -> None:
    """Write a signed question down, before anybody can deny it."""
    with path.open("xb") as file:
        file.write(canonical_json(as_kept(signed)) + b"\n")


def _policy(client: Client, reply: Reply) -> Policy | None:
    """The policy that decided, fetched by its digest; a gated answer's decision is replayed."""
    if reply.policy is None or not DIGEST.fullmatch(reply.policy):
        return None
    text = client.policy(reply.policy)
    if hashlib.sha256(text.encode()).hexdigest() != reply.policy:
        raise EvidenceError("the policy served is not the one that the entry names")
    policy = load_text(text, "policy.yaml")
    if reply.receipt is not None:
        replay(policy, reply.receipt.fields)
    return policy


def _write_evidence(path: Path, reply: Reply, policy: Policy | None, key: str | None) -> None:
    if reply.receipt is None or reply.proof is None or policy is None or key is None:
        raise EvidenceError("expected a gated answer: the public view leaves no evidence")
    packed = evidence_zip(reply.body, reply.proof, policy.text, read_vkey(key).text)
    with path.open("xb") as file:
        file.write(packed)
