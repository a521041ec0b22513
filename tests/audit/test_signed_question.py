"""Who asked what, when one of the two denies it: the requester's own signature decides.

The operator holds the log's key, so every forgery here is a sound entry of a sound log.
"""

from __future__ import annotations

import hashlib
import json
from random import Random

import pytest
from tests.audit.conftest import b64url, entry, receipt
from tests.audit.test_evidence_page import Read, page
from tests.conftest import MUTATIONS, NOW, POLICY
from tests.identity.questions import DIRECTORY, DISCLOSURE, SIGNERS, STRANGER, URL, signed
from tests.tampering import blind, respell
from tests.two_verifiers import of_evidence, of_receipt

from whoisgate.audit.evidence import evidence_zip, select
from whoisgate.audit.question import signed_with
from whoisgate.audit.verify import VerificationFailed, main, verify_evidence, verify_receipt
from whoisgate.errors import Unselectable
from whoisgate.formats import disclosure_request, rdap
from whoisgate.gate import Gate
from whoisgate.identity.signature import Nonces, authenticate
from whoisgate.middle import Settings
from whoisgate.queries import Question
from whoisgate.redact import Substitutes
from whoisgate.sources.memory import MemorySource
from whoisgate.testing import MemoryLog

OFFICER = SIGNERS["ed25519"]
OTHER_URL = URL.replace("example.com", "example.net")


def asked(record, policy, disclosure=DISCLOSURE, signer=OFFICER):
    """A gate's answer to a signed question, and its log's key."""
    request = signed(signer, disclosure=disclosure)
    requester = authenticate(request, DIRECTORY.signers, Nonces(), NOW)
    words = disclosure_request.parse(disclosure)
    question = Question.of(
        "example.com",
        purpose=words.purpose,
        basis=words.basis,
        case=words.case,
        elements=words.elements,
        urgency=words.urgency,
        sealed_until=words.sealed_until,
    )
    log = MemoryLog(clock=lambda: NOW, entropy=Random(1).randbytes)
    settings = Settings(
        policy,
        Substitutes(b"k" * 32, web_form="https://registrar.example/contact?domain={domain}"),
        rdap.Settings(base_url="https://rdap.example/", terms_url="https://rdap.example/terms"),
    )
    answer = Gate(settings, MemorySource([record]), log, lambda: NOW).answer(
        question, requester, NOW
    )
    return answer, log.key


@pytest.fixture
def answer(record, policy):
    return asked(record, policy)[0]


@pytest.fixture
def fields(record, policy):
    """What a real entry commits to."""
    found, key = asked(record, policy)
    return dict(verify_receipt(found.receipt.proof, key).fields)


def judged(fields, signer):
    """What both verifiers say of a sound receipt over these fields."""
    return of_receipt(receipt(entry(1, fields), signer).encode(), signer.vkey)


def failure(fields, signer):
    """The number of the failure, on which the second verifier agrees that it is one."""
    assert not judged(fields, signer).holds
    with pytest.raises(VerificationFailed) as caught:
        verify_receipt(receipt(entry(1, fields), signer), signer.verifier)
    assert caught.value.index == 4
    return caught.value.code


def kept_of(fields):
    return fields["detail"]["signed"]


def forged(fields, **changed):
    """The fields with another member of the signature."""
    return fields | {"detail": {"signed": kept_of(fields) | changed}}


def made(base, signer=OFFICER):
    """A signature of any base by a key's own holder, as an entry holds it."""
    return {
        "base": base,
        "signature": b64url(signed_with(signer._private, base.encode())),
        "algorithm": signer.algorithm,
        "key": json.loads(signer.jwk),
    }


