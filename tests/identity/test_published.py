"""Published keys: fetched from the directory's address alone, seldom, and once for all who wait."""

import asyncio
import json
import logging
from datetime import timedelta

import pytest
from tests.identity.bound import BOUND, presented, proof
from tests.identity.tokens import (
    AUDIENCE,
    EC,
    ED,
    ED_OTHER,
    NOW,
    POLICE,
    RSA,
    claims,
    ec_jwk,
    ed_jwk,
    header,
    jwks,
    record,
    rsa_jwk,
    token,
)

from whoisgate.errors import CredentialRefused, UpstreamForbidden
from whoisgate.identity import published as module
from whoisgate.identity.authenticator import Authenticator
from whoisgate.identity.authority import Authority
from whoisgate.identity.directory import Directory
from whoisgate.identity.published import AGAIN_S, GOOD_S, OLD_S, Published

URL = "https://id.police.example/keys"
KEYS = jwks(ed_jwk(ED, kid="2026"))
ROTATED = jwks(ed_jwk(ED_OTHER, kid="2027"))
ROTATED_TOKEN = token(header(kid="2027"), sign=ED_OTHER.sign)


def by_url(iss="https://id.police.example", url=URL):
    return {
        "method": "token", "iss": iss, "algorithm": "EdDSA", "assurance": "high", "keys_url": url,
    }  # fmt: skip


DIRECTORY = Directory([Authority(record("Police of Example", "police", by_url()), 1)], AUDIENCE)


class Publisher:
    """An issuer's web server: says what ``says`` is, or raises it, after ``wait``."""

    def __init__(self, says=KEYS):
        self.says, self.asked, self.wait = says, [], 0.0

    async def __call__(self, url):
        self.asked.append(url)
        await asyncio.sleep(self.wait)
        if isinstance(self.says, Exception):
            raise self.says
        return self.says if isinstance(self.says, bytes) else self.says.encode()


def door(publisher, directory=DIRECTORY):
    return Authenticator(lambda: directory, published=Published(publisher))


async def ask(door, access=None, now=NOW):
    asked = presented(access or token(), scheme="Bearer")
    await door.prepare(asked, now)
    return door.authenticate(asked, now)


def after(seconds):
    return NOW + timedelta(seconds=seconds)


def fresh(n, **more):
    """A token that nobody has seen before."""
    return token(header(**more), claims(sub=f"officer-{n}"))


def test_fetches_from_the_directorys_address_when_first_wanted():
    publisher = Publisher()
    requester = asyncio.run(ask(door(publisher)))
    assert (requester.authority, requester.person) == ("Police of Example", "officer-7")
    assert publisher.asked == [URL]


def test_shares_one_fetch_among_all_who_wait():
    publisher = Publisher()
    publisher.wait = 0.05

    async def run():
        at = door(publisher)
        return await asyncio.gather(*(ask(at, fresh(n)) for n in range(200)))

    assert len({r.person for r in asyncio.run(run())}) == 200
    assert publisher.asked == [URL]


def test_is_asked_once_a_minute_by_a_flood_of_unknown_kids():
    publisher = Publisher()

    async def run():
        at, refused = door(publisher), 0
        await ask(at)
        for second in range(600):
            for n in range(5):
                asked = fresh(n, kid=f"{second}-{n}")
                with pytest.raises(CredentialRefused, match="kid"):
                    await ask(at, asked, after(second))
                refused += 1
            await ask(at, fresh(second), after(second))  # those who ask rightly go on
        return refused

    async def at_once():
        at = door(publisher)
        floods = (ask(at, fresh(n, kid=f"k{n}")) for n in range(1000))
        return await asyncio.gather(*floods, return_exceptions=True)

    assert asyncio.run(run()) == 3000
    assert len(publisher.asked) == 10
    publisher.asked.clear()
    assert all(isinstance(e, CredentialRefused) for e in asyncio.run(at_once()))
    assert len(publisher.asked) == 1


