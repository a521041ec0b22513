"""The same decision and redaction through other policy engines and through ours, in one run.

``python benchmarks/side_by_side_policy.py`` makes an environment of its own, from versions pinned
by hash, in ``.venv/side_by_side_policy`` and prints a table. One policy of 25 rules over 30
elements is written down once, below, and put into the words of each engine; all must agree on
random contexts before anything is measured. Figures are process CPU time per question, medians of
repetitions.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

HERE = Path(__file__).parent
ROOT = HERE.parent
CONTEXTS, CHECKED, REPETITIONS = 64, 300, 9
SLOW_S = 2.0
"""A repetition that takes longer is repeated five times alone."""

FIELDS = [
    "handle",
    "name",
    "organization",
    "street",
    "city",
    "state",
    "postal_code",
    "country",
    "phone",
    "phone_ext",
    "fax",
    "fax_ext",
    "email",
]
PLAIN = ("domain.created", "domain.expires", "domain.status", "nameserver.name")
ELEMENTS = (*PLAIN, *(f"{role}.{field}" for role in ("registrant", "tech") for field in FIELDS))

CRIME, LEGAL = "criminalInvestigationAndDNSAbuseMitigation", "legalActions"
WORDS: Mapping[str, Sequence[str]] = {
    "requester": ("public", "law_enforcement", "cybersecurity", "csirt", "ip_rights",
                  "consumer_protection", "dispute_provider", "government_other", "court",
                  "data_protection_authority", "registrant_self"),
    "assurance": ("low", "substantial", "high"),
    "purpose": (CRIME, LEGAL, "technicalIssueResolution", "personalDataProtection"),
    "basis": ("national_order", "court_order", "convention_article_18", "nis2_article_28",
              "emergency", "legitimate_interest", "statutory_task", "dispute_proceeding",
              "data_subject"),
    "jurisdiction": ("same_country", "eu", "convention_party", "other"),
    "urgency": ("none", "life", "bodily_injury", "critical_infrastructure"),
    "case": ("given", "absent"),
    "approval": ("none", "standing", "granted"),
    "registrant_kind": ("natural", "legal", "unspecified"),
    "publish_consent": ("true", "false"),
    "organization_consent": ("true", "false"),
    "region": ("eea", "other"),
    "privacy_service": ("true", "false"),
}  # fmt: skip
"""The attributes, and the words that contexts are drawn from."""

FACTS = ("registrant_kind", "publish_consent", "organization_consent", "region", "privacy_service")


class Rule(NamedTuple):
    """A grant to release, or a cap that withholds: conjunctions of attribute within words."""

    name: str
    cap: bool
    elements: tuple[str, ...]
    when: Mapping[str, str]


def of(role: str, but: str = "", only: str = "") -> tuple[str, ...]:
    return tuple(
        f"{role}.{f}" for f in FIELDS if f not in but.split() and (not only or f in only.split())
    )


ORDERED = {"case": "given", "approval": "standing granted"}
BY_HAND = {"assurance": "substantial high", "case": "given", "approval": "granted"}
POLICE = {"requester": "law_enforcement", "assurance": "high"}
RULES = (
    Rule("OPEN", False, PLAIN, {}),
    Rule("PLACE", False, ("registrant.state", "registrant.country", "tech.country"), {}),
    Rule("ORG", False, ("registrant.organization",), {"organization_consent": "true"}),
    Rule("CONSENT", False, of("registrant", "handle"), {"publish_consent": "true"}),
    Rule("LEGAL", False, of("registrant", only="name organization"),
         {"registrant_kind": "legal", "region": "other"}),
    Rule("SERVICE", False, of("registrant", only="email phone"), {"privacy_service": "true"}),
    Rule("ORDER", False, of("registrant") + of("tech"),
         {**POLICE, **ORDERED, "purpose": CRIME, "basis": "national_order court_order"}),
    Rule("CONVENTION", False, of("registrant"),
         {**POLICE, **ORDERED, "basis": "convention_article_18",
          "jurisdiction": "eu convention_party"}),
    Rule("NIS2", False, of("registrant") + of("tech"),
         {**POLICE, **ORDERED, "basis": "nis2_article_28"}),
    Rule("URGENT", False, of("registrant") + of("tech"),
         {**POLICE, "basis": "emergency", "urgency": "life bodily_injury", "case": "given"}),
    Rule("SECURITY", False, of("registrant", "fax fax_ext") + of("tech", "fax fax_ext"),
         {**BY_HAND, "requester": "cybersecurity csirt", "purpose": f"{CRIME} "
          "technicalIssueResolution", "basis": "nis2_article_28 legitimate_interest"}),
    Rule("CSIRT", False, of("tech"),
         {"requester": "csirt", "urgency": "critical_infrastructure", "case": "given"}),
    Rule("RIGHTS", False, of("registrant", only="name organization street city email"),
         {**BY_HAND, "requester": "ip_rights", "purpose": LEGAL,
          "basis": "legitimate_interest nis2_article_28"}),
    Rule("DISPUTE", False, of("registrant", only="name organization street city email phone"),
         {**BY_HAND, "requester": "dispute_provider", "basis": "dispute_proceeding"}),
    Rule("CONSUMER", False, of("registrant", only="name organization city"),
         {"requester": "consumer_protection", "purpose": LEGAL, "case": "given"}),
    Rule("AUTHORITY", False, of("registrant"),
         {**BY_HAND, "requester": "government_other", "basis": "national_order statutory_task"}),
    Rule("COURT", False, of("registrant") + of("tech"),
         {"requester": "court", "assurance": "high", "basis": "court_order"}),
    Rule("REGULATOR", False, of("registrant"),
         {"requester": "data_protection_authority", "purpose": "personalDataProtection"}),
    Rule("SELF", False, of("registrant"),
         {"requester": "registrant_self", "assurance": "substantial high",
          "basis": "data_subject", "approval": "granted"}),
    Rule("TOWN", False, of("registrant", only="city postal_code"),
         {"requester": "government_other court", "jurisdiction": "same_country"}),
    Rule("NO-LOW", True, of("registrant", only="street postal_code phone phone_ext fax fax_ext"),
         {"requester": "consumer_protection data_protection_authority", "assurance": "low"}),
    Rule("NO-FAX", True, of("registrant", only="fax fax_ext") + of("tech", only="fax fax_ext"),
         {"requester": "public ip_rights cybersecurity csirt registrant_self"}),
    Rule("NATURAL", True, ("registrant.name",),
         {"registrant_kind": "natural", "region": "eea",
          "requester": "ip_rights consumer_protection"}),
    Rule("NO-HANDLE", True, ("registrant.handle", "tech.handle"),
         {"requester": "court government_other"}),
    Rule("NO-CASE", True, ("registrant.email",),
         {"requester": "court government_other", "case": "absent"}),
)  # fmt: skip

Context = Mapping[str, str]
Decide = Callable[[Any], frozenset[str]]


class Engine(NamedTuple):
    """An engine: ``ready`` puts a context into its form, ``decide`` gives what is released."""

    name: str
    ready: Callable[[Context], Any]
    decide: Decide


def draw(chance: random.Random) -> Context:
    """A context; seven of ten are the anonymous public's."""
    words = {attribute: chance.choice(known) for attribute, known in WORDS.items()}
    if chance.random() < 0.7:
        return {**words, **anonymous()}
    words["requester"] = chance.choice(WORDS["requester"][1:])
    return words