@pytest.mark.parametrize("algorithm", SIGNERS)
@pytest.mark.parametrize(
    "disclosure",
    [
        DISCLOSURE,
        DISCLOSURE + ', sealed_until="2027-02-01"',
        DISCLOSURE + ', urgency="life"',
        DISCLOSURE.partition(", elements")[0],
        'elements=("registrant.email" "registrant.name" "registrant.email"), '
        + DISCLOSURE.partition(", elements")[0],
        DISCLOSURE.partition(", elements")[0] + ", elements=()",
        'purpose="dnsTransparency"',
    ],
)
def test_accepts_what_a_gate_logs(record, policy, algorithm, disclosure):
    """Released and refused, with and without each word, by every algorithm."""
    found, key = asked(record, policy, disclosure, SIGNERS[algorithm])
    verdict = of_evidence(found.evidence(key.text), key.text)
    assert verdict.holds
    receipt = verify_evidence(found.evidence(key.text), key).receipt
    assert receipt.signed.signer == SIGNERS[algorithm].signer
    assert receipt.fields["person"] == f"officer {algorithm}"
    assert receipt.fields["outcome"] == found.outcome


# --- The requester denies having asked -----------------------------------------------------------


def test_decides_by_the_signature_that_the_requester_asked(record, policy, tmp_path, capsys):
    found, key = asked(record, policy)
    file = tmp_path / "evidence.zip"
    file.write_bytes(found.evidence(key.text))
    args = [str(file), "--key", key.text]
    assert main([*args, "--signer", OFFICER.signer]) == 0
    said = capsys.readouterr().out
    assert f"The question was signed by the key {OFFICER.signer} (ed25519), for {URL} " in said
    assert main([*args, "--signer", STRANGER.signer]) == 1
    assert "WG430" in capsys.readouterr().out
    assert main([*args, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["signed"]["words"]["case"] == '2026-"114"'


def test_refuses_a_signature_where_there_is_none(fields, signer, tmp_path, capsys):
    """The operator logs a question that nobody signed."""
    file = tmp_path / "one.tlog-proof"
    file.write_text(receipt(entry(1, fields | {"detail": None}), signer))
    assert main([str(file), "--key", signer.vkey]) == 0
    assert main([str(file), "--key", signer.vkey, "--signer", OFFICER.signer]) == 1
    assert "WG430" in capsys.readouterr().out


def test_refuses_the_operators_own_key(fields, signer, tmp_path, capsys):
    """He signs in the requester's place: sound, and not by the key of the requester."""
    request = signed(STRANGER)
    base = kept_of(fields)["base"].rpartition("\n")[0] + (
        '\n"@signature-params": ' + next(request.lines(b"signature-input")).decode()[9:]
    )
    file = tmp_path / "one.tlog-proof"
    file.write_text(
        receipt(entry(1, fields | {"detail": {"signed": made(base, STRANGER)}}), signer)
    )
    assert main([str(file), "--key", signer.vkey]) == 0
    assert main([str(file), "--key", signer.vkey, "--signer", OFFICER.signer]) == 1
    assert "WG430" in capsys.readouterr().out
    # And under the requester's name the signature does not hold.
    named = base.replace(STRANGER.signer, OFFICER.signer)
    assert failure(fields | {"detail": {"signed": made(named, STRANGER)}}, signer) == "WG428"
    key = {"key": kept_of(fields)["key"]}
    assert failure(fields | {"detail": {"signed": made(named, STRANGER) | key}}, signer) == "WG428"


RECORDED = {
    "domain": "example.net",
    "purpose": "legalActions",
    "basis": "court_order",
    "case": "2026-115",
    "asked": ["registrant.email", "registrant.name", "registrant.street"],
    "question": "00" * 32,
    "decided_at": "2026-11-23T12:01:00.000000Z",
}
"""What an operator might record instead of what was signed."""


@pytest.mark.parametrize("name", RECORDED)
@pytest.mark.parametrize("alone", [False, True])
def test_refuses_a_signature_under_another_question(fields, signer, name, alone):
    """Also when the evidence opens nothing else."""
    opened = {"detail": fields["detail"], name: RECORDED[name]}
    changed = fields | opened
    if alone:
        changed = {each: changed[each] for each in fields if each in opened}
    assert failure(changed, signer) == "WG429"
    assert judged(changed | {name: fields[name]}, signer).holds
    assert failure(changed | {name: None}, signer) == "WG429"


@pytest.mark.parametrize(
    ("moment", "holds"),
    [
        ("2026-11-23T11:59:55.000000Z", True),
        ("2026-11-23T11:59:54.999999Z", False),
        ("2026-11-23T12:00:59.999999Z", True),
        ("2026-11-23T12:01:00.000000Z", False),
        ("2026-11-23T12:00:00Z", False),
        ("2026-11-23T12:00:00.000000+00:00", False),
        ("2026-11-23T12:00:60.000000Z", False),
        ("2026-13-23T12:00:00.000000Z", False),
        (1, False),
    ],
)
def test_takes_a_signature_in_its_own_time_alone(fields, signer, moment, holds):
    """A question that was asked once is not asked again by who kept it."""
    assert judged(fields | {"decided_at": moment}, signer).holds is holds


def test_refuses_another_seal(fields, signer):
    detail = fields["detail"] | {"sealed_until": "2027-02-01"}
    assert failure(fields | {"detail": detail}, signer) == "WG429"


MEMBERS = {
    "no base": {"base": None},
    "altered base": None,
    "cut signature": {"signature": "AAAA"},
    "padded signature": None,
    "no base64url": {"signature": "*"},
    "another algorithm": {"algorithm": "ecdsa-p256-sha256"},
    "no algorithm": {"algorithm": "none"},
    "another key": {"key": json.loads(STRANGER.jwk)},
    "a key with more": None,
    "no key": {"key": {}},
    "one more": {"more": 1},
}


@pytest.mark.parametrize("name", MEMBERS)
def test_refuses_another_member(fields, signer, name):
    kept = kept_of(fields)
    changed = (
        MEMBERS[name]
        or {
            "altered base": {"base": kept["base"].replace("2026-", "2027-")},
            "padded signature": {"signature": kept["signature"] + "=="},
            "a key with more": {"key": kept["key"] | {"use": "sig"}},
        }[name]
    )
    assert failure(forged(fields, **changed), signer) == "WG428"


def test_refuses_a_signature_of_another_shape(fields, signer):
    for detail in ({"signed": None}, {"signed": []}, {"signed": {}}, {"signed": "x"}):
        assert failure(fields | {"detail": detail}, signer) == "WG428"
    kept = dict(kept_of(fields))
    for name in kept:
        less = {each: value for each, value in kept.items() if each != name}
        assert failure(fields | {"detail": {"signed": less}}, signer) == "WG428"
    assert judged(fields | {"detail": {"note": "x"}}, signer).holds


FORMS = {
    "a component twice": (
        '"@method": GET\n"@target-uri"', '"@method": GET\n"@method": GET\n"@target-uri"',
        '("@method"', '("@method" "@method"',
    ),
    "a line too many": ('"@method": GET\n', '"@method": GET\n"@authority": a.example\n'),
    "lines out of order": ('("@method" "@target-uri"', '("@target-uri" "@method"'),
    "no method": ('"@method": GET\n', "", '("@method" ', "("),
    "no target": (f'"@target-uri": {URL}\n', "", ' "@target-uri"', ""),
    "another method": ("GET", "POST"),
    "another component": ('"@method": GET', '"accept": GET', '("@method"', '("accept"'),
    "a query": (URL, f"{URL}?a=b"),
    "another scheme": ("https://", "ftp://"),
    "a token": (
        '"@method": GET\n', '"@method": GET\n"authorization": Bearer a.b.c\n',
        '("@method"', '("@method" "authorization"',
    ),
    "no digest": (
        '"@method": GET\n', '"@method": GET\n"authorization-digest": Bearer a.b.c\n',
        '("@method"', '("@method" "authorization-digest"',
    ),
    "another tag": ("whoisgate-question", "other"),
    "a long life": ("expires=179543526", "expires=179543536"),
    "another line first": ('"@method"', '\n"@method"'),
}  # fmt: skip
"""Changes of a base that its key's holder signs anew: old and new text, in turn."""


@pytest.mark.parametrize("name", FORMS)
def test_refuses_a_base_of_another_form(fields, signer, name):
    """However well signed it is."""
    base = kept_of(fields)["base"]
    assert judged(fields | {"detail": {"signed": made(base)}}, signer).holds
    for old, new in zip(FORMS[name][::2], FORMS[name][1::2], strict=True):
        assert old in base, base
        base = base.replace(old, new, 1)
    assert failure(fields | {"detail": {"signed": made(base)}}, signer) == "WG428"


def test_both_verifiers_judge_alike_what_the_requester_signed(fields, signer):
    """Bases of any spelling, each signed by its key; the two readers agree or `judged` fails."""
    random, kept, holds = Random(9421), kept_of(fields), 0
    opened = {"detail": None, "case": None}
    for _ in range(MUTATIONS // 4):
        change = random.choice((blind, respell))
        head, mark, rest = kept["base"].encode().partition(b'"disclosure-request": ')
        where = random.randrange(3)
        try:
            base = (
                change(random, head) + mark + rest
                if where == 0
                else head + mark + change(random, rest)
                if where == 1
                else change(random, head + mark + rest)
            ).decode()
        except UnicodeDecodeError:
            continue
        opened["detail"] = {"signed": made(base)}
        opened["case"] = random.choice((fields["case"], None))
        holds += judged({name: opened[name] for name in fields if name in opened}, signer).holds
    assert judged(fields, signer).holds
    assert 0 < holds < MUTATIONS // 4


# --- The operator denies having been asked -------------------------------------------------------


def test_decides_by_question_and_receipt_that_the_operator_was_asked(record, policy):
    """What the requester keeps: the question, its signature, and the receipt."""
    found, key = asked(record, policy)
    receipt = verify_receipt(found.receipt.proof, key)
    kept = signed_by_requester = receipt.fields["detail"]["signed"]
    assert signed_by_requester["base"].startswith(f'"@method": GET\n"@target-uri": {URL}\n')
    assert receipt.signed.words["case"] == '2026-"114"'
    # The log's key signed a tree with an entry that commits to this very signature.
    assert (
        receipt.fields["question"]
        == hashlib.sha256(
            json.dumps(
                {
                    "name": "example.com",
                    "purpose": receipt.fields["purpose"],
                    "basis": "national_order",
                    "case": '2026-"114"',
                    "elements": ["registrant.email", "registrant.name"],
                    "urgency": "none",
                },
                sort_keys=True,
                separators=(",", ":"),
            ).encode()
        ).hexdigest()
    )
    assert kept["key"] == json.loads(OFFICER.jwk)


# --- The page, and smaller zips ------------------------------------------------------------------


def test_says_on_the_page_whose_key_signed_what(record, policy):
    found, key = asked(record, policy)
    text = Read(page(found.evidence(key.text))).text
    assert (
        f"The question was signed by the key {OFFICER.signer} (ed25519), for {URL} and the time "
        "from 2026-11-23T12:00:00+00:00 to 2026-11-23T12:01:00+00:00." in text
    )
    assert "Whose key it is, this page does not show" in text


def test_says_nothing_of_a_signature_where_it_is_not_opened(record, policy):
    found, key = asked(record, policy)
    packed = found.evidence(key.text)
    opened = verify_evidence(packed, key).receipt.fields
    smaller = select(packed, key, {*opened} - {"detail"})
    assert "was signed by" not in page(smaller)
    assert verify_evidence(smaller, key).receipt.signed is None
    assert of_evidence(smaller, key.text).holds
    assert OFFICER.signer.encode() not in smaller


def test_keeps_what_the_signature_tells(record, policy):
    found, key = asked(record, policy)
    packed, needed = found.evidence(key.text), {
        *("domain", "purpose", "basis", "case", "asked", "decided_at", "detail"),
    }  # fmt: skip
    assert verify_evidence(select(packed, key, needed, answer=False), key).receipt.signed
    for name in needed - {"detail"}:
        with pytest.raises(Unselectable, match=name):
            select(packed, key, needed - {name}, answer=False)


def test_packs_no_evidence_with_a_forged_signature(fields, answer, signer):
    policy = hashlib.sha256(POLICY.encode()).hexdigest()
    proof = receipt(entry(1, forged(fields, signature="AAAA"), policy=policy), signer)
    with pytest.raises(VerificationFailed) as caught:
        evidence_zip(answer.body, proof, POLICY, signer.vkey)
    assert caught.value.code == "WG428"
