"""How servers say that they have no record to give: phrases at the beginning of a line, as data.

They count only where nothing of a domain was found, so that a registered domain whose terms of
use hold such words is not misjudged. In a phrase ``x`` stands for a domain name in the line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from whoisgate.formats.whois.labels import folded, rows


class State(StrEnum):
    """What an answer is: a record, or why there is none.

    ``invalid``: the server rejects the query. ``unread``: nothing of a domain was found, and no
    phrase that is known.
    """

    REGISTERED = "registered"
    AVAILABLE = "available"
    RESERVED = "reserved"
    THROTTLED = "throttled"
    REFUSED = "refused"
    INVALID = "invalid"
    UNREAD = "unread"


_MAX: Final = 160
_NAMED: Final = re.compile(r"[\w-]{1,63}(?:\.[\w-]{1,63})+\.?")

_PHRASES: Final = """
available: no match | no matching | no matches | no entries found | no entry found | no data found
available: no records found | no record found | no record | no records | no domain records
available: no object found | no objects found | no such domain | no information available about
available: no information about | nothing found | not found | domain not found | not registered
available: domain name not found | object not found | object does not exist | entry not found
available: record not found | record does not exist | the queried object does not exist
available: x not found | domain x not found | domain name x not found | the domain x was not found
available: x was not found | domain x was not found | domain name x was not found | x no match
available: x not registered | x is not registered | domain x not regist | domain x is not regist
available: domain name x is not regist | domain name x not regist | the domain x is not regist
available: the domain name x is not regist | the domain name x has not been registered
available: x is available | x is free | x available | x free | domain x is available
available: domain name x is available | the domain x is available | domain x available
available: domain x is free
available: domain x free | domain is available | domain available | domain name is available
available: the domain is available | the domain name is available | available | free | domain free
available: domain status available | this domain name has not been registered
available: the domain has not been
available: this domain is available | domain has not been registered | domain not registered
available: domain name not registered | domain name has not been registered
available: domain is not registered
available: the domain is not registered | the domain name is not registered | unregistered
available: domain name is not registered | the domain you requested is not known
available: sorry but domain x not found | sorry domain x not found | x does not exist
available: domain x does not exist | domain name x does not exist | the domain x does not exist
available: domain does not exist | the domain does not exist | domain name does not exist
available: does not exist | there is no domain | there was no match | we do not have an entry
available: unknown domain | domain unknown | x domain not found | x is not in the database
available: the requested domain was not found | the above domain name is not registered
available: requested domain was not found | query returned no objects | no domain | not exist
available: domain x is still available | error no entries found | error not found | no result
available: libre | livre | disponible | disponivel | dominio no registrado | dominio disponible
available: el dominio no se encuentra registrado | el dominio x no esta registrado | no registrado
available: no se encontro | no se encontraron | dominio nao registrado | nao registrado
available: nao encontrado | domaine inconnu | domaine disponible | aucun | nincs talalat
available: brak informacji | nie znaleziono | nicht gefunden | nicht registriert | geen
available: ei loytynyt | domain x no registrado | domain name not exist | domain not exist
available: no records matching | we were unable to find | unable to find | no entries
available: not find matchingrecord | could not find | can not find | cannot find | no such
available: there is no entry | the domain you want to register is available
available: 該当するデータがありません | 未注册 | 查无此域名 | the domain has not been found
available: x is not in use
available: 상기 도메인이름은 등록되어 있지 않습니다 | запись не найдена | домен не найден
throttled: query rate | query limit | queries limit | whois limit | limit exceeded | rate limit
throttled: lookup quota | quota exceeded | query quota | the whois query quota | daily limit
throttled: your daily | your request limit | you have exceeded | you exceeded | your query limit
throttled: exceeded | error exceeded | maximum query | maximum queries | maximum number of
throttled: request limit | requests limit | connection limit | your connection limit
throttled: too many | error too many | you have reached | you have been blocked
throttled: you have been banned
throttled: ip address blocked | your ip address has been blocked | your ip has been | excessive
throttled: still in grace period | please go away | please slow down | please try again
throttled: try again | please wait | sorry you have exceeded | server is busy | server busy
throttled: server too busy | the server is busy | you are connecting too | access control limit
throttled: error connection refused access control limit | connection refused access control limit
throttled: blacklisted | you are blacklisted | temporarily | service temporarily | queries exceeded
throttled: the maximum allowable number | allowed queries exceeded | the number of queries
throttled: sorry access from your host has been | sorry access from your host | grace period
throttled: query denied limit | whois query limit | limite | limite de consultas
refused: queries from your network are not | access denied | permission denied | request denied
refused: query denied | query refused | denied
refused: connection refused | error access denied | access restricted | access forbidden
refused: requests of this client are not permitted | your request is not permitted | unauthorized
refused: this whois server is not public | not authorized | you are not allowed | error denied
refused: the ip address used to perform the query is not authorised | access blocked
invalid: bad characters | error bad characters | invalid | invalid query | invalid request
invalid: invalid domain | invalid characters
invalid: error invalid | malformed | error malformed | syntax error | bad request
invalid: error bad request | illegal | error illegal | unknown query | incorrect | error incorrect
invalid: parameter value syntax error | error parameter | error non bijective | error syntax
invalid: x is not a valid | x is invalid | the domain name x is not valid | domain x is invalid
invalid: not allowed | this domain cannot be registered | the domain name is invalid
invalid: domain name is invalid | invalid query or domain name not known | unsupported
invalid: this whois server does not have any | tld is not supported | error unsupported
invalid: no whois server | query format | the tld of | wrong | error wrong | domain is not valid
reserved: reserved | reserved by | reserved name | reserved domain | x is reserved
reserved: domain reserved | domain name reserved | this domain is reserved
reserved: this name is reserved | this domain name is reserved | the domain is reserved
reserved: the domain name is reserved | domain x is reserved | domain name x is reserved
reserved: the domain x is reserved | x has been reserved | x reserved | name is restricted
reserved: restricted | domain restricted | the requested domain is restricted | name is reserved
reserved: the registration of this domain is restricted | this domain is not available
reserved: this domain name is not available | this name is not available | not available for
reserved: x is not available for | domain x is not available for | domain is not available
reserved: the domain name is blocked | this domain is blocked | domain blocked
reserved: x cannot be registered
reserved: domain not available | object cannot be registered | the domain is blocked | not open
reserved: reservado | dominio reservado | reserviert | prohibited | forbidden | blocked
reserved: x is blocked
"""
_BY_WORDS: Final = {words: State(state) for state, words in rows(_PHRASES)}
_STARTS: Final[dict[str, list[str]]] = {}
"""Phrases of several words by their first, longest first.