def anonymous() -> dict[str, str]:
    """The words of a question by nobody; no engine here has a word for unknown."""
    unsaid = dict.fromkeys(("purpose", "basis", "jurisdiction"), "unknown")
    said = {"requester": "public", "assurance": "none", "urgency": "none"}
    return {**unsaid, **said, "case": "absent", "approval": "none"}


# --- The policy in the words of each engine ------------------------------------------------------


def whoisgate_policy() -> Any:
    from whoisgate.policy.load import load_text

    law = "[{instrument: made-up, article: '1', status: in_force, source: x, checked: 2026-11-23}]"
    revealed = "[contact_roles, registrant_kind, publish_consent, organization_consent, region, "
    lines = ["whoisgate: 1", "policy: side-by-side", "version: 1", "elements: 1",
             f"reveals: {{public: {revealed}privacy_service]}}", "rules:"]  # fmt: skip
    for rule in RULES:
        when = {a: f"[{', '.join(w.split())}]" for a, w in rule.when.items()}
        lines += [
            f"  - id: {rule.name}",
            "    cap: withhold" if rule.cap else "    grant: release",
            f"    elements: [{', '.join(rule.elements)}]",
            f"    law: {law}",
        ]
        if when:
            lines.append(f"    when: {{{', '.join(f'{a}: {w}' for a, w in when.items())}}}")
    return load_text("\n".join(lines) + "\n", "side-by-side.yaml")


