"""Made-up certification authorities, and client certificates in every shape."""

import datetime as dt
from dataclasses import dataclass, field
from itertools import count

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from tests.conftest import NOW

from whoisgate.identity.authority import Authority, Record

DAY = dt.timedelta(days=1)
CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH
SERVER = ExtendedKeyUsageOID.SERVER_AUTH
COMMON_NAME = NameOID.COMMON_NAME
ORGANIZATION = NameOID.ORGANIZATION_NAME
SERIAL = NameOID.SERIAL_NUMBER
POLICE = ((ORGANIZATION, "Police of Exampleland"), (COMMON_NAME, "officer-7"))
_SERIALS = count(1)


@dataclass(frozen=True)
class Holder:
    """A certificate with its key, and the certificates above it."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)
    above: tuple[x509.Certificate, ...] = ()

    @property
    def der(self):
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self):
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def chain(self):
        """As a client presents it: DER, its own first, without the root."""
        return (self.der, *(c.public_bytes(Encoding.DER) for c in self.above[:-1]))

    @property
    def sha256(self):
        return self.certificate.fingerprint(SHA256()).hex()

    def write(self, folder, name="client"):
        """Files for a TLS program: the presented chain, and the key."""
        certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
        certificate.write_text(
            "".join(
                c.public_bytes(Encoding.PEM).decode() for c in (self.certificate, *self.above[:-1])
            )
        )
        key.write_bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return certificate, key


def _name(attributes):
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in attributes])


def make(
    issuer=None, subject=POLICE, *, ca=False, path_length=None, begin=NOW - DAY, end=NOW + DAY,
    eku=(CLIENT,), names=(), more=(),
):  # fmt: skip
    """A certificate by ``issuer``, by itself without one; ``eku`` None leaves the extension out."""
    key = ec.generate_private_key(ec.SECP256R1())
    signer = issuer or Holder(None, key)
    above = issuer.certificate.subject if issuer else _name(subject)
    public = key.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(above)
        .public_key(public)
        .serial_number(next(_SERIALS))
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca, path_length), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key()),
            critical=False,
        )
    )
    usage = dict.fromkeys(
        ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
         "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"), False,
    )  # fmt: skip
    usage |= {"key_cert_sign": True, "crl_sign": True} if ca else {"digital_signature": True}
    builder = builder.add_extension(x509.KeyUsage(**usage), critical=True)
    if eku is not None and not ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage(eku), critical=False)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    for extension, critical in more:
        builder = builder.add_extension(extension, critical=critical)
    made = builder.sign(signer.key, SHA256())
    return Holder(made, key, (issuer.certificate, *issuer.above) if issuer else ())


def authority(name="Root of Exampleland", issuer=None, **options):
    """A certification authority, good for ten years unless told otherwise."""
    options = {"begin": NOW - 1000 * DAY, "end": NOW + 3650 * DAY} | options
    return make(issuer, ((COMMON_NAME, name),), ca=True, **options)


def vouched(name="Police of Exampleland", **proof):
    """An authority of the directory, and its proof by certificates."""
    said = {
        "authority": name,
        "country": "EX",
        "kind": "police",
        "purposes": ["criminalInvestigationAndDNSAbuseMitigation", "legalActions"],
        "bases": ["national_order"],
        "proof": [{"method": "certificate", "assurance": "high", **proof}],
        "vetted": {"by": "operator", "how": "by telephone", "on": "2026-11-01"},
    }
    authority = Authority(Record.of(said, name), 7)
    return authority, authority.record.proof[0]


def pem(*holders):
    return "".join(holder.pem for holder in holders)