A single word counts only as the whole text: it may begin a sentence about anything.
"""
for _words in sorted(_BY_WORDS, key=len, reverse=True):
    if " " in _words:
        _STARTS.setdefault(_words.partition(" ")[0], []).append(_words)


_ENDS: Final = {
    label: State(state)
    for state, label in rows("""
available: not found | no match | is available | not registered | not registred | does not exist
available: is free | for registration | no entries found | in database | no existe | no registrado
throttled: limit exceeded | quota exceeded | limit reached | been exceeded | again later
throttled: too many requests | exceeded your quota
reserved: is reserved | been reserved
""")
}
_MAX_SENTENCE: Final = 8
"""Words of a line whose end counts."""


def said(texts: Iterable[str]) -> State:
    """What the first line with a known phrase says; `State.UNREAD` when none does.

    A line that says of the name itself that there is no match outweighs one before it that speaks
    of limits, for the server did answer; a refusal whose reason is a limit speaks of the limit.
    """
    first = State.UNREAD
    for text in texts:
        state = phrase(text)
        if state is State.AVAILABLE and _NAMED.search(text):
            return state
        if first is State.UNREAD or (first is State.REFUSED and state is State.THROTTLED):
            first = state
    return first


def phrase(text: str) -> State:
    """What one line, or the value of a status label, says of the answer."""
    if not 1 < len(text) <= _MAX:
        return State.UNREAD
    words = folded(_NAMED.sub(" x ", text) if "." in text else text)
    for start in _STARTS.get(words.partition(" ")[0], ()):
        if words.startswith(start):
            return _BY_WORDS[start]
    if (whole := _BY_WORDS.get(words)) is not None:
        return whole
    if words.count(" ") >= _MAX_SENTENCE:
        return State.UNREAD
    return next((s for end, s in _ENDS.items() if words.endswith(f" {end}")), State.UNREAD)