def ours() -> list[Engine]:
    from whoisgate.elements import element
    from whoisgate.policy.decide import Approved, edition
    from whoisgate.policy.evaluate import evaluate
    from whoisgate.policy.model import ATTRIBUTES
    from whoisgate.queries import PUBLIC, Assurance, Jurisdiction, Question, Requester
    from whoisgate.queries import RequesterClass as Class
    from whoisgate.records import Facts, Region, RegistrantKind

    policy, now = whoisgate_policy(), datetime(2026, 11, 23, tzinfo=UTC)
    known = [element(name) for name in ELEMENTS]
    everything = frozenset(known)
    held = edition(policy, now)

    def ready(words: Context) -> tuple[Any, ...]:
        facts = Facts(
            RegistrantKind(words["registrant_kind"]),
            words["publish_consent"] == "true",
            words["organization_consent"] == "true",
            Region(words["region"]),
            words["privacy_service"] == "true",
        )
        if words["requester"] == "public":
            return Question("example.com"), PUBLIC, facts, Approved()
        question = Question.of(
            "example.com", purpose=words["purpose"], basis=words["basis"], elements=ELEMENTS,
            case="1" if words["case"] == "given" else None, urgency=words["urgency"],
        )  # fmt: skip
        requester = Requester(
            "A", "p", Class(words["requester"]), Assurance(words["assurance"]),
            jurisdiction=Jurisdiction(words["jurisdiction"]),
        )  # fmt: skip
        approved = {words["approval"]: everything} if words["approval"] != "none" else {}
        return question, requester, facts, Approved(**approved)

    def names(decision: Any) -> frozenset[str]:
        return frozenset([e.name for e in decision.rulings])

    def warm(asked: tuple[Any, ...]) -> frozenset[str]:
        return held.decide(*asked).rulings.keys()

    def cold(asked: tuple[Any, ...]) -> frozenset[str]:
        held._memo.clear()
        held._allowed.cache_clear()
        return names(held.decide(*asked))

    def plainly(words: Context) -> frozenset[str]:
        return frozenset(e.name for e in known if evaluate(policy.rules, e, words).treatment.kind)

    def unknown(words: Context) -> dict[str, str | None]:
        said = {a: None if w == "unknown" else w for a, w in words.items()}
        return {**dict.fromkeys(ATTRIBUTES), **said, "tld_group": "gtld", "disclose": "absent"}

    return [
        Engine("whoisgate, decided before", ready, warm),
        Engine("whoisgate, never decided before", ready, cold),
        Engine("whoisgate's reference evaluator, ×30", unknown, plainly),
    ]


def rego() -> list[Engine]:
    from regopy import Interpreter

    def written(rule: Rule) -> str:
        head = "capped" if rule.cap else "granted"
        tests = [f"input.{a} in {json.dumps(w.split())}" for a, w in rule.when.items()]
        body = "\n  ".join([*tests, f"some e in {json.dumps(rule.elements)}"])
        return f"{head} contains e if {{\n  {body}\n}}\n"

    module = "package gate\nimport rego.v1\n\n" + "\n".join(map(written, RULES))
    module += "\nreleased := [e | some e in granted; not e in capped]\n"
    asked = "data.gate.released"

    def interpreter() -> Any:
        made = Interpreter()
        made.add_module("gate", module)
        return made

    bundled, plain = interpreter(), interpreter()
    bundle = bundled.build(asked)

    def out(output: Any) -> frozenset[str]:
        return frozenset(json.loads(str(output))["expressions"][0])

    def prepared(term: str) -> frozenset[str]:
        bundled.set_input_term(term)
        return out(bundled.query_bundle(bundle))

    def queried(term: str) -> frozenset[str]:
        plain.set_input_term(term)
        return out(plain.query(asked))

    return [
        Engine("rego-cpp, prebuilt bundle, one query", json.dumps, prepared),
        Engine("rego-cpp, query as text", json.dumps, queried),
    ]


