"""One process, one log: what an append does, and what it refuses."""

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from whoisgate.audit.draft import Done, Draft, Due, Grant
from whoisgate.audit.verify import (
    directory_reader,
    parse_leaf,
    verify_log,
    verify_receipt,
)
from whoisgate.elements import ELEMENTS
from whoisgate.errors import (
    ApprovalSpent,
    BudgetSpent,
    ClockBehind,
    CredentialRefused,
    FolderExists,
    LogUnavailable,
    ReceiptNotFound,
    UnknownEntry,
)

PERSON = "police/officer-7"


def pending(home, question=b"q", **more):
    return Draft(
        "pending", home.policy, home.clock(), {"domain": "example.com"}, requester=PERSON,
        domain="example.com", question=question, **more,
    )  # fmt: skip


def approval(home, entry, elements=("registrant.name",), **by):
    expires = home.clock() + timedelta(**(by or {"hours": 1}))
    grant = Grant(entry, elements, "supervisor", expires)
    return Draft("approval", home.policy, home.clock(), settles=grant)


def test_begins_with_an_entry_that_names_origin_and_key(home, log):
    leaf = parse_leaf(log.leaf(0))
    assert leaf.kind == "inception"
    assert leaf.open == {"origin": "log.example/2026", "vkey": home.signer.vkey}


def test_never_makes_a_log_over_another(home):
    with pytest.raises(FolderExists):
        home.log(create=True)


def test_gives_a_receipt_that_verifies_and_opens_everything(home, log):
    receipt = log.append(home.disclosure()).result()
    shown = verify_receipt(receipt.proof, home.signer.verifier)
    assert shown.index == receipt.index == 1
    assert receipt.body_sha256 == shown.fields["body"] == "c" * 64
    assert shown.fields["domain"] == "example.com"
    assert shown.fields["kind"] == "disclosure"


def test_gives_the_same_proof_again_later(home, log):
    receipts = [f.result() for f in [log.append(home.disclosure()) for _ in range(40)]]
    for receipt in receipts:
        assert log.receipt(receipt.index, receipt.token, PERSON) == receipt.proof
    other = home.log()
    assert other.receipt(7, receipts[6].token, PERSON) == receipts[6].proof


@pytest.mark.parametrize(
    "change",
    [
        {"index": 2}, {"index": 0}, {"index": -1}, {"index": 10**30}, {"token": "A" * 22},
        {"token": ""}, {"token": "é"}, {"requester": "police/officer-8"}, {"requester": ""},
        {"requester": "\ud800"},
    ],
)  # fmt: skip
def test_tells_nobody_why_there_is_no_receipt(home, log, change):
    first, _ = (log.append(home.disclosure()).result() for _ in range(2))
    right = {"index": first.index, "token": first.token, "requester": PERSON}
    assert log.receipt(**right) == first.proof
    with pytest.raises(ReceiptNotFound) as caught:
        log.receipt(**(right | change))
    assert str(caught.value) == "no receipt at this address for this requester"


def test_publishes_what_it_appended_when_it_closes(home, log):
    for future in [log.append(home.disclosure()) for _ in range(300)]:
        future.result()
    log.close()
    shown = verify_log(directory_reader(home.path / "log"), home.signer.verifier)
    assert shown.sentences()[0].endswith(" 301 entries.")


def test_refuses_after_close(home, log):
    log.append(home.disclosure()).result()
    log.close()
    log.close()
    with pytest.raises(LogUnavailable, match="closed"):
        log.append(home.disclosure()).result()


def test_lets_recipients_open_an_entry_and_nobody_else(home, log):
    sealed = {"decision": {"registrant.name": ["release"]}}
    index = log.append(home.disclosure(sealed=sealed)).result().index
    opened = log.open_entry(index, home.operator)
    assert opened.fields["case"] == "2026-114"
    assert opened.sealed == sealed
    stranger = X25519PrivateKey.from_private_bytes(b"\x09" * 32)
    with pytest.raises(UnknownEntry):
        log.open_entry(index, stranger)
    with pytest.raises(UnknownEntry):
        log.open_entry(99, home.operator)
    with pytest.raises(UnknownEntry):
        log.leaf(99)


