"""The accounts on disk: exact among processes, through kills, midnights and clocks that step."""

import json
import sqlite3
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from whoisgate.audit.draft import Asking, Draft, Lifted
from whoisgate.conduct import Thresholds
from whoisgate.errors import (
    BudgetSpent,
    ClockBehind,
    ConductStopped,
    DiskFull,
    PersonsSpent,
    ReleaseHeld,
    WhoisgateError,
)
from whoisgate.queries import Limits
from whoisgate.testing import MemoryLog

STEPS = Thresholds(hour=(4, 6, 8), day=(5, 7, 9), run=(2, 3, 4), habit_days=2)


def asking(*roles, month=None, day=None, hour=None, **more):
    return Asking(roles or ("registrant",), Limits(hour, day, month), **more)


def disclose(home, log, domain, asking, **more):
    return log.append(home.disclosure(domain=domain, asking=asking, **more)).result()


def rows(home, table):
    with sqlite3.connect(home.path / "whoisgate.db") as database:
        return database.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608  a literal


def colleagues(home, log):
    """What Bo is told of a name that Ann asked about already, and of one that she did not."""
    limits = Asking(("registrant",), Limits(day=1000), Limits(day=100))

    def told(person, domain):
        who = {"authority": "Police", "requester": f"6:Police/{person}"}
        draft = home.disclosure(domain=domain, asking=limits, **who)
        own, shared = log.append(draft).result().quotas
        return own[:4], shared[:4]

    for name in ("case", "other", "third"):
        told("ann", f"{name}.example")
    return [told("bo", f"{name}.example") for name in ("case", "fresh")]


def test_tells_nobody_what_a_colleague_asked_about(home, log):
    drawn = iter(range(1, 1 << 20))
    memory = MemoryLog(clock=home.clock, entropy=lambda n: next(drawn).to_bytes(n, "little"))
    shared = ("authority", "day", 100, 90)
    for kept in (log, memory):
        assert colleagues(home, kept) == [
            (("person", "day", 1000, 999), shared), (("person", "day", 1000, 998), shared),
        ]  # fmt: skip


def test_discloses_a_hundred_persons_to_64_clients_in_four_processes(home):
    racing = [home.start(40, "--threads", 16, "--persons", 100) for _ in range(4)]
    said = home.outcomes(*racing)
    assert sum(isinstance(one, list) for one in said) == 100
    assert said.count("PersonsSpent") == 60
    assert home.check([]) == 101


@pytest.mark.parametrize("seed", range(2))
def test_discloses_a_hundred_persons_although_one_process_is_killed(home, seed):
    racing = [home.start(60, "--threads", 16, "--persons", 100) for _ in range(4)]
    first = racing[0].stdout.readline()
    killer = threading.Timer(Random(seed).uniform(0.0, 0.03), racing[0].kill)
    killer.start()
    home.outcomes(*racing[1:])
    lines = [first, *racing[0].stdout.readlines()]
    racing[0].wait()
    killer.join()
    home.outcomes(home.start(100, "--threads", 16, "--persons", 100))
    assert home.check([json.loads(line) for line in lines if line.endswith("]\n")]) == 101


def test_counts_a_person_once_within_a_window(home, log):
    home.now = datetime(2026, 11, 30, 22, 59, 59, 999_999, tzinfo=UTC)
    limits = asking(hour=1, day=2, month=3)

    def left():
        return [q.left for q in disclose(home, log, "a.example", limits).quotas]

    assert [left(), left()] == [[0, 1, 2]] * 2
    with pytest.raises(PersonsSpent, match="UTC hour; the next begins at `2026-11-30T23:00:00Z`"):
        disclose(home, log, "b.example", limits)
    size = log.size()
    home.now += timedelta(microseconds=1)
    assert left() == [0, 1, 2]
    with pytest.raises(PersonsSpent, match="UTC hour"):
        disclose(home, log, "b.example", limits)
    assert log.size() == size + 1
    home.now += timedelta(hours=1)
    assert left() == [0, 1, 2], "another month"


