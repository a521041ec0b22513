"""Non-interference: records with equal facts and equal treated values leave every exit alike.

Each exit answers a record and its twins (see `twins`) under every shipped policy, and all that
leaves is compared: status, header lines and their order, body. Only the receipt may differ.
`PAIRS` says how many pairs each exit answers; a pair depends on its exit and number alone.
"""

import asyncio
import random
import sqlite3
from concurrent.futures import Executor, Future
from contextlib import closing, contextmanager
from dataclasses import asdict
from functools import cache
from typing import NamedTuple

import orjson
import pytest
from tests.conftest import NOW, PAIRS
from tests.servers.conftest import called
from tests.twins import Law, record, twin

from whoisgate.audit.receipt import Receipt
from whoisgate.elements import CONTACT_FIELDS, ELEMENTS, ROLES, contact_elements
from whoisgate.entries import Allowance
from whoisgate.formats import offline, rdap
from whoisgate.formats.disclosure_request import DisclosureRequest, serialise
from whoisgate.gate import AsyncGate, Gate
from whoisgate.middle import Granted, Settings
from whoisgate.policy.decide import Approved
from whoisgate.policy.files import shipped
from whoisgate.policy.load import load_named
from whoisgate.queries import (
    PUBLIC,
    Assurance,
    Jurisdiction,
    LegalBasis,
    Purpose,
    Question,
    Requester,
    RequesterClass,
    Standing,
    Urgency,
)
from whoisgate.records import Facts, Record, Region, RegistrantKind
from whoisgate.redact import Substitutes
from whoisgate.servers.rdap import application
from whoisgate.servers.settings import ServerSettings
from whoisgate.servers.whois import WhoisServer, _Connection
from whoisgate.sources import SQLSource
from whoisgate.sources.statements import Statements

TWINS = 20
"""Pairs that share one record."""

PARTS = 4
"""Tests of one exit, which may run side by side."""

SHOWN = rdap.Settings("https://rdap.example/", "https://rdap.example/terms", "whois.example")
RELAY = Substitutes(b"k" * 32, web_form="https://registrar.example/contact?d={domain}&r={role}")
NAMES = ("example.com", "xn--bcher-kva.example", "example.nl")
OUTCOMES = ("released", "refused", "needs_approval", "approved")


class Case(NamedTuple):
    """A question about a name with some facts; the public asks without words."""

    name: str
    facts: Facts
    requester: Requester = PUBLIC
    words: DisclosureRequest = DisclosureRequest()
    approved: bool = False


class Tokens(dict):
    """An authenticator that knows its tokens."""

    async def prepare(self, presented, now):
        pass

    def authenticate(self, presented, now):
        return self[presented.one(b"authorization").removeprefix("Bearer ")]

    def nonce(self, now):
        return None


class One:
    """A source of the record that it holds."""

    def find(self, name):
        return self.record


class AsyncOne(One):
    async def find(self, name):
        return self.record


class Ledger:
    """A log that keeps nothing: all that leaves of it is the receipt, which may differ."""

    def __init__(self):
        self.count, self.grant = 0, None

    def append(self, draft):
        self.count += 1
        future = Future()
        future.set_result(Receipt(self.count, draft.fields["body"], f"token-{self.count}", ""))
        return future

    def granted(self, question):
        return self.grant

    @contextmanager
    def granting(self):
        """While every question is granted all that it asks for."""
        self.grant = Granted(1, frozenset(ELEMENTS.values()))
        yield
        self.grant = None


class Here(Executor):
    """Runs at once, in the caller's thread."""

    def submit(self, run, *given):
        future = Future()
        future.set_result(run(*given))
        return future


class Sink:
    """A transport that keeps what is written to it."""

    def __init__(self):
        self.got = []

    def get_extra_info(self, name):
        return ("127.0.0.1", 50000)

    def write(self, sent):
        self.got.append(sent)

    def close(self):
        self.got.append(None)

    abort = close


