"""What stands between many questions and one upstream."""

import asyncio

import pytest
from tests.sources.upstream.conftest import NAME

from whoisgate.errors import (
    UpstreamMalformed,
    UpstreamResting,
    UpstreamThrottled,
    UpstreamTimedOut,
    UpstreamUnreachable,
)
from whoisgate.records import Record
from whoisgate.sources.upstream.guard import MAX_ABSENT, MAX_THROTTLED_S, Guard, Limits

RECORD = Record(NAME)


class Told:
    """An upstream whose next answers are set, with a clock of its own."""

    def __init__(self, **limits):
        self.now, self.asked, self.answers = 1000.0, [], []
        self.held: asyncio.Event | None = None
        self.guard = Guard(Limits(**limits), self.ask, lambda: self.now)

    async def ask(self, name, until):
        assert until == 9.0
        self.asked.append(name)
        if self.held:
            await self.held.wait()
        answer = self.answers.pop(0) if self.answers else RECORD
        if isinstance(answer, Exception):
            raise answer
        return answer


def run(steps, **limits):
    told = Told(**limits)
    asyncio.run(steps(told))
    return told


async def refused(asking, error=UpstreamResting):
    with pytest.raises(error) as raised:
        await asking
    return str(raised.value)


async def started(*questions):
    tasks = [asyncio.ensure_future(question) for question in questions]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


def test_shares_one_answer_among_equal_public_questions():
    async def steps(told):
        told.held = asyncio.Event()
        tasks = await started(
            *(told.guard.find(NAME, 9.0) for _ in range(9)), told.guard.find("b.test", 9.0)
        )
        assert told.asked == [NAME, "b.test"]
        told.held.set()
        assert await asyncio.gather(*tasks) == [RECORD] * 10
        assert await told.guard.find(NAME, 9.0) == RECORD
        assert told.asked == [NAME, "b.test", NAME]

    run(steps)


def test_shares_a_failure_too():
    async def steps(told):
        told.held = asyncio.Event()
        told.answers = [UpstreamMalformed("expected sense")]
        tasks = await started(told.guard.find(NAME, 9.0), told.guard.find(NAME, 9.0))
        told.held.set()
        failed = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(error) for error in failed] == [UpstreamMalformed] * 2
        assert told.asked == [NAME]

    run(steps)


def test_goes_on_for_the_others_when_one_stops_waiting():
    async def steps(told):
        told.held = asyncio.Event()
        first, second = await started(told.guard.find(NAME, 9.0), told.guard.find(NAME, 9.0))
        first.cancel()
        told.held.set()
        assert await second == RECORD
        assert first.cancelled()

    run(steps)


def test_leaves_no_failure_unseen_when_nobody_waits_any_more():
    async def steps(told):
        seen = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: seen.append(context))
        told.held, told.answers = asyncio.Event(), [UpstreamMalformed("expected sense")]
        (only,) = await started(told.guard.find(NAME, 9.0))
        only.cancel()
        told.held.set()
        await asyncio.sleep(0.01)
        assert told.asked == [NAME]
        assert seen == []

    run(steps)


def test_asks_anew_for_each_gated_question():
    async def steps(told):
        told.held = asyncio.Event()
        tasks = await started(
            told.guard.find(NAME, 9.0),
            told.guard.find_fresh(NAME, 9.0),
            told.guard.find_fresh(NAME, 9.0),
        )
        assert told.asked == [NAME] * 3
        told.held.set()
        await asyncio.gather(*tasks)

    run(steps)


def test_remembers_an_absence_for_a_while_and_a_record_never():
    async def steps(told):
        told.answers = [None, None]
        assert await told.guard.find(NAME, 9.0) is None
        told.now += 29
        assert await told.guard.find(NAME, 9.0) is None
        assert told.asked == [NAME]
        told.now += 2
        assert await told.guard.find(NAME, 9.0) is None
        assert await told.guard.find("b.test", 9.0) == RECORD
        assert await told.guard.find("b.test", 9.0) == RECORD
        assert told.asked == [NAME, NAME, "b.test", "b.test"]

    run(steps, negative_s=30)


def test_tells_a_gated_question_nothing_remembered_and_remembers_nothing_of_it():
    async def steps(told):
        told.answers = [None]
        assert await told.guard.find_fresh(NAME, 9.0) is None
        assert await told.guard.find(NAME, 9.0) == RECORD
        told.answers = [None]
        assert await told.guard.find(NAME, 9.0) is None
        assert await told.guard.find_fresh(NAME, 9.0) == RECORD
        assert len(told.asked) == 4

    run(steps)


def test_remembers_nothing_where_the_operator_wants_none():
    async def steps(told):
        told.answers = [None, None]
        assert await told.guard.find(NAME, 9.0) is None
        assert await told.guard.find(NAME, 9.0) is None
        assert len(told.asked) == 2

    run(steps, negative_s=0)


