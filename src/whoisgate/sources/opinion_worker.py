"""The process in which python-whois reads a text: a program of its own, run by its path.

It imports nothing of whoisgate, and of python-whois the parser alone. Before it reads anything it
gives up memory, files, sockets and children; a text can cost it some seconds of CPU and itself,
nothing else. What it says is believed by nobody: `formats.whois.opinion` checks every value.

Frames, both ways: serial and length (two big-endian 32-bit numbers), then JSON. In:
``{"name", "text", "statuses"}``, the last being the words to know a status by. Out:
``{"created", "updated", "expires"}`` as RFC 3339 in the text's own offset, ``nameservers``,
``statuses``, ``signed`` and ``contacts``, the roles of which it saw anything; what it does not
know is null, empty or left out. It ends when its input ends.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import resource
import struct
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime
from types import ModuleType
from typing import Final, cast

HEADER: Final = struct.Struct(">II")
LIMIT_BYTES: Final = 1 << 20

_MEMORY_BYTES: Final = 256 << 20
_CPU_S: Final = 3
_DATES: Final = {
    "created": "creation_date",
    "updated": "updated_date",
    "expires": "expiration_date",
}
_ROLES: Final = {
    "registrant": re.compile(r"registrant|(?:name|org|address|city|owner)$"),
    "admin": re.compile("admin"),
    "tech": re.compile("tech"),
    "billing": re.compile("billing"),
}
_HOST: Final = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_STATUS_END: Final = re.compile(r"https?:|\(|,")
_MANY: Final = 32

Load = Callable[[str, str], Mapping[str, object]]


def main() -> None:
    """Answer frames until there are no more."""
    _limit(resource.RLIMIT_AS, _MEMORY_BYTES)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, 16)
    load = _parser()
    read(load, "warm.example", _WARMING, ())  # what the library imports late, it imports now
    _limit(resource.RLIMIT_NPROC, 0)
    _limit(resource.RLIMIT_NOFILE, 3)  # from here on: no file, no socket, no pipe
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while header := source.read(HEADER.size):
        serial, length = HEADER.unpack(header)
        if length > LIMIT_BYTES:
            return
        asked = json.loads(source.read(length))
        _spend()
        try:
            said = json.dumps(read(load, asked["name"], asked["text"], asked["statuses"])).encode()
        except Exception:  # noqa: BLE001  a parser that raises has no opinion
            said = b"{}"
        sink.write(HEADER.pack(serial, len(said)) + said)
        sink.flush()


def read(load: Load, name: str, text: str, known: Collection[str]) -> dict[str, object]:
    """What the library reads in ``text``, reduced to closed shapes."""
    # The name picks the patterns; escaped, should one of them ever hold it.
    entry = load(re.escape(name), text.replace("\r\n", "\n"))
    said: dict[str, object] = {
        word: moment for word, key in _DATES.items() if (moment := _moment(entry.get(key)))
    }
    words = [word for line in _lines(entry.get("name_servers")) for word in line.split()]
    said["nameservers"] = [w for w in words if _HOST.fullmatch(w.rstrip("."))][:_MANY]
    statuses = [_STATUS_END.split(line)[0] for line in _lines(entry.get("status"))]
    folded = ["".join(status.split()).lower() for status in statuses]
    said["statuses"] = [status for status in folded if status in known][:_MANY]
    said["signed"] = _signed(_lines(entry.get("dnssec")))
    said["contacts"] = [
        role
        for role, keys in _ROLES.items()
        if any(keys.match(key) for key, value in entry.items() if value)
    ]
    return said


def _moment(value: object) -> str | None:
    """One instant; of several, the first if all fall on one day, else none."""
    several = value if isinstance(value, list) else [value]
    moments = [moment for moment in several if isinstance(moment, datetime)]
    if len({moment.date() for moment in moments}) != 1:
        return None
    return moments[0].replace(microsecond=0).isoformat()


def _lines(value: object) -> Iterator[str]:
    for text in value if isinstance(value, list) else [value]:
        if isinstance(text, str):
            yield from (line.strip() for line in text.splitlines())


def _signed(lines: Iterator[str]) -> str | None:
    said = {line.lower() for line in lines}
    if said and said <= {"signeddelegation", "signed", "signed delegation", "yes"}:
        return "signedDelegation"
    return "unsigned" if said and said <= {"unsigned", "no", "not signed"} else None


_WARMING: Final = (
    "Creation Date: 2020-01-02T03:04:05Z\nUpdated Date: before 2001\nExpiry Date: 3 Jan 2030\n"
)


def _parser() -> Load:
    """The library's parser without its package, whose first lines import a network client."""
    for name in ("socket", "_socket"):
        sys.modules[name] = ModuleType(name)
    found = importlib.util.find_spec("whois")
    package = ModuleType("whois")
    package.__path__ = list(found.submodule_search_locations or ()) if found else []
    sys.modules["whois"] = package
    return cast("Load", importlib.import_module("whois.parser").WhoisEntry.load)


def _limit(what: int, most: int) -> None:
    resource.setrlimit(what, (most, most))


def _spend() -> None:
    """So much CPU for the next text, counted from now: a worker whose parent died ends too."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = int(used.ru_utime + used.ru_stime) + _CPU_S
    resource.setrlimit(resource.RLIMIT_CPU, (most, resource.RLIM_INFINITY))


if __name__ == "__main__":
    main()
