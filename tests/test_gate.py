"""One question, forward only: outcomes, entries, and what happens when a wait fails."""

import asyncio
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from tests.conftest import NOW, PURPOSE

import whoisgate as wg
from whoisgate import errors
from whoisgate.audit.draft import Grant
from whoisgate.audit.note import Signer
from whoisgate.audit.verify import parse_leaf, verify_answer, verify_evidence, verify_receipt
from whoisgate.elements import ELEMENTS
from whoisgate.formats import rdap
from whoisgate.gate import Answer, AsyncGate, Gate
from whoisgate.middle import Settings
from whoisgate.policy.decide import Outcome
from whoisgate.queries import _canonical, canonical_name
from whoisgate.records import Fetched
from whoisgate.redact import Sealed, Substitutes
from whoisgate.replay import replay
from whoisgate.sources.memory import MemorySource
from whoisgate.testing import MemoryLog

WHY = {"purpose": PURPOSE, "basis": "national_order", "case": "2026-114"}


class DeadLog:
    """A log that cannot be written."""

    def append(self, draft):
        future = Future()
        future.set_exception(errors.LogUnavailable("the disk is full"))
        return future

    def granted(self, question):
        return None

    def close(self):
        pass


@pytest.fixture
def settings(policy) -> Settings:
    return Settings(
        policy,
        Substitutes(b"k" * 32, web_form="https://registrar.example/contact?domain={domain}"),
        rdap.Settings(base_url="https://rdap.example/", terms_url="https://rdap.example/terms"),
    )