class Desk:
    """Both gates and both servers under one policy, over one record and one log."""

    def __init__(self, policy):
        on = frozenset(p.switch for r in policy.rules for p in r.in_force if p.switch)
        elements = frozenset(ELEMENTS[f"registrant.{f}"] for f in ("name", "email", "street"))
        self.standing = Standing(
            "Police", LegalBasis.NATIONAL_ORDER, elements, NOW.replace(year=2099)
        )
        settings = Settings(
            policy, RELAY, SHOWN, on, (self.standing,), allowance=Allowance(1 << 40)
        )
        served, clock = ServerSettings(SHOWN), lambda: NOW
        self.policy, self.one, self.later, self.tokens = policy, One(), AsyncOne(), Tokens()
        self.log = Ledger()
        self.library = Gate(settings, self.one, self.log, clock)
        self.gateway = AsyncGate(settings, self.later, self.log, clock, executor=Here())
        self.app = application(self.gateway, served, self.tokens, None, None, None, clock)
        self.whois = WhoisServer(self.gateway, served)
        self.edition = self.library._middle.edition(NOW)

    def hold(self, held):
        self.one.record = self.later.record = held
        self.library.invalidate(held.name)
        self.gateway.invalidate(held.name)

    def ask(self, case):
        return self.library.ask(case.name, requester=case.requester, **plain(case.words))


@cache
def plain(words):
    return asdict(words)


@cache
def line(words):
    return serialise(words).encode()


@cache
def desk(name):
    return Desk(load_named(name))


# --- Exits: everything that leaves for one record ------------------------------------------------


async def library(at, case, held, _):
    at.hold(held)
    seen = []
    if case.requester is PUBLIC:
        seen += [at.library.public(case.name, form) for form in ("rdap", "whois") * 2]
    seen += told(at.ask(case))
    if case.approved:
        with at.log.granting():
            seen += told(at.ask(case))
    return seen


def told(answer):
    # A decision is interned, and what an answer tells besides is its decision's alone.
    return [answer.decision, answer.body, answer.whois(), answer.receipt is None]


async def http(at, case, held, _):
    at.hold(held)
    seen = [await get(at, case), await get(at, case, "HEAD")]
    if case.requester is PUBLIC:
        seen.append(await get(at, case))  # at hand by now
    if case.approved:
        with at.log.granting():
            seen.append(await get(at, case))
    return seen


async def get(at, case, method="GET"):
    """All that comes back but the values of the two lines that are the receipt."""
    headers = [(b"host", b"rdap.example")]
    if case.requester is not PUBLIC:
        at.tokens["t"] = case.requester
        headers += [
            (b"authorization", b"Bearer t"),
            (b"disclosure-request", line(case.words)),
        ]
    scope = {
        "type": "http", "method": method, "path": f"/domain/{case.name}", "scheme": "http",
        "query_string": b"", "headers": headers, "client": ("127.0.0.1", 50000),
    }  # fmt: skip
    reply = await called(at.app, scope)
    receipt = ("disclosure-entry", "disclosure-receipt")
    lines = [(name, None if name in receipt else value) for name, value in reply.lines]
    return reply.status, lines, reply.body


async def port43(at, case, held, _):
    at.hold(held)
    sink = Sink()
    for _ in ("found", "at hand"):
        connection = _Connection(at.whois, asyncio.get_running_loop())
        connection.connection_made(sink)
        connection.data_received(f"{case.name}\r\n".encode())
        if connection.task:
            await connection.task
        connection.connection_lost(None)
    return sink.got


async def offline_rdap(at, case, held, chance):
    return redacted(at, document(chance, held), "rdap")


async def offline_whois(at, case, held, chance):
    return redacted(at, text(held), "whois", held.name)