def test_remembers_so_many_absences_and_no_more():
    async def steps(told):
        told.answers = [None] * (MAX_ABSENT + 1)
        for number in range(MAX_ABSENT + 1):
            await told.guard.find(f"n{number}.example", 9.0)
        assert len(told.guard._absent) == MAX_ABSENT
        assert "n0.example" not in told.guard._absent

    run(steps, per_minute=1_000_000)


@pytest.mark.parametrize("failure", [UpstreamUnreachable("gone"), UpstreamTimedOut("slow")])
def test_leaves_a_failing_upstream_alone_and_tries_it_with_one_question(failure):
    async def steps(told):
        told.answers = [failure] * 3
        for _ in range(3):
            await refused(told.guard.find(NAME, 9.0), type(failure))
        assert "30" in await refused(told.guard.find(NAME, 9.0))
        await refused(told.guard.find_fresh(NAME, 9.0))
        told.now += 31
        told.held, told.answers = asyncio.Event(), [failure]
        (probe,) = await started(told.guard.find(NAME, 9.0))
        await refused(told.guard.find("b.test", 9.0))
        await refused(told.guard.find_fresh("b.test", 9.0))
        told.held.set()
        await refused(probe, type(failure))
        await refused(told.guard.find(NAME, 9.0))
        told.now += 31
        assert await told.guard.find_fresh(NAME, 9.0) == RECORD
        assert await told.guard.find(NAME, 9.0) == RECORD
        assert len(told.asked) == 6

    run(steps, failures=3, rest_s=30)


def test_takes_an_unusable_answer_for_a_sign_of_life():
    async def steps(told):
        for _ in range(5):
            told.answers = [UpstreamUnreachable("gone"), UpstreamMalformed("expected sense")]
            await refused(told.guard.find(NAME, 9.0), UpstreamUnreachable)
            await refused(told.guard.find(NAME, 9.0), UpstreamMalformed)
        assert len(told.asked) == 10

    run(steps, failures=2)


@pytest.mark.parametrize(
    ("said", "rests"), [(7, 7), (None, 10), (0, 0), (999_999, MAX_THROTTLED_S)]
)
def test_rests_as_long_as_a_throttling_upstream_says_within_bounds(said, rests):
    async def steps(told):
        told.answers = [UpstreamThrottled("too much", said)]
        await refused(told.guard.find(NAME, 9.0), UpstreamThrottled)
        if rests:
            told.now += rests - 0.5
            await refused(told.guard.find_fresh(NAME, 9.0))
        told.now += 1
        assert await told.guard.find(NAME, 9.0) == RECORD

    run(steps)


def test_keeps_to_its_budget_and_a_tenth_of_it_for_gated_questions():
    async def steps(told):
        for number in range(54):
            await told.guard.find(f"n{number}.example", 9.0)
        assert "`60` a minute" in await refused(told.guard.find(NAME, 9.0))
        for _ in range(6):
            await told.guard.find_fresh(NAME, 9.0)
        assert "`60` a minute" in await refused(told.guard.find_fresh(NAME, 9.0))
        told.now += 1
        await refused(told.guard.find(NAME, 9.0))
        assert await told.guard.find_fresh(NAME, 9.0) == RECORD
        await refused(told.guard.find_fresh(NAME, 9.0))
        assert len(told.asked) == 61

    run(steps, per_minute=60)


def test_has_so_many_questions_under_way_and_a_tenth_for_gated_ones():
    async def steps(told):
        told.held = asyncio.Event()
        tasks = await started(*(told.guard.find(f"n{n}.example", 9.0) for n in range(18)))
        assert "under way" in await refused(told.guard.find(NAME, 9.0))
        tasks += await started(told.guard.find_fresh(NAME, 9.0), told.guard.find_fresh(NAME, 9.0))
        assert "under way" in await refused(told.guard.find_fresh(NAME, 9.0))
        told.held.set()
        await asyncio.gather(*tasks)
        assert await told.guard.find(NAME, 9.0) == RECORD

    run(steps, in_flight=20)


def test_counts_one_question_where_many_share_it():
    async def steps(told):
        told.held = asyncio.Event()
        tasks = await started(*(told.guard.find(NAME, 9.0) for _ in range(500)))
        told.held.set()
        await asyncio.gather(*tasks)

    assert len(run(steps, in_flight=1, per_minute=1).asked) == 1


def test_gives_its_place_back_when_a_question_is_cancelled():
    async def steps(told):
        told.held = asyncio.Event()
        (task,) = await started(told.guard.find_fresh(NAME, 9.0))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        told.held.set()
        assert await told.guard.find_fresh(NAME, 9.0) == RECORD

    run(steps, in_flight=1)


def test_ends_what_is_under_way_when_closed():
    async def steps(told):
        told.held = asyncio.Event()
        tasks = await started(told.guard.find(NAME, 9.0))
        await told.guard.close()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert told.guard._flights == {}

    run(steps)
