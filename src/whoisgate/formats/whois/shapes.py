"""Values in closed shapes: hosts, addresses, statuses, countries. What fits no shape is nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, ip_address
from typing import Final

from whoisgate.formats.rdap import words
from whoisgate.formats.whois.labels import folded, rows
from whoisgate.records import Nameserver

_MAX_HOST: Final = 253
_MAX_VALUE: Final = 2000
"""Characters of a list of hosts or statuses that are looked at."""

_HOST = re.compile(
    r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+(?:[a-z]{2,63}|xn--[a-z0-9-]{1,59})"
)
_WEB = re.compile(
    r"https?://[a-z0-9.-]{1,253}(?::\d{1,5})?(?:/[a-z0-9._~/-]{0,120})?", re.IGNORECASE | re.ASCII
)
_EMAIL = re.compile(r"[!#-'*+/-9=?A-Z^-~-]{1,64}@[A-Za-z0-9.-]{1,253}\.[A-Za-z]{2,63}")
_PHONE = re.compile(r"\+?[0-9(][0-9 ().x/-]{4,30}[0-9]")
_HANDLE = re.compile(r"(?=[^\s@]{0,60}[0-9_-])[A-Za-z0-9][A-Za-z0-9_.-]{1,60}")
_DS = re.compile(r"(\d{1,5})\s+(\d{1,3})\s+(\d{1,3})\s+([0-9A-Fa-f ]{16,256})")
_NO_HOSTS: Final = frozenset({"not.defined", "not.set", "n.a"})
_BETWEEN: Final = re.compile(r"[\s,;|()\[\]]+")
_URL: Final = re.compile(r"https?://\S*")
_ASIDE: Final = re.compile(r"\([^()]*\)")


def host(text: str) -> str:
    """A host name of two labels or more in lower case, or nothing."""
    said = text.strip().rstrip(".").lower()
    fits = len(said) <= _MAX_HOST and said not in _NO_HOSTS and _HOST.fullmatch(said)
    return said if fits else ""


def web(text: str) -> str:
    """An address of a web page without query or user, or nothing; a bare host gets ``http``."""
    said = text.strip()
    if bare := host(said.rstrip("/")):
        return f"http://{bare}"
    return said if _WEB.fullmatch(said) else ""


def email(text: str) -> str:
    """An e-mail address alone, or nothing."""
    said = text.strip()
    return said if _EMAIL.fullmatch(said) else ""


def phone(text: str) -> str:
    """A telephone number alone, or nothing."""
    said = text.strip()
    return said if _PHONE.fullmatch(said) else ""


def handle(text: str) -> str:
    """A handle alone, which has no space but a digit, hyphen or underscore; or nothing."""
    said = text.strip()
    return said if _HANDLE.fullmatch(said) else ""


def servers(value: str) -> Iterator[Nameserver]:
    """The name servers at the beginning of ``value``, with the addresses beside each.

    Reading ends at the first word that is neither; in a zone file's line it begins after ``NS``.
    """
    parts = _BETWEEN.split(value[:_MAX_VALUE].strip())
    if "NS" in parts:
        parts = parts[parts.index("NS") + 1 :]
    name, held = "", list[str]()
    for part in filter(None, parts):
        if address := _address(part):
            held.append(address)
        elif found := host(part):
            if name:
                yield _server(name, held)
            name, held = found, []
        elif part != "-":
            break
    if name:
        yield _server(name, held)


def _server(name: str, held: list[str]) -> Nameserver:
    fours = tuple(a for a in held if isinstance(ip_address(a), IPv4Address))
    return Nameserver(name, fours, tuple(a for a in held if a not in fours))


def _address(text: str) -> str:
    if not text[:1].isalnum() and not text.startswith(":"):
        return ""
    try:
        return str(ip_address(text)) if "." in text or ":" in text else ""
    except ValueError:
        return ""


def statuses(value: str) -> Iterator[str]:
    """The registered names of the statuses in ``value``; a word that maps to none is left out."""
    said = _ASIDE.sub(" ", _URL.sub(" ", value[:_MAX_VALUE]))
    for part in said.split(","):
        if (name := _STATUS.get(_squeezed(part))) is not None:
            yield name
        elif len(several := part.split()) > 1:
            yield from (n for word in several if (n := _LISTED.get(_squeezed(word))))


def _squeezed(text: str) -> str:
    return folded(text).replace(" ", "")


_OTHERS: Final = """
ok: active | ok | connect | connected | published | registered | granted | delegated | enabled
ok: live
ok: activated | registered until renewal date | registered until expiry date
ok: registered until cancelled | in use
ok: registered active | taken | complete | normal | aktiv
ok: activo | ativo | actif | attivo | aktywna | aktivni | aktivna | aktif | активен
ok: зарегистрирован
ok: valid | permanent | up to date | in zone | paid and in zone | operational | assigned | confirmed
ok: dom ok | domain ok | ok delegated | allocated | registered delegated
inactive: inactive | not delegated | undelegated | no delegation | not in zone | dormant
locked: locked | registry lock | registrylock | locked by registry
transfer prohibited: transfer locked | transfer lock | transferlocked | no transfer
clientTransferProhibited: transfer prohibited by registrar | st cl transferprohibited
clientUpdateProhibited: update prohibited by registrar | st cl updateprohibited
clientDeleteProhibited: delete prohibited by registrar | st cl deleteprohibited
clientRenewProhibited: renew prohibited by registrar | renewal prohibited by registrar
serverTransferProhibited: transfer prohibited by registry | transfer prohibited by server
serverUpdateProhibited: update prohibited by registry | update prohibited by server
serverDeleteProhibited: delete prohibited by registry | delete prohibited by server
serverHold: on hold by registry | registry hold
clientHold: registrar hold | on hold by registrar
pendingDelete: pending delete | to be deleted | pending deletion | scheduled for deletion
pendingDelete: pendingdelete restorable | pendingdelete scheduled for release
redemptionPeriod: redemption | in quarantine | quarantine | redemption grace period
redemptionPeriod: pending redemption | quarantined | redemptionperiod
reserved: reserved | reserved by registry | not open | blocked | restricted | prohibited | forbidden
reserved: reserved name | registry reserved | reservado | reserve | reserviert
reserved: not for registration
validated: verified | validated
"""
_STATUS: Final = (
    {_squeezed(word): name for name, word in rows(_OTHERS)}
    | {_squeezed(word): name for word, name in words.STATUS_NAMES.items()}
    | {_squeezed(name): name for name in words.STATUSES}
)
_LISTED: Final = {word: name for word, name in _STATUS.items() if word.endswith("prohibited")}
"""Statuses that may stand beside others without a comma: none is a word of plain prose."""


_COUNTRIES: Final = {
    label: code.upper()
    for code, label in rows("""