def redacted(at, raw, form, name=None):
    """Both renderings; which elements the answer had is told to who holds it anyway."""
    asked = orjson.dumps({"id": 1, "domain": name, "format": form, "raw": raw})
    (out,) = offline.redact_lines([asked], edition=at.edition, substitutes=RELAY, settings=SHOWN)
    members = orjson.loads(out)
    return [members[m] for m in ("state", "rdap", "whois", "error")]


async def rows(at, case, held, _):
    return await library(at, case, table().exchange(held), _)


# --- Other forms of a record ---------------------------------------------------------------------


def document(chance, held):
    """The record as RDAP of another server, in any order and with what only that server knows."""
    values = {e.name: v for e, v in held.values.items()}
    actions = {"domain.created": "registration", "domain.updated": "last changed",
               "domain.expires": "expiration",
               "domain.rdds_updated": "last update of RDAP database"}  # fmt: skip
    entities = [entity(chance, c, held.facts.registrant_kind) for c in held.contacts]
    names = [e.name for e in held.withheld if e.role]
    whole = {
        "objectClassName": "domain",
        "ldhName": held.name,
        "handle": values.get("domain.handle"),
        "events": [
            {"eventAction": action, "eventDate": values[n]}
            for n, action in actions.items()
            if n in values
        ],
        "nameservers": [
            {"ldhName": n.name, "ipAddresses": {"v4": n.ipv4, "v6": n.ipv6}}
            for n in held.nameservers
        ],
        "entities": entities,
        "redacted": [{"name": {"description": ELEMENTS[n].label}} for n in sorted(names)],
        "x_vendor": chance.random(),
    }
    members = {name: value for name, value in whole.items() if value is not None}
    return orjson.dumps(dict(chance.sample([*members.items()], len(members)))).decode()


WORDS = {"admin": "administrative", "tech": "technical"}
KINDS = {RegistrantKind.NATURAL: "individual", RegistrantKind.LEGAL: "org"}


def entity(chance, contact, kind):
    get = contact.values.get
    many = lambda field: [v for v in get(field) or () if v]  # noqa: E731  one word in a table
    extension = {f: f";ext={get(f'{f}_ext')}" if get(f"{f}_ext") else "" for f in ("phone", "fax")}
    card = [
        ["fn", {}, "text", get("name") or ""],
        ["org", {}, "text", get("organization") or ""],
        ["adr", {"cc": get("country") or "", "label": str(chance.random())}, "text",
         ["", "", many("street"), get("city") or "", get("state") or "",
          get("postal_code") or "", ""]],
        *(["tel", {"type": "voice"}, "uri", f"tel:{v}{extension['phone']}"] for v in many("phone")),
        *(["tel", {"type": ["fax"]}, "uri", f"tel:{v}{extension['fax']}"] for v in many("fax")),
        *(["email", {}, "text", v] for v in many("email")),
        ["note", {}, "text", str(chance.random())],
    ]  # fmt: skip
    if contact.role == "registrant" and kind in KINDS:
        card.append(["kind", {}, "text", KINDS[kind]])
    order = [*chance.sample(range(4), 4), *range(4, len(card))]
    return {
        "objectClassName": "entity",
        "roles": [WORDS.get(contact.role, contact.role)],
        **({"handle": get("handle")} if get("handle") else {}),
        "vcardArray": ["vcard", [["version", {}, "text", "4.0"], *(card[n] for n in order)]],
        "links": [{"href": f"https://person.example/{chance.random()}"}],
    }


def text(held):
    """The record as WHOIS text under ICANN's labels."""
    values = {e.name: v for e, v in held.values.items()}
    lines = [("Domain Name", held.name.upper())]
    lines += [(ELEMENTS[n].label, v) for n, v in values.items() if n != "dnssec.signed"]
    for contact in held.contacts:
        known = contact_elements(contact.role)
        lines += [(known[f].label, contact.values.get(f, "")) for f in CONTACT_FIELDS]
    lines += [("Name Server", n.name) for n in held.nameservers]
    lines.append(("DNSSEC", values.get("dnssec.signed", "")))
    return "".join(
        f"{label}: {' '.join(one.split())}\r\n"
        for label, value in lines
        for one in (value if isinstance(value, tuple) else [value])
    )


