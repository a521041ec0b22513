"""What the log holds back: budgets of persons, second approvers, and stops, through the gate."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import orjson
import pytest
from tests.conftest import NOW, PURPOSE

import whoisgate as wg
from whoisgate import errors
from whoisgate.audit.draft import Draft, Grant, Lifted
from whoisgate.audit.verify import verify_answer, verify_receipt
from whoisgate.conduct import Thresholds
from whoisgate.elements import element
from whoisgate.entries import ALLOWANCE, Allowance
from whoisgate.formats import rdap
from whoisgate.gate import AsyncGate, Gate
from whoisgate.middle import Settings
from whoisgate.policy.load import load_text
from whoisgate.queries import Limits, Standing
from whoisgate.records import Record
from whoisgate.redact import Substitutes
from whoisgate.replay import replay
from whoisgate.testing import MemoryLog

WHY = {"purpose": PURPOSE, "basis": "national_order", "case": "2026-114"}
NAME, PHONE = ["registrant.name"], ["registrant.phone"]
STEPS = Thresholds(hour=(50, 60, 70), day=(50, 60, 70), run=(2, 3, 4), habit_days=3)
RELEASED, REFUSED, NEEDS_APPROVAL = (
    wg.Outcome.RELEASED,
    wg.Outcome.REFUSED,
    wg.Outcome.NEEDS_APPROVAL,
)
CONTACT = {"registrant.name": "Ada Example", "registrant.phone": "+1.5555550100"}


class Names:
    """Every name has a record."""

    def find(self, name):
        return Record.of(name, CONTACT)


class Desk:
    """A gate whose clock is moved by hand."""

    def __init__(self, policy, allowance, standing=()):
        self.now, drawn = NOW, iter(range(1, 1 << 30))
        self.policy = policy
        self.log = MemoryLog(
            clock=lambda: self.now, entropy=lambda n: next(drawn).to_bytes(n, "little")
        )
        relay = Substitutes(b"k" * 32, web_form="https://registrar.example/contact?d={domain}")
        shown = rdap.Settings(base_url="https://rdap.example/", terms_url="https://rdap.example/t")
        self.settings = Settings(policy, relay, shown, standing=standing, allowance=allowance)
        self.gate = Gate(self.settings, Names(), self.log, lambda: self.now)

    def ask(self, name, officer, elements=NAME, **more):
        answer = self.gate.ask(name, requester=officer, **(WHY | more), elements=elements)
        self.fields = verify_answer(answer.body, answer.receipt.proof, self.log.key).fields
        assert replay(self.policy, self.fields).outcome is answer.decision.outcome
        if answer.outcome is not RELEASED:
            assert b"Ada" not in answer.body
            assert b"5555550100" not in answer.body
        return answer

    def append(self, settles):
        self.log.append(Draft("approval", self.policy.digest, self.now, settles=settles)).result()

    def grant(self, entry, elements=NAME):
        self.append(Grant(entry, tuple(elements), "Duty Officer", self.now + timedelta(days=1)))


@pytest.fixture
def desk(policy):
    return lambda allowance=ALLOWANCE, **more: Desk(policy, allowance, **more)


def test_refuses_the_person_after_the_last_and_logs_it(desk, officer):
    desk = desk(Allowance(person_limits=Limits(hour=9, day=2)))
    assert desk.ask("a.example", officer).receipt.quotas[1][:4] == ("person", "day", 2, 1)
    assert desk.ask("b.example", officer).outcome is RELEASED
    answer = desk.ask("c.example", officer)
    assert answer.outcome is REFUSED
    assert isinstance(answer.held, errors.PersonsSpent)
    assert answer.held.ends == datetime(2026, 11, 24, tzinfo=NOW.tzinfo)
    assert desk.fields["kind"] == "refusal"
    assert desk.fields["released"] == {}
    assert desk.fields["detail"] == {
        "held": "persons_spent", "of": "person", "window": "day", "limit": 2,
    }  # fmt: skip
    told = orjson.loads(answer.body)
    assert (told["errorCode"], told["description"]) == (429, [f"WG115: {answer.held}"])
    assert desk.ask("a.example", officer).outcome is RELEASED, "the same person costs nothing"
    desk.now += timedelta(hours=12)
    assert desk.ask("c.example", officer).outcome is RELEASED


def test_counts_roles_beyond_the_public_and_not_questions(desk, officer):
    desk = desk(Allowance(person_limits=Limits(day=1)))
    assert desk.ask("a.example", officer, ["tech.name"]).outcome is REFUSED
    assert desk.ask("a.example", officer).receipt.quotas[0].left == 0
    assert desk.ask("a.example", officer, ["registrant.email"]).outcome is RELEASED
    assert desk.gate.ask("b.example").outcome is RELEASED, "the public is not counted"


def test_shares_the_authority_s_limit_between_its_people(desk, officer):
    desk = desk(Allowance(person_limits=Limits(day=2), authority_limits=Limits(month=3)))
    people = [replace(officer, person=f"officer-{n}") for n in range(3)]
    answers = [desk.ask(f"{who.person}-{n}.example", who) for n in range(2) for who in people]
    held = [a.held for a in answers]
    assert [a.outcome for a in answers] == [RELEASED] * 3 + [REFUSED] * 3
    assert {(h.holder, h.window) for h in held[3:]} == {("authority", "month")}
    elsewhere = replace(officer, authority="Customs of Example")
    assert desk.ask("z.example", elsewhere).outcome is RELEASED


def test_takes_the_directory_s_limits_before_the_operator_s(desk, officer):
    desk = desk(Allowance(person_limits=Limits(hour=7, day=1)))
    own = replace(officer, person_limits=Limits(day=3))
    quotas = desk.ask("a.example", own).receipt.quotas
    assert [(q.window, q.limit) for q in quotas] == [("hour", 7), ("day", 3)]
    none = replace(officer, person="officer-8", person_limits=Limits(day=0))
    assert desk.ask("b.example", none).outcome is REFUSED


def test_counts_no_approved_question_less(desk, officer):
    desk = desk(Allowance(person_limits=Limits(day=1)))
    desk.grant(desk.ask("a.example", officer, PHONE).receipt.index, PHONE)
    desk.ask("b.example", officer)
    answer = desk.ask("a.example", officer, PHONE)
    assert answer.outcome is REFUSED
    desk.now += timedelta(days=1, seconds=-1)
    assert desk.ask("a.example", officer, PHONE).outcome is RELEASED, "the approval was not spent"


def test_refuses_without_an_entry_once_refusals_are_spent_too(desk, officer):
    desk = desk(Allowance(refusals_per_day=1, person_limits=Limits(day=0)))
    desk.ask("a.example", officer)
    size = desk.log.size()
    with pytest.raises(errors.BudgetSpent):
        desk.gate.ask("a.example", requester=officer, **WHY, elements=NAME)
    assert desk.log.size() == size


def test_flags_a_run_of_names_in_the_entry(desk, officer):
    desk = desk(Allowance(conduct=STEPS))
    for _ in range(5):
        assert desk.ask("shop1.example", officer).outcome is RELEASED
        assert desk.fields["detail"] is None
    assert desk.ask("shop2.example", officer).outcome is RELEASED
    assert desk.fields["detail"] == {"flagged": ["a run of names"]}
    assert desk.ask("other.example", officer).outcome is RELEASED
    assert desk.fields["detail"] is None


def test_wants_a_second_approver_even_under_a_standing_approval(policy, officer):
    text = policy.text.replace("approval: granted", "approval: [standing, granted]")
    elements = frozenset(map(element, PHONE))
    until = NOW + timedelta(days=9)
    standing = Standing(officer.authority, wg.LegalBasis.NATIONAL_ORDER, elements, until)
    desk = Desk(load_text(text, "small.yaml"), Allowance(conduct=STEPS), (standing,))
    for n in (1, 2):
        assert desk.ask(f"shop{n}.example", officer, PHONE).outcome is RELEASED
    waiting = desk.ask("shop3.example", officer, PHONE)
    assert waiting.outcome is NEEDS_APPROVAL
    assert desk.fields["kind"] == "pending"
    assert desk.fields["detail"] == {"flagged": ["a run of names"], "held": "second_approver"}
    desk.grant(waiting.receipt.index, PHONE)
    answer = desk.ask("shop3.example", officer, PHONE)
    assert (answer.outcome, desk.fields["detail"]) == (RELEASED, {"flagged": ["a run of names"]})
    assert desk.fields["approval"] == ["standing", "granted"]
    assert desk.ask("shop3.example", officer, PHONE).outcome is NEEDS_APPROVAL, "used once"


def test_takes_an_approval_of_a_part_for_no_more_than_that_part(desk, officer):
    desk = desk(Allowance(conduct=STEPS))
    for n in (1, 2):
        desk.ask(f"shop{n}.example", officer)
    both = [*NAME, "registrant.email"]
    desk.grant(desk.ask("shop3.example", officer, both).receipt.index, NAME)
    assert desk.ask("shop3.example", officer, both).outcome is NEEDS_APPROVAL
    assert desk.ask("shop3.example", officer, NAME).outcome is RELEASED


def test_is_not_held_by_a_sparing_approval_beside_a_full_one(desk, officer):
    desk = desk(Allowance(conduct=STEPS))
    for n in (1, 2):
        desk.ask(f"shop{n}.example", officer)
    both = [*NAME, "registrant.email"]
    waiting = [desk.ask("shop3.example", officer, both).receipt.index for _ in range(2)]
    desk.grant(waiting[0], NAME)
    assert desk.ask("shop3.example", officer, both).outcome is NEEDS_APPROVAL
    desk.grant(waiting[1], both)
    assert desk.ask("shop3.example", officer, both).outcome is RELEASED
    assert desk.ask("shop3.example", officer, NAME).outcome is RELEASED
    assert desk.ask("shop3.example", officer, NAME).outcome is NEEDS_APPROVAL


def test_stops_until_an_operator_lifts_it(desk, officer):
    desk = desk(Allowance(conduct=STEPS, refusals_per_day=3))
    for n in range(1, 4):
        desk.ask(f"shop{n}.example", officer)
    stopping = desk.ask("shop4.example", officer)
    assert (stopping.outcome, stopping.held.code) == (REFUSED, "WG117")
    assert desk.fields["detail"] == {"flagged": ["a run of names"], "held": "stopped"}
    desk.now += timedelta(days=40)
    for elements in (NAME, PHONE, ["tech.name"]):
        answer = desk.ask("calm.example", officer, elements)
        assert answer.outcome is REFUSED
    assert desk.ask("shop5.example", replace(officer, person="officer-8")).outcome is RELEASED
    with pytest.raises(errors.UnknownEntry):
        desk.append(Lifted(stopping.receipt.index + 1))
    desk.append(Lifted(stopping.receipt.index))
    with pytest.raises(errors.UnknownEntry):
        desk.append(Lifted(stopping.receipt.index))
    assert desk.ask("shop9.example", officer).outcome is RELEASED


def test_does_not_stop_anew_for_what_was_lifted(desk, officer):
    desk = desk(Allowance(conduct=STEPS))
    stopping = [desk.ask(f"shop{n}.example", officer) for n in range(1, 5)][-1]
    desk.append(Lifted(stopping.receipt.index))
    assert desk.ask("shop5.example", officer).outcome is RELEASED
    assert [desk.ask(f"shop{n}.example", officer).outcome for n in (6, 7, 8)] == [
        RELEASED, NEEDS_APPROVAL, REFUSED,
    ]  # fmt: skip


def test_stops_even_where_no_refusal_is_left(desk, officer):
    desk = desk(Allowance(conduct=STEPS, refusals_per_day=1))
    for n in range(1, 4):
        desk.ask(f"shop{n}.example", officer)
    assert desk.ask("shop4.example", officer).held.code == "WG117"
    desk.now += timedelta(days=1)
    assert desk.ask("calm.example", officer).held.code == "WG117"


def test_flags_an_unusual_hour(desk, officer):
    desk = desk(Allowance(conduct=STEPS))
    for _ in range(3):
        desk.ask("a.example", officer)
        desk.now += timedelta(days=1)
    desk.now += timedelta(hours=14)
    desk.ask("a.example", officer)
    assert desk.fields["detail"] == {"flagged": ["an unusual hour"]}


def test_holds_alike_in_an_asynchronous_gate(desk, officer):
    desk = desk(Allowance(conduct=STEPS, person_limits=Limits(day=3)))

    async def main():
        with ThreadPoolExecutor(1) as pool:
            door = AsyncGate(desk.settings, Names(), desk.log, lambda: desk.now, executor=pool)

            async def ask(name):
                return await door.ask(name, requester=officer, **WHY, elements=NAME)

            answers = [await ask(f"shop{n}.example") for n in (1, 2, 3)]
            desk.grant(answers[-1].receipt.index)
            answers += [await ask(f"{name}.example") for name in ("shop3", "other", "shop4")]
        return [(a.outcome, a.held and a.held.code) for a in answers]

    assert asyncio.run(main()) == [
        (RELEASED, None), (RELEASED, None), (NEEDS_APPROVAL, "WG116"), (RELEASED, None),
        (REFUSED, "WG115"), (REFUSED, "WG117"),
    ]  # fmt: skip


def test_opens_to_the_requester_what_it_was_flagged_for(desk, officer):
    desk = desk(Allowance(conduct=STEPS))
    desk.ask("shop1.example", officer)
    proof = desk.ask("shop2.example", officer).receipt.proof
    assert verify_receipt(proof, desk.log.key).fields["detail"] == {"flagged": ["a run of names"]}