def test_finds_a_key_that_was_published_since():
    publisher = Publisher()

    async def run():
        at = door(publisher)
        await ask(at)
        publisher.says = ROTATED
        with pytest.raises(CredentialRefused, match="kid"):
            await ask(at, ROTATED_TOKEN, after(AGAIN_S - 1))
        return await ask(at, ROTATED_TOKEN, after(AGAIN_S))

    assert asyncio.run(run()).person == "officer-7"
    assert len(publisher.asked) == 2


def test_believes_a_key_that_was_withdrawn_for_five_minutes_at_most():
    publisher = Publisher()

    async def run():
        at = door(publisher)
        await ask(at, fresh(1))
        publisher.says = ROTATED
        assert await ask(at, fresh(2), after(OLD_S - 1))
        with pytest.raises(CredentialRefused, match="kid"):
            await ask(at, fresh(3), after(OLD_S))

    asyncio.run(run())


LONG = claims(iat=int(NOW.timestamp()), exp=int(NOW.timestamp()) + 86_400)


def lasting(n):
    """A token that is good all day."""
    return token(body={**LONG, "sub": f"officer-{n}"})


FAILURES = {
    "forbidden": UpstreamForbidden("expected public addresses alone"),
    "no connection": OSError("refused"),
    "an error page": "<html>sorry</html>",
    "no UTF-8": b"\xff\xfe",
    "no keys": jwks(),
    "not its own kind of keys": jwks(ec_jwk(EC, kid="2026"), rsa_jwk(RSA, kid="2026")),
    "private keys": jwks({**ed_jwk(ED, kid="2026"), "d": "AAAA"}),
    "a symmetric key": jwks({"kty": "oct", "k": "AAAA", "kid": "2026"}),
    "two keys of one name": jwks(ed_jwk(ED, kid="2026"), ed_jwk(ED_OTHER, kid="2026")),
    "too many keys": jwks(*(ed_jwk(ED, kid=str(n)) for n in range(33))),
    "a use that is a list": json.dumps({"keys": [{**ed_jwk(ED), "use": ["sig"]}]}),
    "a duplicate member": '{"keys": [], ' + KEYS[1:],
    "a number of 5,000 digits": '{"x": ' + "9" * 5000 + ", " + KEYS[1:],
}


@pytest.mark.parametrize("name", FAILURES)
def test_keeps_its_keys_for_a_day_while_nothing_better_can_be_had(name, caplog):
    publisher = Publisher()

    async def run():
        at = door(publisher)
        await ask(at)
        publisher.says = FAILURES[name]
        with caplog.at_level(logging.WARNING, "whoisgate"):
            assert await ask(at, lasting(1), after(OLD_S))
            assert await ask(at, lasting(2), after(GOOD_S - 1))

    asyncio.run(run())
    assert caplog.messages
    for said in caplog.messages:
        assert URL in said
        assert not {"sorry", "officer", ed_jwk(ED)["x"]} & set(said.split())


def test_has_no_keys_after_a_day_without_an_answer():
    publisher = Publisher()
    kept, issuer = Published(publisher), DIRECTORY.issuers["https://id.police.example"]

    async def run():
        await kept.refresh(issuer.proof, "2026", NOW)
        publisher.says = OSError()
        assert kept.keys(issuer.proof, after(GOOD_S - 1))
        await kept.refresh(issuer.proof, "2026", after(GOOD_S))
        assert kept.keys(issuer.proof, after(GOOD_S)) is None
        publisher.says = KEYS
        await kept.refresh(issuer.proof, "2026", after(GOOD_S + AGAIN_S))
        assert kept.keys(issuer.proof, after(GOOD_S + AGAIN_S))

    asyncio.run(run())


def test_tries_a_failing_address_once_a_minute():
    publisher = Publisher(OSError())

    async def run():
        at = door(publisher)
        for second in range(0, 180, 5):
            with pytest.raises(CredentialRefused, match="cannot be had at present"):
                await ask(at, fresh(second), after(second))

    asyncio.run(run())
    assert len(publisher.asked) == 3


def test_waits_no_longer_than_its_deadline(monkeypatch):
    monkeypatch.setattr(module, "DEADLINE_S", 0.05)
    publisher = Publisher()
    publisher.wait = 60

    async def run():
        started = asyncio.get_running_loop().time()
        with pytest.raises(CredentialRefused, match="cannot be had at present"):
            await ask(door(publisher))
        return asyncio.get_running_loop().time() - started

    assert asyncio.run(run()) < 10