class Table:
    """A registrar's database that holds one record, read back through SQL."""

    PLAIN = ("domain.handle", "domain.created", "domain.updated", "domain.expires",
             "domain.rdds_updated", "domain.status", "registrar.name", "registrar.iana_id",
             "registrar.abuse_email", "dnssec.signed")  # fmt: skip
    FACTS = ("registrant_kind", "publish_consent", "organization_consent", "region",
             "privacy_service")  # fmt: skip

    def __init__(self, file):
        plain = [f'"{name}"' for name in (*self.PLAIN, *(f"fact.{f}" for f in self.FACTS))]
        contact = [f'"contact.{field}"' for field in CONTACT_FIELDS]
        hosts = ['"nameserver.name"', '"nameserver.ipv4"', '"nameserver.ipv6"']
        self.database = sqlite3.connect(file, isolation_level=None)
        self.database.execute("PRAGMA journal_mode = WAL")
        self.database.execute("PRAGMA synchronous = OFF")
        self.shapes = {
            "domain": ["fqdn", *plain],
            "contact": ["fqdn", "role", *contact],
            "host": ["fqdn", *hosts],
        }
        for name, columns in self.shapes.items():
            self.database.execute(f"CREATE TABLE {name} ({', '.join(columns)})")
        asked = [
            f"SELECT {', '.join(columns[1:])} FROM {name} WHERE fqdn = :name ORDER BY rowid"  # noqa: S608  names of our own
            for name, columns in self.shapes.items()
        ]
        self.source = SQLSource.sqlite(file, Statements(*asked))

    def exchange(self, held: Record) -> Record:
        """``held`` written as rows and read again."""
        said = {e.name: v for e, v in held.values.items()}
        known = [getattr(held.facts, fact) for fact in self.FACTS]
        rows = {
            "domain": [[*map(said.get, self.PLAIN), *known]],
            "contact": [[c.role, *map(c.values.get, CONTACT_FIELDS)] for c in held.contacts],
            "host": [[n.name, n.ipv4, n.ipv6] for n in held.nameservers],
        }
        self.database.execute("BEGIN")
        for name, lines in rows.items():
            self.database.execute(f"DELETE FROM {name}")  # noqa: S608  same
            marks = ", ".join("?" * len(self.shapes[name]))
            self.database.executemany(
                f"INSERT INTO {name} VALUES ({marks})",  # noqa: S608  same
                [[held.name, *map(self.cell, line)] for line in lines],
            )
        self.database.execute("COMMIT")
        return self.source.find(held.name)

    @staticmethod
    def cell(value):
        return "\n".join(value) if isinstance(value, tuple) else value


TABLES: list[Table] = []


def table():
    return TABLES[-1]


@pytest.fixture(scope="module", autouse=True)
def _table(tmp_path_factory):
    TABLES.append(Table(tmp_path_factory.mktemp("registrar") / "registrar.db"))
    with closing(TABLES[-1].database), closing(TABLES[-1].source):
        yield


# --- Questions -----------------------------------------------------------------------------------


def any_facts(chance):
    flags = (None, None, False, True)
    return Facts(
        chance.choice([*RegistrantKind]),
        chance.choice(flags),
        chance.choice(flags),
        chance.choice([None, *Region]),
        chance.choice(flags),
        *(frozenset(chance.sample([*ELEMENTS.values()], chance.choice((0, 0, 3)))) for _ in "ad"),
    )