def test_never_opens_an_entry_whose_shred_secret_is_overwritten(home, log):
    receipt = log.append(home.disclosure()).result()
    with (home.path / "shred.slots").open("r+b") as slots:
        slots.seek(32 * receipt.index)
        slots.write(bytes(32))
    with pytest.raises(UnknownEntry):
        log.open_entry(receipt.index, home.operator)
    with pytest.raises(ReceiptNotFound):
        log.receipt(receipt.index, receipt.token, PERSON)
    assert log.open_entry(0, home.operator).fields["kind"] == "inception"
    assert verify_receipt(receipt.proof, home.signer.verifier).index == receipt.index


def test_writes_no_name_into_any_file(home, log):
    sealed = {"decision": "registrant.email"}
    for _ in range(3):
        log.append(home.disclosure(sealed=sealed)).result()
    log.close()
    for file in filter(lambda path: path.is_file(), home.path.rglob("*")):
        content = file.read_bytes()
        for word in (b"example.com", b"officer-7", b"2026-114", b"registrant.email"):
            assert word not in content, file.name


def test_commits_the_order_in_which_this_process_logged(home, log):
    for future in [log.append(home.disclosure()) for _ in range(50)]:
        future.result()
    log.close()
    first, *rest = home.nodes().values()
    assert first == [0]
    assert rest == [list(range(50))]


def test_keeps_one_bad_draft_from_harming_the_others(home, log):
    good = home.disclosure()
    drafts = [
        good,
        replace(good, fields={"case": 1.5}),
        replace(good, kind="gossip"),
        replace(good, valid_until=home.clock() - timedelta(days=1)),
        replace(good, uses=10**30),
        replace(good, dues=(Due("notify_registrant", timedelta.max),)),
        replace(good, budget=0),
        replace(good, settles=Done(77)),
        good,
    ]
    futures = [log.append(draft) for draft in drafts]
    errors = [type(future.exception()).__name__ for future in futures]
    assert errors == [
        "NoneType", "TypeError", "ValueError", "CredentialRefused", "OverflowError",
        "OverflowError", "BudgetSpent", "UnknownEntry", "NoneType",
    ]  # fmt: skip
    assert log.size() == 3
    assert [futures[0].result().index, futures[-1].result().index] == [1, 2]
    assert list(home.nodes().values()) == [[0], [0, 1]]


def test_checks_the_credential_again_when_it_logs(home, log):
    home.now = home.clock()
    log.append(home.disclosure(valid_until=home.now + timedelta(seconds=1))).result()
    with pytest.raises(CredentialRefused):
        log.append(home.disclosure(valid_until=home.now)).result()


def test_spends_a_budget_per_requester_and_day(home, log, later):
    refusal = replace(home.disclosure(budget=2), kind="refusal")
    for _ in range(2):
        log.append(refusal).result()
    with pytest.raises(BudgetSpent):
        log.append(refusal).result()
    log.append(replace(refusal, requester="police/officer-8")).result()
    log.append(home.disclosure()).result()
    later(days=1)
    log.append(refusal).result()
    assert log.size() == 6


def test_uses_a_granted_approval_once(home, log):
    entry = log.append(pending(home)).result().index
    assert [p.entry for p in log.pending()] == [entry]
    assert log.granted(b"q") is None
    log.append(approval(home, entry)).result()
    assert log.pending() == []
    assert log.granted(b"q") == (entry, frozenset({ELEMENTS["registrant.name"]}))
    assert log.granted(b"other") is None
    with pytest.raises(ApprovalSpent):
        log.append(home.disclosure(uses=entry, question=b"other")).result()
    log.append(home.disclosure(uses=entry, question=b"q")).result()
    assert log.granted(b"q") is None
    with pytest.raises(ApprovalSpent):
        log.append(home.disclosure(uses=entry, question=b"q")).result()