def test_ends_a_day_at_midnight_and_a_month_at_its_end(home, log):
    home.now = datetime(2026, 11, 29, 23, 59, 59, 999_999, tzinfo=UTC)
    limits = asking(day=1, month=2)
    disclose(home, log, "a.example", limits)
    with pytest.raises(PersonsSpent, match="UTC day; the next begins at `2026-11-30T00:00:00Z`"):
        disclose(home, log, "b.example", limits)
    home.now += timedelta(microseconds=1)
    disclose(home, log, "b.example", limits)
    home.now += timedelta(days=1) - timedelta(microseconds=1)
    with pytest.raises(PersonsSpent, match="UTC month; the next begins at `2026-12-01T00:00:00Z`"):
        disclose(home, log, "c.example", limits)
    home.now += timedelta(microseconds=1)
    disclose(home, log, "c.example", limits)


@pytest.mark.parametrize("back_s", [1, 4, 60, 86_400])
def test_gives_no_window_twice_to_a_clock_that_steps_back(home, log, back_s):
    home.now = datetime(2026, 12, 1, 0, 0, 2, tzinfo=UTC)
    disclose(home, log, "a.example", asking(day=1))
    home.now -= timedelta(seconds=back_s)
    with pytest.raises(PersonsSpent if back_s < 5 else ClockBehind):
        disclose(home, log, "b.example", asking(day=1))
    home.now = datetime(2026, 12, 1, 23, 59, 59, tzinfo=UTC)
    with pytest.raises(PersonsSpent):
        disclose(home, log, "b.example", asking(day=1))


def test_takes_all_persons_of_a_release_or_none(home, log):
    disclose(home, log, "a.example", asking("registrant", month=2))
    with pytest.raises(PersonsSpent):
        disclose(home, log, "b.example", asking("registrant", "tech", month=2))
    assert (
        disclose(home, log, "a.example", asking("registrant", "tech", month=2)).quotas[0].left == 0
    )


def test_settles_what_stands_in_one_batch_one_after_the_other(home, log):
    drafts = [home.disclosure(domain=f"{n}.example", asking=asking(month=10)) for n in range(60)]
    outcomes = [future.exception() for future in [log.append(d) for d in drafts]]
    assert [type(o) for o in outcomes] == [type(None)] * 10 + [PersonsSpent] * 50


def test_sees_at_once_what_another_process_spent_and_lifted(home, log):
    other = home.log()
    for number, each in enumerate([log, other] * 2):
        disclose(home, each, f"{number}.example", asking(month=4))
    for each in (log, other):
        with pytest.raises(PersonsSpent):
            disclose(home, each, "last.example", asking(month=4))
    stopping = asking(thresholds=Thresholds((1, 1, 1)))
    refusal = replace(home.disclosure(asking=stopping), kind="refusal")
    stopped = log.append(refusal).result()
    with pytest.raises(ConductStopped):
        disclose(home, log, "a.example", asking(thresholds=STEPS))
    lifted = Draft("approval", home.policy, home.clock(), settles=Lifted(stopped.index))
    other.append(lifted).result()
    assert disclose(home, log, "a.example", asking(thresholds=STEPS))


def test_forgets_what_was_spent_in_a_batch_that_was_rolled_back(home, log, monkeypatch):
    disclose(home, log, "a.example", asking(month=2))
    with monkeypatch.context() as patch:

        def full(*_):
            raise DiskFull("no room")

        patch.setattr("whoisgate.stores.shred.write", full)
        with pytest.raises(DiskFull):
            disclose(home, log, "b.example", asking(month=2))
    assert disclose(home, log, "c.example", asking(month=2)).quotas[0].left == 0


def test_leaves_nothing_of_a_draft_that_is_not_logged(home, log):
    before = {table: rows(home, table) for table in ("account", "counted", "habit", "stopped")}
    wrong = [
        {"uses": 99},
        {"fields": {"case": 1.5}},
        {"valid_until": datetime(2020, 1, 1, tzinfo=UTC)},
    ]
    for more in wrong:
        with pytest.raises((WhoisgateError, TypeError)):
            disclose(home, log, "a.example", asking(month=9, thresholds=STEPS), **more)
    assert before == {table: rows(home, table) for table in before}