def any_case(chance):
    """A question by somebody known, often one that has a chance."""
    likely = chance.random() < 0.7
    police = likely and chance.random() < 0.5
    requester = Requester(
        "Police",
        f"officer-{chance.randint(1, 9)}",
        RequesterClass.LAW_ENFORCEMENT
        if police
        else chance.choice([c for c in RequesterClass if c is not RequesterClass.PUBLIC]),
        Assurance.HIGH if likely else chance.choice([*Assurance]),
        purposes=frozenset(Purpose),
        bases=frozenset(LegalBasis),
        jurisdiction=chance.choice([None, *Jurisdiction]),
    )
    contact = [f"{role}.{field}" for role in ROLES[:3] for field in CONTACT_FIELDS]
    words = DisclosureRequest(
        Purpose.CRIMINAL_INVESTIGATION.value if police else chance.choice([*Purpose]).value,
        "national_order" if police else chance.choice([*LegalBasis]).value,
        "2026-114" if likely or chance.random() < 0.5 else None,
        tuple(chance.sample(contact, chance.randint(1, 9))) if chance.random() < 0.7 else None,
        chance.choice([*Urgency]).value,
    )
    return Case(chance.choice(NAMES), any_facts(chance), requester, words)


@cache
def cases(policy, outcome):
    """Some questions that end so under this policy, each with the decision that ends it."""
    chance, at, found = random.Random(f"{policy} {outcome}"), desk(policy), []
    approved = outcome == "approved"
    while len(found) < 30:
        case = any_case(chance)
        question = Question.of(case.name, **plain(case.words))
        standing = at.standing if at.standing.covers(question, case.requester, NOW) else None
        held = Approved(standing.elements if standing else frozenset())
        decision = at.edition.decide(question, case.requester, case.facts, held)
        if decision.outcome == ("needs_approval" if approved else outcome):
            if approved:
                held = held._replace(granted=frozenset(ELEMENTS.values()))
                decision = at.edition.decide(question, case.requester, case.facts, held)
            found.append((case._replace(approved=approved), decision))
    return found


def gated(outcome):
    return lambda chance, at: chance.choice(cases(at.policy.name, outcome))


def public(facts=any_facts):
    def chosen(chance, at):
        case = Case(chance.choice(NAMES), facts(chance))
        return case, at.edition.decide(Question(case.name), PUBLIC, case.facts)

    return chosen


def without_flags(chance):
    """Facts that the columns of a domain's row can say."""
    facts = any_facts(chance)
    return Facts(*(getattr(facts, name) for name in Table.FACTS))


# Of facts, RDAP tells the registrant's kind, and WHOIS text under ICANN's labels none.
EXITS = {
    "library, public": (library, public()),
    **{f"library, {outcome}": (library, gated(outcome)) for outcome in OUTCOMES},
    "http, public": (http, public()),
    **{f"http, {outcome}": (http, gated(outcome)) for outcome in OUTCOMES},
    "port 43": (port43, public()),
    "redact, RDAP": (offline_rdap, public(lambda c: Facts(c.choice([*RegistrantKind])))),
    "redact, WHOIS": (offline_whois, public(lambda _: Facts())),
    "SQL": (rows, public(without_flags)),
}


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("name", EXITS)
def test_answers_records_with_equal_facts_and_treated_values_alike(name, part):
    asyncio.run(compared(name, f"{name}, {part}", PAIRS // PARTS))


async def compared(name, seed, pairs):
    leave, choose = EXITS[name]
    chance = random.Random(seed)
    # In a captured answer a registrant alone tells his kind, and text tells no two contacts apart.
    fixed = frozenset({"registrant"}) if leave is offline_rdap else frozenset()
    single = leave is offline_whois
    for number in range(0, pairs, TWINS):
        at = desk(chance.choice(shipped()))
        case, decision = choose(chance, at)
        law, one = Law(decision), record(chance, case.name, case.facts, single=single)
        seen = await leave(at, case, one, chance)
        for n in range(number, min(number + TWINS, pairs)):
            other = twin(chance, one, law, single=single, fixed=fixed)
            assert await leave(at, case, other, chance) == seen, f"pair {n} of `{seed}`: {case}"