@pytest.fixture
def log():
    with_entropy = iter(range(1, 1 << 30))
    log = MemoryLog(
        clock=lambda: NOW, entropy=lambda n: next(with_entropy).to_bytes(8) * (n // 8) or b"x" * n
    )
    yield log
    log.close()


@pytest.fixture
def gate(settings, record, log) -> Gate:
    return Gate(settings, MemorySource([record]), log, lambda: NOW)


def test_gives_the_public_view_without_an_entry(gate, log):
    before = log.size()
    answer = gate.ask("EXAMPLE.com.")
    assert answer.outcome == "released"
    assert answer.receipt is None
    assert log.size() == before
    assert b"Ada" not in answer.body
    assert b"ada@person" not in answer.body


def test_releases_exactly_what_was_asked_and_granted(gate, officer, log):
    answer = gate.ask("example.com", requester=officer, **WHY, elements=["registrant.name"])
    assert answer.outcome is Outcome.RELEASED
    assert b"Ada Example" in answer.body
    assert b"ada@person" not in answer.body
    assert b"Sample Street" not in answer.body
    receipt = verify_answer(answer.body, answer.receipt.proof, log.key)
    assert receipt.fields["released"] == {"registrant.name": ["ORDER"]}
    assert "Ada Example" in answer.whois()


def test_asks_for_the_purposes_defaults_when_no_element_is_named(gate, officer):
    answer = gate.ask("example.com", requester=officer, **WHY)
    assert {e.name for e in answer.decision.beyond} == {"registrant.name"}


@pytest.mark.parametrize("missing", ["basis", "case"])
def test_refuses_when_a_clause_is_missing_and_logs_it(gate, officer, log, missing):
    before = log.size()
    why = {k: v for k, v in WHY.items() if k != missing}
    answer = gate.ask("example.com", requester=officer, **why, elements=["registrant.name"])
    assert answer.outcome is Outcome.REFUSED
    assert b"Ada" not in answer.body
    assert log.size() == before + 1
    name = ELEMENTS["registrant.name"]
    assert missing in " ".join(answer.withheld[name].missing)


@pytest.mark.parametrize("words", ["purposes", "bases"])
def test_refuses_what_the_credential_does_not_allow(gate, officer, log, policy, words):
    narrow = replace(officer, **{words: frozenset()})
    answer = gate.ask("example.com", requester=narrow, **WHY, elements=["registrant.name"])
    assert answer.outcome is Outcome.REFUSED
    fields = verify_receipt(answer.receipt.proof, log.key).fields
    assert replay(policy, fields).outcome is Outcome.REFUSED


def test_needs_approval_then_releases_once(gate, officer, log):
    asking = {**WHY, "elements": ["registrant.phone"]}
    pending = gate.ask("example.com", requester=officer, **asking)
    assert pending.outcome is Outcome.NEEDS_APPROVAL
    grant = Grant(
        pending.receipt.index, ("registrant.phone",), "Duty Officer", NOW + timedelta(days=1)
    )
    log.append(replace(_approval(gate), settles=grant)).result()
    answer = gate.ask("example.com", requester=officer, **asking)
    assert answer.outcome is Outcome.RELEASED
    assert b"5555550100" in answer.body
    again = gate.ask("example.com", requester=officer, **asking)
    assert again.outcome is Outcome.NEEDS_APPROVAL


def test_approval_is_for_that_question_alone(gate, officer, log):
    asking = {**WHY, "elements": ["registrant.phone"]}
    pending = gate.ask("example.com", requester=officer, **asking)
    grant = Grant(
        pending.receipt.index, ("registrant.phone",), "Duty Officer", NOW + timedelta(days=1)
    )
    log.append(replace(_approval(gate), settles=grant)).result()
    other = replace(officer, person="officer-8")
    assert gate.ask("example.com", requester=other, **asking).outcome is Outcome.NEEDS_APPROVAL
    wider = {**asking, "elements": ["registrant.street"]}
    assert gate.ask("example.com", requester=officer, **wider).outcome is Outcome.NEEDS_APPROVAL
    elsewhere = {**asking, "case": "2026-115"}
    assert gate.ask("example.com", requester=officer, **elsewhere).outcome is Outcome.NEEDS_APPROVAL


def test_releases_nothing_gated_without_a_log_while_the_public_goes_on(settings, record, officer):
    gate = Gate(settings, MemorySource([record]), DeadLog(), lambda: NOW)
    with pytest.raises(errors.LogUnavailable):
        gate.ask("example.com", requester=officer, **WHY, elements=["registrant.name"])
    assert gate.ask("example.com").outcome == "released"


def test_refuses_a_receipt_for_other_bytes(settings, record, officer, log):
    class LyingLog(DeadLog):
        def append(self, draft):
            return log.append(replace(draft, fields={**draft.fields, "body": "0" * 64}))

    gate = Gate(settings, MemorySource([record]), LyingLog(), lambda: NOW)
    with pytest.raises(errors.ReceiptMismatch):
        gate.ask("example.com", requester=officer, **WHY, elements=["registrant.name"])


def test_makes_no_answer_to_a_gated_question_without_a_receipt(gate, officer, policy):
    answer = gate.ask("example.com", requester=officer, **WHY)
    with pytest.raises(TypeError):
        Answer("example.com", answer.decision, Sealed(answer.decision, b"{}"), None, policy)


def test_asks_strangers_for_a_credential(gate, log):
    before = log.size()
    with pytest.raises(errors.CredentialRequired):
        gate.ask("example.com", purpose=PURPOSE)
    assert log.size() == before
    gate.tally()
    assert log.size() == before + 1


def test_logs_its_counts_once_an_hour_that_questions_come(settings, record, log):
    now = NOW
    gate = Gate(settings, MemorySource([record]), log, lambda: now)
    for _ in range(1000):
        with pytest.raises(errors.CredentialRequired):
            gate.ask("example.com", purpose=PURPOSE)
        gate.public("example.com")
    assert log.size() == 0
    now += timedelta(hours=1)
    gate.public("example.com")
    gate.public("example.com")
    assert [parse_leaf(leaf).open for leaf in log.leaves] == [
        {"counts": {"credential_required": 1000, "public": 1000}}
    ]


def test_counts_on_what_could_not_be_logged(settings, record, log):
    gate = Gate(settings, MemorySource([record]), DeadLog(), lambda: NOW)
    gate.public("example.com")
    with pytest.raises(errors.LogUnavailable):
        gate.tally()
    gate.log = log
    gate.public("example.com")
    gate.tally()
    assert gate.tally() is None
    assert [parse_leaf(leaf).open for leaf in log.leaves] == [{"counts": {"public": 2}}]


def test_refuses_an_expired_credential(gate, officer):
    with pytest.raises(errors.CredentialRefused):
        gate.ask("example.com", requester=replace(officer, valid_until=NOW), **WHY)


@pytest.mark.parametrize("name", ["", "localhost", "a..example", "-a.example", "x" * 254, "a b.c"])
def test_refuses_malformed_names(gate, name):
    with pytest.raises(errors.MalformedName):
        gate.ask(name)


def test_tells_absent_names_apart(gate, settings):
    with pytest.raises(errors.NameNotFound):
        gate.ask("absent.example")
    narrow = Gate(
        replace(settings, suffixes=frozenset({"example"})), MemorySource([]), DeadLog(), lambda: NOW
    )
    with pytest.raises(errors.SuffixNotServed):
        narrow.ask("example.com")


def test_never_echoes_what_a_failing_source_says(settings, officer):
    class Broken:
        def find(self, name):
            raise RuntimeError("row of Ada Example is corrupt")

    gate = Gate(settings, Broken(), DeadLog(), lambda: NOW)
    with pytest.raises(errors.SourceFailed) as caught:
        gate.ask("example.com")
    assert "Ada" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_caches_public_bodies_until_the_name_is_invalidated(settings, record):
    class Registrar:
        def find(self, name):
            return held[name]

    held, source, now = {"example.com": record}, Registrar(), [NOW]
    gate = Gate(settings, source, DeadLog(), lambda: now[0])
    first = gate.ask("example.com").body
    held["example.com"] = wg.Record.of("example.com", {"registrar.name": "Another"})
    assert gate.ask("example.com").body == first
    now[0] += timedelta(seconds=61)
    assert b"Another" in gate.ask("example.com").body
    held["example.com"] = record
    gate.invalidate("example.com")
    assert gate.ask("example.com").body == first


def test_keeps_no_huge_public_body(settings):
    class Registrar:
        def find(self, name):
            return wg.Record.of("example.com", {"registrar.name": next(names)})

    names = iter(["small", "never asked", "x" * 20_000, "y" * 20_000])
    gate = Gate(settings, Registrar(), DeadLog(), lambda: NOW)
    assert gate.ask("example.com").body == gate.ask("example.com").body
    gate.invalidate("example.com")
    next(names)
    assert b"xxx" in gate.ask("example.com").body
    assert b"yyy" in gate.ask("example.com").body


def test_keeps_no_white_space_that_came_around_a_name():
    assert canonical_name(" " * 900_000 + "White.Space.example. ") == "white.space.example"
    kept = _canonical.cache_info().hits
    assert canonical_name("White.Space.example.") == "white.space.example"
    assert _canonical.cache_info().hits == kept + 1


def test_replays_every_decision_from_its_entry(gate, officer, log, policy):
    for elements in (["registrant.name"], ["registrant.phone"], ["registrant.organization"]):
        answer = gate.ask("example.com", requester=officer, **WHY, elements=elements)
        fields = verify_receipt(answer.receipt.proof, log.key).fields
        again = replay(policy, fields)
        assert again.outcome is answer.decision.outcome
        assert again.beyond == answer.decision.beyond


@pytest.mark.parametrize(
    ("why", "elements", "outcome"),
    [
        (WHY, ["registrant.name"], "released"),
        ({"purpose": PURPOSE, "basis": "court_order"}, ["registrant.name"], "refused"),
        (WHY, ["registrant.phone"], "needs_approval"),
    ],
)
def test_gives_evidence_of_every_outcome(gate, officer, log, why, elements, outcome):
    answer = gate.ask("example.com", requester=officer, **why, elements=elements)
    assert answer.outcome == outcome
    report = verify_evidence(answer.evidence(log.key.text), log.key)
    assert report.body == answer.body
    assert report.receipt.fields["outcome"] == outcome


def test_gives_no_evidence_that_would_not_hold(gate, officer):
    stranger = Signer.generate("log.example/2026", Random(1).randbytes)
    answer = gate.ask("example.com", requester=officer, **WHY)
    with pytest.raises(errors.EvidenceError, match="would not hold"):
        answer.evidence(stranger.vkey)
    with pytest.raises(errors.EvidenceError, match="public view leaves no evidence"):
        gate.ask("example.com").evidence(stranger.vkey)


def test_refuses_to_replay_an_entry_that_says_more(gate, officer, log, policy):
    answer = gate.ask("example.com", requester=officer, **WHY)
    fields = dict(verify_receipt(answer.receipt.proof, log.key).fields)
    fields["released"] = {**fields["released"], "registrant.phone": ["ORDER"]}
    with pytest.raises(errors.EvidenceError):
        replay(policy, fields)


def test_asynchronous_gate_gives_the_same_answers(settings, record, officer, log):
    class Awaited:
        async def find(self, name):
            await asyncio.sleep(0)
            return record if name == "example.com" else None

    async def ask(source):
        with ThreadPoolExecutor(2) as pool:
            gate = AsyncGate(settings, source, log, lambda: NOW, executor=pool)
            public = await gate.ask("example.com")
            gated = await gate.ask("example.com", requester=officer, **WHY)
            text = await gate.public("example.com", "whois")
            return public.body, gated.body, bytes(text)

    gate = Gate(settings, MemorySource([record]), log, lambda: NOW)
    same = (
        gate.ask("example.com").body,
        gate.ask("example.com", requester=officer, **WHY).body,
        bytes(gate.public("example.com", "whois")),
    )
    assert asyncio.run(ask(Awaited())) == same
    assert asyncio.run(ask(MemorySource([record]))) == same


def test_gives_up_on_a_slow_source(settings):
    class Slow:
        def find(self, name):
            time.sleep(0.3)

    async def ask():
        with ThreadPoolExecutor(1) as pool:
            gate = AsyncGate(
                settings, Slow(), DeadLog(), lambda: NOW, executor=pool, find_timeout_s=0.05
            )
            await gate.ask("example.com")

    with pytest.raises(errors.SourceTooSlow):
        asyncio.run(ask())


def test_refusals_do_not_depend_on_the_records_values(settings, officer, log, record):
    other = wg.Record.of("example.com", {"registrant.name": "Someone Else"})
    bodies = {
        Gate(settings, MemorySource([r]), log, lambda: NOW)
        .ask("example.com", requester=officer, purpose=PURPOSE, elements=["registrant.name"])
        .body
        for r in (record, other)
    }
    assert len(bodies) == 1


def _approval(gate):
    from whoisgate.audit.draft import Draft  # noqa: PLC0415  one place

    return Draft("approval", gate._middle.settings.policy.digest, NOW)


class TwoWays:
    """A source that says which of its two ways was taken."""

    def __init__(self, record):
        self.record, self.ways = record, []

    def find(self, name):
        self.ways.append("find")
        return self.record

    def find_fresh(self, name):
        self.ways.append("fresh")
        return self.record


class TwoAsyncWays(TwoWays):
    async def find(self, name):
        return super().find(name)

    async def find_fresh(self, name):
        return super().find_fresh(name)


def test_asks_a_source_afresh_for_gated_questions(settings, record, officer, log):
    source = TwoWays(record)
    gate = Gate(settings, source, log, lambda: NOW)
    gate.ask("example.com")
    gate.ask("example.com", requester=officer, **WHY)
    assert source.ways == ["find", "fresh"]


@pytest.mark.parametrize("kind", [TwoWays, TwoAsyncWays])
def test_asks_a_source_afresh_for_gated_questions_when_asynchronous(
    settings, record, officer, log, kind
):
    async def walk():
        with ThreadPoolExecutor(1) as executor:
            gate = AsyncGate(settings, source, log, lambda: NOW, executor=executor)
            await gate.ask("example.com")
            await gate.ask("example.com", requester=officer, **WHY)

    source = kind(record)
    asyncio.run(walk())
    assert source.ways == ["find", "fresh"]


def test_seals_where_a_record_was_fetched_and_commits_no_digest_of_it(
    settings, record, officer, log
):
    drafts = []
    append = log.append
    log.append = lambda draft: drafts.append(draft) or append(draft)
    fetched = Fetched("https://rdap.example/domain/example.com", NOW, "ab" * 32)
    source = MemorySource([replace(record, fetched=(fetched,))])
    Gate(settings, source, log, lambda: NOW).ask("example.com", requester=officer, **WHY)
    (draft,) = drafts
    assert draft.sealed["fetched"] == [
        {"upstream": fetched.upstream, "at": NOW.isoformat(), "sha256": "ab" * 32}
    ]
    assert "ab" * 32 not in str(draft.fields)
