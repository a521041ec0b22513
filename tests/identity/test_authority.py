"""The directory's records: what is read, what is refused with its place, what a requester gets."""

import json
from datetime import timedelta

import pytest
from tests.identity.tokens import ED, NOW, PURPOSE, RECORDS, by_token, ed_jwk, jwks, record

from whoisgate.errors import CredentialRefused, MalformedAuthority
from whoisgate.identity.authority import CLASSES, Authority, Kind, Record
from whoisgate.identity.directory import Directory
from whoisgate.queries import Assurance, Limits, Purpose, RequesterClass

PROOF = by_token("https://id.example", "EdDSA", jwks(ed_jwk(ED, kid="1")))
BY_APPLICATION = {"method": "application", "assurance": "substantial"}


def test_every_kind_has_a_class_that_is_not_the_public():
    assert set(CLASSES) == set(Kind)
    assert RequesterClass.PUBLIC not in CLASSES.values()


def test_reads_its_own_text_again():
    full = record(
        "Police", "police", PROOF,
        {"method": "signature", "keys": {"keys": [ed_jwk(ED, kid="a")]},
         "assurance": "high"},
        {"method": "certificate", "sha256": ["a" * 64], "assurance": "high"},
        BY_APPLICATION,
        standing=[{"basis": "national_order", "elements": ["registrant.name"],
                   "expires": "2027-01-01T00:00:00Z"}],
        budget={"person": {"day": 10}, "authority": {"hour": 5, "month": 100}},
        contact=[{"role": "24/7 desk", "phone": "+1.5555550100"}],
        valid_until="2027-01-01T00:00:00Z",
    )  # fmt: skip
    assert Record.of(json.loads(full.text()), "again") == full
    assert Record.of(json.loads(full.text()), "again").text() == full.text()


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"kind": "sheriff"}, "kind"),
        ({"authority": ""}, "authority"),
        ({"authority": "a\nb"}, "authority"),
        ({"country": "no"}, "country"),
        ({"purposes": ["everything"]}, "purposes"),
        ({"proof": [BY_APPLICATION, BY_APPLICATION]}, "proof"),
        ({"proof": [{"method": "application"}]}, "proof.0.application.assurance"),
        ({"proof": [{**PROOF, "algorithm": "none"}]}, "proof.0.token.algorithm"),
        ({"proof": [{**PROOF, "algorithm": "HS256"}]}, "proof.0.token.algorithm"),
        ({"proof": [{**PROOF, "keys_url": "https://id.example/jwks"}]}, "proof.0.token"),
        ({"proof": [{**PROOF, "keys": None, "keys_url": "http://id.example"}]}, "keys_url"),
        ({"proof": [{"method": "mailbox"}]}, "proof.0"),
        ({"proof": [{"method": "certificate", "assurance": "high"}]}, "proof.0.certificate"),
        ({"budget": {"person": {"day": -1}}}, "budget.person.day"),
        ({"standing": [{"basis": "national_order", "elements": ["x"],
                        "expires": "2027-01-01"}]}, "standing.0.elements"),
        ({"vetted": {"by": "Ann", "how": "a call"}}, "vetted.on"),
        ({"admin": True}, "admin"),
        ({"valid_from": "2027-01-02", "valid_until": "2027-01-01"}, "before `valid_until`"),
        ({"valid_from": "2027-01-01", "valid_until": "2027-01-01T00:00:00Z"},
         "expected `valid_from` before `valid_until`"),
    ],
)  # fmt: skip
def test_refuses_a_record_with_its_place(change, place):
    said = {**json.loads(RECORDS[0].text()), **change}
    with pytest.raises(MalformedAuthority) as caught:
        Record.of(said, "police.toml")
    assert place in str(caught.value)
    assert str(caught.value).startswith("`police.toml`")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"country": "no"}, "`country`: string should match pattern '^[A-Z]{2}$', got `no`"),
        ({"proof": [{**PROOF, "algorithm": "eddsa"}]}, "'EdDSA', 'ES256' or 'RS256', got `eddsa`"),
        ({"purposes": ["everything"]}, "'criminalInvestigationAndDNSAbuseMitigation'"),
    ],
)
def test_tells_words_as_they_are_written(change, said):
    with pytest.raises(MalformedAuthority) as caught:
        Record.of({**json.loads(RECORDS[0].text()), **change}, "police.toml")
    assert said in str(caught.value)


def test_repeats_no_key():
    private = {**ed_jwk(ED, kid="a"), "d": "c2VjcmV0"}
    for proof in (
        {"method": "signature", "keys": {"keys": [private]}, "assurance": "high"},
        {"method": "signature", "keys": json.dumps(private), "assurance": "high"},
        {"method": "certificate", "sha256": ["c2VjcmV0"], "assurance": "high"},
        {"method": "certificate", "pinned": "c2VjcmV0", "issuers": 1, "assurance": "high"},
        {"method": "application", "assurance": "high", "private": "c2VjcmV0"},
    ):
        said = {**json.loads(RECORDS[0].text()), "proof": [proof]}
        with pytest.raises(MalformedAuthority) as caught:
            Record.of(said, "police.toml")
        assert "c2VjcmV0" not in str(caught.value)


def test_a_requester_has_what_the_record_says_and_no_more():
    police = Authority(
        record("Police", "police", PROOF, budget={"person": {"day": 10}},
               standing=[{"basis": "national_order", "elements": ["registrant.name"],
                          "expires": "2027-01-01T00:00:00Z"}]),
        7,
    )  # fmt: skip
    narrowed = police.requester(
        "officer", Assurance.LOW, "bearer", NOW,
        purposes=frozenset({PURPOSE, Purpose.DNS_TRANSPARENCY}),
    )  # fmt: skip
    assert narrowed.purposes == {PURPOSE}
    assert (narrowed.requester_class, narrowed.assurance) == (
        RequesterClass.LAW_ENFORCEMENT, Assurance.LOW,
    )  # fmt: skip
    assert (narrowed.listed, narrowed.proved_by) == (7, "bearer")
    assert narrowed.person_limits == Limits(day=10)
    assert [s.authority for s in narrowed.standing] == ["Police"]


def test_nobody_is_vouched_for_outside_of_the_records_validity():
    limits = {"valid_from": NOW.isoformat(), "valid_until": (NOW + timedelta(days=1)).isoformat()}
    police = Authority(record("Police", "police", PROOF, **limits), 7)
    late = NOW + timedelta(days=30)
    first = police.requester("o", Assurance.HIGH, "bearer", NOW, valid_until=late)
    assert first.valid_until == NOW + timedelta(days=1)
    for moment in (NOW - timedelta(seconds=1), NOW + timedelta(days=1)):
        with pytest.raises(CredentialRefused):
            police.requester("o", Assurance.HIGH, "bearer", moment)


def test_an_issuer_speaks_for_one_authority():
    two = [Authority(record(name, "police", PROOF), 1) for name in ("One", "Two")]
    with pytest.raises(MalformedAuthority, match=r"id\.example"):
        Directory(two, "https://rdap.example/")