def cedar() -> list[Engine]:
    from cedarpy import Entities, PolicySet, is_authorized_batch

    def written(rule: Rule) -> str:
        among = ", ".join(f'Element::"{e}"' for e in rule.elements)
        tests = [f"[{among}].contains(resource)"]
        tests += [f"{json.dumps(w.split())}.contains(context.{a})" for a, w in rule.when.items()]
        effect = "forbid" if rule.cap else "permit"
        return f"{effect} (principal, action, resource) when {{ {' && '.join(tests)} }};"

    policies = PolicySet.from_str("\n".join(map(written, RULES)))
    nothing = Entities.from_json_str("[]")
    principal, action = 'User::"u"', 'Action::"release"'

    def decide(context: str) -> frozenset[str]:
        asked = [
            {"principal": principal, "action": action, "resource": f'Element::"{e}"',
             "context": context}
            for e in ELEMENTS
        ]  # fmt: skip
        answers = is_authorized_batch(asked, policies, nothing)
        return frozenset(e for e, a in zip(ELEMENTS, answers, strict=True) if a.allowed)

    return [Engine("cedarpy, one batch of 30", json.dumps, decide)]


def casbin() -> list[Engine]:
    from casbin import Enforcer, Model

    model = Model()
    model.load_model_from_text(
        "[request_definition]\nr = ctx, element\n"
        "[policy_definition]\np = when, elements, eft\n"
        "[policy_effect]\ne = some(where (p.eft == allow)) && !some(where (p.eft == deny))\n"
        "[matchers]\nm = among(r.element, p.elements) && eval(p.when)\n"
    )
    enforcer = Enforcer(model)
    enforcer.add_function("among", lambda element, elements: element in elements.split())
    for rule in RULES:
        tests = [
            "(" + " || ".join(f"r.ctx.{a} == '{w}'" for w in words.split()) + ")"
            for a, words in rule.when.items()
        ]
        when = " && ".join(tests) or "1 == 1"
        enforcer.add_policy(when, " ".join(rule.elements), "deny" if rule.cap else "allow")

    def decide(context: SimpleNamespace) -> frozenset[str]:
        return frozenset(e for e in ELEMENTS if enforcer.enforce(context, e))

    return [Engine("pycasbin, ×30", lambda words: SimpleNamespace(**words), decide)]


def vakt() -> list[Engine]:
    from vakt import (
        ALLOW_ACCESS,
        DENY_ACCESS,
        Guard,
        Inquiry,
        MemoryStorage,
        Policy,
        RulesChecker,
    )
    from vakt.rules import Any as Anything
    from vakt.rules import In

    storage = MemoryStorage()
    for rule in RULES:
        storage.add(
            Policy(
                rule.name,
                actions=[Anything()],
                resources=[In(*rule.elements)],
                subjects=[Anything()],
                effect=DENY_ACCESS if rule.cap else ALLOW_ACCESS,
                context={a: In(*words.split()) for a, words in rule.when.items()},
            )
        )
    guard = Guard(storage, RulesChecker())

    def decide(words: Context) -> frozenset[str]:
        return frozenset(
            e
            for e in ELEMENTS
            if guard.is_allowed(Inquiry(resource=e, action="release", subject="u", context=words))
        )

    return [Engine("vakt, ×30", dict, decide)]


# --- Measuring -----------------------------------------------------------------------------------

RECORD = {
    name: [f"{name} of a made-up person"] if name.endswith(("street", "phone", "email")) else
    f"{name} of a made-up person" for name in ELEMENTS
}  # fmt: skip


def rewritten(released: frozenset[str]) -> bytes:
    """The redacted record: rebuilt from what is released, the rest declared; the same for all."""
    import orjson

    shown = {e: value for e, value in RECORD.items() if e in released}
    return orjson.dumps({**shown, "redacted": [e for e in ELEMENTS if e not in released]})


def whole_answer() -> Engine:
    """Our own decision, redaction and RDAP answer, as the gate gives it."""
    from whoisgate.formats import rdap
    from whoisgate.policy.decide import edition
    from whoisgate.records import Record
    from whoisgate.redact import Substitutes, redact

    held = edition(whoisgate_policy(), datetime(2026, 11, 23, tzinfo=UTC))
    values = {**RECORD, "domain.created": "2020-01-01T00:00:00Z", "domain.status": ["ok"],
              "domain.expires": "2030-01-01T00:00:00Z"}  # fmt: skip
    del values["nameserver.name"]
    record = Record.of("example.com", values, nameservers=["ns1.example.net"])
    settings = rdap.Settings("https://rdap.example/", "https://rdap.example/terms")
    substitutes = Substitutes(b"k" * 32, web_form="https://registrar.example/")

    def answer(asked: tuple[Any, ...]) -> object:
        return rdap.encode(redact(record, held.decide(*asked), substitutes), settings)

    return Engine("whoisgate, RDAP answer and all", ours()[0].ready, answer)


