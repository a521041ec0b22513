"""No record leads around the gate: `inward`.

Only a registrar's addresses ever leave as links or referrals; the readers take no other. One at a
server that the gate stands before is left out, and one elsewhere is public data that stays.
Rules: hosts are compared, not ports or paths, and without looking anything up, so that another
name of the same server is another host; a host in an odd spelling (``https://2130706433/``) is
left out too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from whoisgate.elements import ELEMENTS
from whoisgate.records import Record
from whoisgate.sources.upstream.addresses import Place

_ADDRESSES: Final = tuple(
    ELEMENTS[f"registrar.{field}"] for field in ("url", "whois_server", "rdap_url")
)


def inward(record: Record, hosts: Iterable[str]) -> Record:
    """The record without a registrar's address at one of ``hosts``, or at the one that answered.

    A registrar's server that a WHOIS referral led to stays: nobody configured it.
    """
    answered = [record.source.partition(":")[2], *(_host(f.upstream) for f in record.fetched[:1])]
    behind = {"", *hosts, *answered}
    around = {e for e in _ADDRESSES if e in record.values and _host(record.values[e]) in behind}
    if not around:
        return record
    kept = {e: value for e, value in record.values.items() if e not in around}
    return replace(record, values=MappingProxyType(kept))


def _host(address: str | tuple[str, ...]) -> str:
    """The host of a URL, or of a host alone, as `Place` spells it; empty where it refuses it."""
    text = "".join(address)
    try:
        host = urlsplit(text if "//" in text else f"//{text}").hostname or ""
        return Place.parse(host.removesuffix("."), 1).host
    except ValueError:
        return ""
