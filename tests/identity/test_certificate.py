"""Client certificates: whose they are, and everything that is refused."""

import hashlib
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import NOW
from tests.identity.certificates import (
    CLIENT,
    COMMON_NAME,
    DAY,
    ORGANIZATION,
    POLICE,
    SERIAL,
    SERVER,
    authority,
    make,
    pem,
    vouched,
)

from whoisgate.errors import CredentialRefused, MalformedAuthority
from whoisgate.identity import certificate
from whoisgate.identity.certificate import Certificates
from whoisgate.queries import Assurance, Purpose, RequesterClass

ROOT = authority()
OTHER = authority("Another Root")
SAME_NAME = authority()
BETWEEN = authority("Issuing CA", ROOT)
DEEP_ENOUGH = authority("Third", authority("Second", BETWEEN))
TOO_DEEP = authority("Fourth", DEEP_ENOUGH)
NARROW = authority("Without others below", ROOT, path_length=0)
OFFICER = make(ROOT)
BELOW = make(BETWEEN)
ALONE = make(eku=None)

BELIEVED = Certificates([vouched(issuers=ROOT.pem)])
PINNED = Certificates([vouched(pinned=ALONE.pem)])


def authenticate(holder, believed=BELIEVED, now=NOW):
    return believed.authenticate(holder.chain, now)


def test_gives_what_the_directory_says_of_the_holder():
    requester = authenticate(OFFICER)
    assert (requester.authority, requester.person) == ("Police of Exampleland", "officer-7")
    assert requester.requester_class is RequesterClass.LAW_ENFORCEMENT
    assert requester.assurance is Assurance.HIGH
    assert requester.proved_by == "certificate"
    assert requester.purposes == {Purpose.CRIMINAL_INVESTIGATION, Purpose.LEGAL_ACTIONS}
    assert requester.listed == 7
    assert requester.country == "EX"
    assert requester.valid_until == OFFICER.certificate.not_valid_after_utc


def test_ends_with_the_first_certificate_of_the_chain_that_ends():
    short = authority("Short", ROOT, end=NOW + timedelta(hours=1))
    assert authenticate(make(short)).valid_until == NOW + timedelta(hours=1)


STRANGE = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
ACCEPTED = {
    "by the issuer itself": (OFFICER.chain, BELIEVED),
    "through another authority": (BELOW.chain, BELIEVED),
    "with the root at the end": ((*BELOW.chain, ROOT.der), BELIEVED),
    "with strangers between": ((BELOW.der, OTHER.der, BETWEEN.der), BELIEVED),
    "by a listed authority that is no root": (BELOW.chain, Certificates(
        [vouched(issuers=BETWEEN.pem)])),
    "without its issuer's, which is listed": ((BELOW.der,), Certificates(
        [vouched(issuers=BETWEEN.pem)])),
    "through as many as are allowed": (make(DEEP_ENOUGH).chain, BELIEVED),
    "pinned, signed by itself": (ALONE.chain, PINNED),
    "pinned by its digest": (ALONE.chain, Certificates([vouched(sha256=[ALONE.sha256])])),
    "pinned, by an issuer that is not": (OFFICER.chain, Certificates(
        [vouched(pinned=OFFICER.pem)])),
    "for clients and servers": (make(ROOT, eku=(SERVER, CLIENT)).chain, BELIEVED),
    "with an extension that nobody need know": (
        make(ROOT, more=[(STRANGE, False)]).chain, BELIEVED),
    "among issuers of one name": (OFFICER.chain, Certificates(
        [vouched(issuers=pem(SAME_NAME, ROOT))])),
}  # fmt: skip


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepts(name):
    chain, believed = ACCEPTED[name]
    assert believed.authenticate(chain, NOW).person == "officer-7"


LATE = authority("Ended", ROOT, end=NOW)
TWO = (*POLICE, (COMMON_NAME, "officer-8"))
FORM = "expected X.509 certificates in DER"
USE = "expected a certificate for client authentication"
CHAIN = "with every certificate between it and its issuer"
UNKNOWN = "expected a certificate that this server believes"
MANY = "at most `5` certificates of `16384` bytes"
ONE = "expected a certificate with one common name in its subject"


def tampered():
    """The same certificate over another name: the signature no longer holds."""
    return OFFICER.der.replace(b"officer-7", b"officer-8")