def cpu_us(run: Callable[[Any], object], inputs: Sequence[Any]) -> float:
    """Median CPU time of one call, in µs."""
    spent: list[float] = []
    for word in inputs[:8]:
        run(word)
    while len(spent) < (5 if spent and spent[0] > SLOW_S else REPETITIONS):
        loops = 1 if not spent or spent[0] > SLOW_S / 10 else 20
        started = time.process_time()
        for _ in range(loops):
            for word in inputs:
                run(word)
        spent.append((time.process_time() - started) / loops)
    return statistics.median(spent) / len(inputs) * 1e6


def agree(engines: Sequence[Engine], chance: random.Random) -> None:
    """Every engine releases the same elements in random contexts, or the run ends."""
    views = set()
    for _ in range(CHECKED):
        words = draw(chance)
        first, *others = [frozenset(map(str, e.decide(e.ready(words)))) for e in engines]
        views.add(first)
        for engine, other in zip(engines[1:], others, strict=True):
            if other != first:
                raise SystemExit(f"{engine.name} differs by {sorted(first ^ other)} in {words}")
    print(f"All agree in {CHECKED} random contexts, with {len(views)} different views.\n")


def main() -> None:
    chance = random.Random(7)
    engines = [*ours(), *rego(), *cedar(), *vakt(), *casbin()]
    agree(engines, chance)
    contexts = [draw(chance) for _ in range(CONTEXTS)]
    rows = []
    for engine in engines:
        inputs = [engine.ready(words) for words in contexts]
        decide = engine.decide
        rows.append(
            (
                engine.name,
                cpu_us(decide, inputs),
                cpu_us(lambda w, d=decide: rewritten(frozenset(map(str, d(w)))), inputs),
            )
        )
    whole = whole_answer()
    answered = cpu_us(whole.decide, [whole.ready(words) for words in contexts])
    print("| Engine | decide, µs | × ours | decide and rewrite, µs | × ours |")
    print("|---|---|---|---|---|")
    _, fastest, least = rows[0]
    for name, decided, done in rows:
        print(
            f"| {name} | {decided:,.1f} | {decided / fastest:,.0f} "
            f"| {done:,.1f} | {done / least:,.0f} |"
        )
    print(f"| {whole.name} | | | {answered:,.1f} | {answered / least:,.1f} |")
    print(f"\n{NOTES}")


NOTES = """\
What to keep in mind:
- These are the engines that can be called from Python. rego-cpp is not OPA, and Cedar's core in
  Rust is far faster than its Python binding, which exchanges JSON for each of 30 requests.
- Policies are parsed once and contexts put into each engine's form once, outside the measurement.
- The others answer yes or no; one question is thirty of theirs. Rego alone gives the set at once.
- "Decided before" is a look-up in a memo. The others could have one too; then the first time
  counts, which is "never decided before": a walk through compiled diagrams.
- The rewrite is the same for all: the record rebuilt from what is released, as JSON.
- Process CPU time of one process on one shared machine; ratios say more than figures."""


def outside(program: Path, *words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run a program of this folder in an environment of its own, with what its ``.txt`` pins."""
    place = ROOT / ".venv" / program.stem
    python = place / "bin" / "python"
    if not (place / ".ready").exists():
        venv.create(place, clear=True, with_pip=True)
        for lock in (ROOT / "requirements" / "core.txt", program.with_suffix(".txt")):
            subprocess.run(
                [python, "-m", "pip", "--disable-pip-version-check", "--quiet", "install",
                 "--only-binary", ":all:", "--no-binary", "vakt", "--require-hashes", "-r", lock],
                check=True,
            )  # fmt: skip
        (place / ".ready").touch()
    return subprocess.run(
        [python, program, "--inside", *words],
        env={"PYTHONPATH": str(ROOT / "src")},
        check=False,
        text=True,
        **more,
    )


if __name__ == "__main__":
    if "--inside" not in sys.argv:
        raise SystemExit(outside(Path(__file__)).returncode)
    main()