def test_ends_no_fetch_when_one_of_those_who_wait_leaves():
    publisher = Publisher()
    publisher.wait = 0.05

    async def run():
        at = door(publisher)
        first = asyncio.create_task(ask(at, fresh(1)))
        second = asyncio.create_task(ask(at, fresh(2)))
        await asyncio.sleep(0.01)
        first.cancel()
        return await second

    assert asyncio.run(run()).person == "officer-2"
    assert len(publisher.asked) == 1


STRANGERS = {
    "no credential": "",
    "nonsense": "nonsense",
    "an issuer that nobody listed": token(body=claims(iss="https://else.example")),
    "an address of its own": token(header(jku="https://evil.example/keys")),
    "a key of its own": token(header(jwk=ed_jwk(ED_OTHER)), sign=ED_OTHER.sign),
    "an address as its kid": token(header(kid=["https://evil.example/keys"])),
    "an issuer that is an address": token(body=claims(iss=URL)),
    "a token too long": "A" * 9000,
}


@pytest.mark.parametrize("name", STRANGERS)
def test_fetches_nothing_for_strangers(name):
    publisher = Publisher()
    with pytest.raises(CredentialRefused):
        asyncio.run(ask(door(publisher), STRANGERS[name] or "."))
    assert publisher.asked == []


def test_fetches_nothing_for_keys_that_stand_in_the_directory():
    publisher = Publisher()
    listed = Directory([POLICE.authority], AUDIENCE)
    assert asyncio.run(ask(door(publisher, listed)))
    assert publisher.asked == []


def test_fetches_nothing_for_a_token_that_is_remembered():
    publisher = Publisher()

    async def run():
        at = door(publisher)
        await ask(at)
        publisher.says = OSError()
        await ask(at, now=after(59))

    asyncio.run(run())
    assert publisher.asked == [URL]


def test_keeps_the_keys_when_the_directory_changes():
    publisher = Publisher()
    listed = [DIRECTORY]

    async def run():
        at = Authenticator(lambda: listed[0], published=Published(publisher))
        await ask(at)
        listed[0] = Directory(DIRECTORY.authorities, AUDIENCE)
        await ask(at, fresh(1))
        listed[0] = Directory([], AUDIENCE)
        with pytest.raises(CredentialRefused, match="believes"):
            await ask(at)

    asyncio.run(run())
    assert publisher.asked == [URL]


def test_believes_one_issuers_keys_for_that_issuer_alone():
    other = record("Others", "csirt", by_url("https://csirt.example", "https://csirt.example/keys"))
    both = Directory([*DIRECTORY.authorities, Authority(other, 2)], AUDIENCE)

    async def publish(url):
        return (KEYS if url == URL else ROTATED).encode()

    forged = token(header(), claims(iss="https://csirt.example"))

    async def run():
        at = door(publish, both)
        await ask(at)
        with pytest.raises(CredentialRefused, match="kid"):
            await ask(at, forged)

    asyncio.run(run())


def test_keeps_a_bounded_number_of_sets(monkeypatch):
    monkeypatch.setattr(module, "MAX_SETS", 3)
    kept = Published(Publisher())
    directory = Directory(
        [
            Authority(record(f"A{n}", "police", by_url(f"https://{n}.example", f"{URL}{n}")), n)
            for n in range(10)
        ],
        AUDIENCE,
    )

    async def run():
        for issuer in directory.issuers.values():
            await kept.refresh(issuer.proof, "2026", NOW)

    asyncio.run(run())
    assert (len(kept._kept), len(kept._tried), len(kept._flights)) == (3, 3, 0)


def test_takes_no_proof_without_a_key_for_nonces():
    with pytest.raises(CredentialRefused, match="not bound by DPoP"):
        door(Publisher(), Directory([POLICE.authority], AUDIENCE)).authenticate(
            presented(BOUND, proof()), NOW
        )
    assert door(Publisher()).nonce(NOW) is None