REFUSED = {
    "nothing": ((), FORM),
    "empty bytes": ((b"",), FORM),
    "text": ((b"no certificate",), FORM),
    "PEM": ((OFFICER.pem.encode(),), FORM),
    "a byte more": ((OFFICER.der + b"\0",), FORM),
    "a byte less": ((OFFICER.der[:-1],), FORM),
    "no certificate above it": ((OFFICER.der, b"\x30\x00"), FORM),
    "an extension twice": ((OFFICER.der.replace(b"\x55\x1d\x0e", b"\x55\x1d\x0f"),), FORM),
    "too many": ((*BELOW.chain, *[BETWEEN.der] * 4), MANY),
    "too large": ((make(ROOT, more=[(x509.UnrecognizedExtension(
        x509.ObjectIdentifier("1.2.3.4"), b"\x04\x82\x40\x00" + bytes(16384)), False)]).der,),
        MANY),
    "expired this moment": (make(ROOT, end=NOW).chain, "the certificate has expired"),
    "expired": (make(ROOT, begin=NOW - 3 * DAY, end=NOW - DAY).chain, "has expired"),
    "not begun": (make(ROOT, begin=NOW + timedelta(seconds=1)).chain, "not valid yet"),
    "by another authority": (make(OTHER).chain, UNKNOWN),
    "by one of the same name": (make(SAME_NAME).chain, CHAIN),
    "by itself": (make().chain, UNKNOWN),
    "by itself, in its issuer's name": (
        (make(subject=((COMMON_NAME, "Root of Exampleland"),)).der,), CHAIN),
    "another's name on it": ((tampered(),), CHAIN),
    "without the one between": ((BELOW.der,), UNKNOWN),
    "by an ended authority": (make(LATE).chain, CHAIN),
    "through too many": (make(TOO_DEEP).chain, CHAIN),
    "by a holder": ((make(OFFICER).der, OFFICER.der), CHAIN),
    "below a path's end": (make(authority("below", NARROW)).chain, CHAIN),
    "for servers": (make(ROOT, eku=(SERVER,)).chain, USE),
    "for any use": (make(ROOT, eku=(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)).chain, USE),
    "for no use": (make(ROOT, eku=None).chain, USE),
    "an authority's own": ((BETWEEN.der,), USE),
    "by an authority for servers": (make(authority("For servers", ROOT, more=[(
        x509.ExtendedKeyUsage([SERVER]), False)])).chain, CHAIN),
    "a duty that nobody knows": (make(ROOT, more=[(STRANGE, True)]).chain, CHAIN),
    "two common names": (make(ROOT, TWO).chain, ONE),
    "no common name": (make(ROOT, POLICE[:1]).chain, ONE),
    "a name with a line break": (
        make(ROOT, ((COMMON_NAME, "officer\n7"),)).chain, "1 to `255` printable characters"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refuses(name):
    chain, sentence = REFUSED[name]
    with pytest.raises(CredentialRefused) as refusal:
        BELIEVED.authenticate(chain, NOW)
    assert sentence in str(refusal.value)
    assert "officer" not in str(refusal.value)
    assert "Exampleland" not in str(refusal.value)


@pytest.mark.parametrize(
    ("holder", "sentence"),
    [(make(), UNKNOWN), (make(eku=(SERVER,)), USE), (make(end=NOW), "has expired")],
)
def test_refuses_beside_a_pin(holder, sentence):
    believed = Certificates([vouched(pinned=pem(ALONE, *([holder] * (sentence != UNKNOWN))))])
    with pytest.raises(CredentialRefused, match=sentence):
        authenticate(holder, believed)


def test_refuses_the_issuer_of_a_name_constraint_outside_it():
    names = x509.NameConstraints([x509.RFC822Name("police.example")], None)
    narrow = authority("For one host", ROOT, more=[(names, True)])
    believed = Certificates([vouched(issuers=ROOT.pem, person="email")])
    outside = make(narrow, names=[x509.RFC822Name("officer-7@other.example")])
    with pytest.raises(CredentialRefused, match=CHAIN):
        authenticate(outside, believed)


@pytest.mark.parametrize("critical", [True, False])
@pytest.mark.parametrize("organization", ["Police of Exampleland", "Court of Exampleland"])
def test_believes_nobody_below_a_constraint_on_subjects(critical, organization):
    court = x509.Name([x509.NameAttribute(ORGANIZATION, "Court of Exampleland")])
    constraints = (
        x509.NameConstraints([x509.DirectoryName(court)], None),
        x509.NameConstraints(None, [x509.DirectoryName(court)]),
    )
    believed = Certificates([vouched(issuers=ROOT.pem, organization=organization)])
    subject = ((ORGANIZATION, organization), (COMMON_NAME, "officer-7"))
    assert authenticate(make(authority("Free", ROOT), subject), believed)
    for each in constraints:
        narrow = authority("For the court", ROOT, more=[(each, critical)])
        with pytest.raises(CredentialRefused, match=CHAIN):
            authenticate(make(narrow, subject), believed)


EMAIL, URI = x509.RFC822Name("o7@police.example"), x509.UniformResourceIdentifier("urn:example:o7")


@pytest.mark.parametrize(
    ("where", "holder", "person"),
    [
        ("common_name", OFFICER, "officer-7"),
        ("serial_number", make(ROOT, (*POLICE, (SERIAL, "EX-7"))), "EX-7"),
        ("email", make(ROOT, names=[EMAIL, URI]), "o7@police.example"),
        ("uri", make(ROOT, names=[EMAIL, URI]), "urn:example:o7"),
        ("serial_number", OFFICER, None),
        ("serial_number", make(ROOT, (*POLICE, (SERIAL, "7"), (SERIAL, "8"))), None),
        ("email", OFFICER, None),
        ("email", make(ROOT, names=[URI]), None),
        ("email", make(ROOT, names=[EMAIL, x509.RFC822Name("o8@police.example")]), None),
        ("uri", make(ROOT, names=[EMAIL]), None),
    ],
)
def test_finds_the_person_in_one_place_alone(where, holder, person):
    believed = Certificates([vouched(issuers=ROOT.pem, person=where)])
    if person is not None:
        assert authenticate(holder, believed).person == person
    else:
        with pytest.raises(CredentialRefused, match="expected a certificate with one"):
            authenticate(holder, believed)


SHARED = Certificates(
    [
        vouched(issuers=ROOT.pem, organization="Police of Exampleland"),
        vouched("Court of Exampleland", issuers=ROOT.pem, organization="Court of Exampleland"),
        vouched("Another police", issuers=OTHER.pem),
    ]
)


@pytest.mark.parametrize(
    ("organizations", "issuer", "found"),
    [
        (["Police of Exampleland"], ROOT, "Police of Exampleland"),
        (["Court of Exampleland"], ROOT, "Court of Exampleland"),
        (["Court of Exampleland"], OTHER, "Another police"),
        ([], OTHER, "Another police"),
        (["Court of Exampleland "], ROOT, None),
        (["court of exampleland"], ROOT, None),
        (["Police of Exampleland", "Court of Exampleland"], ROOT, None),
        (["Police of Exampleland", "Police of Exampleland"], ROOT, None),
        ([], ROOT, None),
    ],
)
def test_lets_a_shared_issuer_speak_for_the_organization_it_names(organizations, issuer, found):
    subject = (*((ORGANIZATION, name) for name in organizations), (COMMON_NAME, "officer-7"))
    if found is not None:
        assert authenticate(make(issuer, subject), SHARED).authority == found
    else:
        with pytest.raises(CredentialRefused, match="expected one organization"):
            authenticate(make(issuer, subject), SHARED)


def test_refuses_a_holder_for_whom_two_authorities_vouch():
    believed = Certificates([vouched(issuers=ROOT.pem), vouched("Court", issuers=BETWEEN.pem)])
    assert authenticate(OFFICER, believed).authority == "Police of Exampleland"
    with pytest.raises(CredentialRefused, match="expected one organization"):
        authenticate(BELOW, believed)


UNREAD = x509.OtherName(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
SECRET = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
RICH = make(
    BETWEEN,
    names=[EMAIL, URI, x509.DNSName("police.example"), x509.DirectoryName(
        x509.Name([x509.NameAttribute(COMMON_NAME, "officer")])), UNREAD],
    more=[(x509.CertificatePolicies([x509.PolicyInformation(
        x509.ObjectIdentifier("1.2.3.5"), ["https://ca.example/"])]), False),
        (x509.CRLDistributionPoints([x509.DistributionPoint([x509.UniformResourceIdentifier(
            "https://ca.example/crl")], None, None, None)]), False)],
)  # fmt: skip
# An ediPartyName (tag 5), which cryptography does not read (RFC 5280 §4.2.1.6).
EDI = RICH.der.replace(b"\x86\x0eurn:example:o7", b"\xa5\x0eurn:example:o7")


def test_refuses_a_name_of_a_kind_that_is_not_read():
    assert RICH.der != EDI
    with pytest.raises(CredentialRefused, match="DER"):
        BELIEVED.authenticate((EDI, BETWEEN.der), NOW)
    assert BELIEVED.authenticate(RICH.chain, NOW).person == "officer-7"


def test_takes_a_pin_before_an_issuer():
    believed = Certificates(
        [vouched(issuers=ROOT.pem), vouched("Court of Exampleland", pinned=OFFICER.pem)]
    )
    assert authenticate(OFFICER, believed).authority == "Court of Exampleland"
    assert authenticate(make(ROOT), believed).authority == "Police of Exampleland"


@pytest.mark.parametrize(
    "claims",
    [
        [{"issuers": ROOT.pem}, {"issuers": ROOT.pem}],
        [{"issuers": ROOT.pem, "organization": "A"}, {"issuers": ROOT.pem}],
        [{"issuers": pem(ROOT, OTHER)}, {"issuers": pem(OTHER, ROOT)}],
        [{"issuers": ROOT.pem, "organization": "A"}, {"issuers": ROOT.pem, "organization": "A"}],
        [{"pinned": ALONE.pem}, {"sha256": [ALONE.sha256]}],
        [{"issuers": "no certificate"}],
        [{"issuers": ROOT.pem.replace("A", "B")}],
        [{"pinned": "no certificate"}],
        [{"issuers": ""}],
        [{"pinned": ""}],
        [{"pinned": ALONE.pem + SECRET}],
        [{"issuers": OFFICER.pem}],
        [{"issuers": pem(ROOT, OFFICER)}],
    ],
)
def test_refuses_a_directory_whose_authorities_share_holders(claims):
    with pytest.raises(MalformedAuthority):
        Certificates(vouched(f"authority {n}", **claim) for n, claim in enumerate(claims))


@pytest.mark.parametrize(
    "claim",
    [{}, {"issuers": ROOT.pem, "pinned": ALONE.pem}, {"issuers": ROOT.pem, "sha256": ["0" * 64]}],
)
def test_refuses_a_proof_that_is_not_one(claim):
    with pytest.raises(MalformedAuthority, match="expected `issuers`, `pinned` or `sha256`"):
        vouched(**claim)


def test_lists_what_a_tls_server_is_to_ask_for():
    believed = Certificates(
        [
            vouched(issuers=pem(ROOT, OTHER)),
            vouched("Court", pinned=ALONE.pem),
            vouched("CSIRT", sha256=[OFFICER.sha256]),
            vouched("Other", issuers=OTHER.pem + BETWEEN.pem),
        ]
    )
    assert believed.anchors == pem(ROOT, OTHER, ALONE, BETWEEN)
    assert Certificates([]).anchors == ""


@given(st.data(), st.integers(1, 255))
def test_refuses_every_change_of_one_byte(data, change):
    joined = bytearray(RICH.der + BETWEEN.der)
    joined[data.draw(st.integers(0, len(joined) - 1))] ^= change
    cut = len(RICH.der)
    chain = bytes(joined[:cut]), bytes(joined[cut:])
    with pytest.raises(CredentialRefused):
        BELIEVED.authenticate(chain, NOW)


def test_refuses_every_certificate_cut_short():
    for length in range(len(RICH.der)):
        with pytest.raises(CredentialRefused, match="DER"):
            BELIEVED.authenticate((RICH.der[:length], BETWEEN.der), NOW)


@given(st.lists(st.binary(max_size=200), max_size=6))
def test_refuses_any_other_bytes_with_its_own_error(chain):
    with pytest.raises(CredentialRefused):
        BELIEVED.authenticate(chain, NOW)


def test_believes_a_remembered_chain_never_past_its_end():
    believed = Certificates([vouched(issuers=ROOT.pem)])
    holder = make(ROOT, end=NOW + timedelta(seconds=30))
    assert authenticate(holder, believed) is authenticate(holder, believed)
    last = NOW + timedelta(seconds=29)
    assert authenticate(holder, believed, last).person == "officer-7"
    with pytest.raises(CredentialRefused, match="expired"):
        authenticate(holder, believed, NOW + timedelta(seconds=30))


def test_verifies_again_after_a_minute_and_when_the_clock_went_back():
    believed = Certificates([vouched(issuers=ROOT.pem)])
    first = authenticate(OFFICER, believed)
    assert authenticate(OFFICER, believed, NOW + timedelta(seconds=59)) is first
    assert authenticate(OFFICER, believed, NOW + timedelta(seconds=60)) is not first
    assert authenticate(OFFICER, believed, NOW - timedelta(seconds=1)) is not first


def test_remembers_the_chain_and_not_the_certificate_alone():
    believed = Certificates([vouched(issuers=ROOT.pem)])
    authenticate(BELOW, believed)
    with pytest.raises(CredentialRefused):
        believed.authenticate(BELOW.chain[:1], NOW)
    whole = BELOW.chain[0] + BELOW.chain[1]
    with pytest.raises(CredentialRefused):
        believed.authenticate([whole], NOW)


def test_remembers_a_bounded_number_of_chains_and_no_refused_one(monkeypatch):
    monkeypatch.setattr(certificate, "CACHE_CHAINS", 2)
    believed = Certificates([vouched(issuers=ROOT.pem)])
    for _ in range(4):
        authenticate(make(ROOT), believed)
    assert len(believed._held) == 2
    with pytest.raises(CredentialRefused):
        authenticate(make(OTHER), believed)
    assert len(believed._held) == 2


def test_pins_the_bytes_that_were_vetted():
    der = ALONE.certificate.public_bytes(Encoding.DER)
    (proof,) = (p for _, p in [vouched(pinned=ALONE.pem)])
    assert certificate.pins(proof) == {hashlib.sha256(der).hexdigest()}