ae: united arab emirates
ar: argentina
at: austria | osterreich
au: australia
be: belgium
bg: bulgaria
br: brazil | brasil
ca: canada
ch: switzerland
cl: chile
cn: china
co: colombia
cz: czech republic | czechia
de: germany | deutschland
dk: denmark
ee: estonia
es: spain | espana
fi: finland
fr: france
gb: united kingdom | great britain | uk
gr: greece
hk: hong kong
hr: croatia
hu: hungary
id: indonesia
ie: ireland
il: israel
in: india
is: iceland
it: italy | italia
jp: japan
kr: korea republic of | south korea | republic of korea
lt: lithuania
lu: luxembourg
lv: latvia
mx: mexico
my: malaysia
nl: netherlands | the netherlands | nederland
no: norway
nz: new zealand
pl: poland | polska
pt: portugal
ro: romania
rs: serbia
ru: russia | russian federation
se: sweden
sg: singapore
si: slovenia
sk: slovakia
th: thailand
tr: turkey | turkiye
tw: taiwan
ua: ukraine
us: united states | united states of america | usa
za: south africa
""")
}


def country(text: str) -> str:
    """An alpha-2 code, alone or beside a name ("US (UNITED STATES)"), or a name; or nothing."""
    bare, aside = text.strip(), text.strip()
    if "(" in bare:
        bare, _, aside = bare.partition("(")
        aside = aside.rstrip(") ")
    for said in (bare.strip(), aside):
        if len(said) == 2 and said.isascii() and said.isalpha():  # noqa: PLR2004  alpha-2
            return said.upper()
    return _COUNTRIES.get(folded(text), "")


def ds(text: str) -> str:
    """``keytag algorithm digesttype digest``, or nothing."""
    found = _DS.fullmatch(text.strip())
    return f"{found[1]} {found[2]} {found[3]} {found[4].replace(' ', '').upper()}" if found else ""