def test_knows_nobody_by_name(home, log):
    for domain in ("shop1.example", "shop2.example", "shop3.example"):
        refusal = replace(
            home.disclosure(domain=domain, asking=asking(month=9, thresholds=STEPS)), kind="refusal"
        )
        log.append(refusal).result()
        disclose(home, log, "calm.example", asking(month=9, thresholds=STEPS))
    log.close()
    content = (home.path / "whoisgate.db").read_bytes()
    assert rows(home, "counted")
    for word in (b"shop", b"calm", b"officer-7", b"registrant"):
        assert word not in content


def test_prunes_what_belongs_to_months_that_ended(home, log):
    home.now = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
    futures = [
        log.append(home.disclosure(domain=d, asking=asking(month=999, thresholds=STEPS)))
        for d in ("a.example", "b.example", "c.example")
    ]
    many = [
        log.append(home.disclosure(domain=f"x{n}.example", asking=asking(month=999)))
        for n in range(600)
    ]
    for future in (*futures, *many):
        future.result()
    assert len(rows(home, "counted")) > 600
    home.now = datetime(2026, 12, 1, tzinfo=UTC)
    for _ in range(4):
        disclose(home, log, "a.example", asking(month=999))
    assert len(rows(home, "counted")) == len(rows(home, "account")) == 1
    assert len(rows(home, "habit")) == 1
    home.now += timedelta(days=100)
    disclose(home, log, "a.example", asking(month=999))
    assert rows(home, "habit") == []


def test_logs_what_stops_somebody_whatever_is_left_of_refusals(home, log):
    def refuse(number):
        counted = asking(thresholds=STEPS)
        draft = home.disclosure(domain=f"shop{number}.example", asking=counted, budget=3)
        return log.append(replace(draft, kind="refusal")).result().index

    entries = [refuse(number) for number in range(4)]
    assert log.stopped() == entries[3:]
    with pytest.raises(BudgetSpent):
        refuse(9)
    with pytest.raises(ConductStopped):
        disclose(home, log, "calm.example", asking(thresholds=STEPS))


# --- The log on disk and the log in memory refuse the same ---------------------------------------

STEP = st.tuples(
    st.sampled_from(["disclosure", "refusal", "pending", "lift"]),
    st.sampled_from([f"{name}{n}.example" for name in ("shop", "a", "b") for n in range(4)]),
    st.sampled_from(["police/officer-7", "police/officer-8"]),
    st.sets(st.sampled_from(["registrant", "tech"]), max_size=2),
    st.booleans(),
    st.sampled_from([0, 1, 3600, 7 * 3600, 86_400, 20 * 86_400]),
)


def said(log, draft):
    """What comes of a draft, in a form that two logs can share."""
    try:
        receipt = log.append(draft).result()
    except WhoisgateError as error:
        return type(error).__name__, str(error) if isinstance(error, ReleaseHeld) else ""
    return receipt.index, receipt.quotas


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, max_size=40))
def test_settles_as_the_log_in_memory_does(home, tmp_path_factory, steps):
    home.path = tmp_path_factory.mktemp("pair")
    (home.path / "log").mkdir()
    home.now = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
    drawn = iter(range(1, 1 << 30))
    memory = MemoryLog(clock=home.clock, entropy=lambda size: next(drawn).to_bytes(size, "little"))
    disk = home.log(create=True)
    first = Draft(
        "inception", home.policy, home.now, open={"origin": "log.example/2026", "vkey": "-"}
    )
    memory.append(first).result()
    for number, (kind, domain, who, roles, approved, wait_s) in enumerate(steps):
        home.now += timedelta(seconds=wait_s)
        if kind == "lift":
            draft = Draft(
                "approval", home.policy, home.now, settles=Lifted([number, *disk.stopped()][-1])
            )
        else:
            counted = asking(
                *sorted(roles) if kind == "disclosure" else (),
                month=9, day=5, hour=3, approved=approved, thresholds=STEPS,
                authority_limits=Limits(month=12),
            )  # fmt: skip
            draft = replace(
                home.disclosure(domain=domain, requester=who, asking=counted, authority="police"),
                kind=kind, budget=None if kind == "disclosure" else 4,
            )  # fmt: skip
        assert said(disk, draft) == said(memory, draft)
    disk.close()