def test_uses_an_approval_once_within_one_batch(home, log):
    entry = log.append(pending(home)).result().index
    log.append(approval(home, entry)).result()
    futures = [log.append(home.disclosure(uses=entry, question=b"q")) for _ in range(100)]
    assert sum(future.exception() is None for future in futures) == 1


def test_prefers_the_fullest_approval_then_the_oldest(home, log):
    both = ("registrant.email", "registrant.name")
    entries = [log.append(pending(home)).result().index for _ in range(4)]
    for entry, elements in zip(entries, (both[:1], both, both[1:], both), strict=True):
        log.append(approval(home, entry, elements=elements)).result()
    sparing, full, other, full_too = entries
    for entry in (full, full_too, sparing, other):
        assert log.granted(b"q").entry == entry
        log.append(home.disclosure(uses=entry, question=b"q")).result()
    assert log.granted(b"q") is None


def test_refuses_an_approval_that_ran_out(home, log, later):
    entry = log.append(pending(home)).result().index
    with pytest.raises(ApprovalSpent):
        log.append(home.disclosure(uses=entry, question=b"q")).result()
    log.append(approval(home, entry, minutes=5)).result()
    later(minutes=6)
    assert log.granted(b"q") is None
    with pytest.raises(ApprovalSpent):
        log.append(home.disclosure(uses=entry, question=b"q")).result()


def test_grants_only_a_question_that_waits(home, log):
    entry = log.append(pending(home)).result().index
    for wrong in (0, entry + 1):
        with pytest.raises(UnknownEntry):
            log.append(approval(home, wrong)).result()
    log.append(approval(home, entry)).result()
    with pytest.raises(UnknownEntry):
        log.append(approval(home, entry)).result()


def test_schedules_obligations_and_marks_them_done(home, log):
    home.now = home.clock()
    dues = (Due("notify_registrant", timedelta(days=90)), Due("review", timedelta(days=1)))
    index = log.append(home.disclosure(dues=dues)).result().index
    review, notice = log.obligations()
    assert (review.do, notice.do) == ("review", "notify_registrant")
    assert (notice.entry, notice.done_at) == (index, None)
    assert notice.due_at == home.now + timedelta(days=90)
    marked = Draft("obligation", home.policy, home.now, settles=Done(review.id))
    log.append(marked).result()
    assert [o.done_at for o in log.obligations()] == [home.now, None]
    with pytest.raises(UnknownEntry):
        log.append(marked).result()


def test_never_logs_before_the_last_entry(home, log, later):
    last = later(seconds=0)
    log.append(home.disclosure()).result()
    later(seconds=-4)
    receipt = log.append(home.disclosure()).result()
    leaf = parse_leaf(log.leaf(receipt.index))
    openings = verify_receipt(receipt.proof, home.signer.verifier).fields
    assert openings["logged_at"] == f"{last:%Y-%m-%dT%H:%M:%S.%f}Z"
    assert leaf.hour == f"{last:%Y-%m-%dT%HZ}"


def test_stops_while_the_clock_is_behind(home, log, later):
    log.append(home.disclosure()).result()
    later(seconds=-60)
    with pytest.raises(ClockBehind):
        log.append(home.disclosure()).result()
    later(seconds=120)
    assert log.append(home.disclosure()).result().index == 2


def test_changes_the_epoch_key_every_hour(home, log, later):
    for _ in range(3):
        log.append(home.disclosure()).result()
        later(hours=1)
    for index in range(4):
        assert log.open_entry(index, home.operator).fields["node"]


def test_archives_a_policy_once(log):
    assert log.archived("d" * 64) is None
    log.archive("d" * 64, "policy: one\n")
    log.archive("d" * 64, "policy: another\n")
    assert log.archived("d" * 64) == "policy: one\n"
