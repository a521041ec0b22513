"""WHOIS text (RFC 3912), both ways; no sockets.

`encode` writes a public view, `from_rdap` renders an RDAP answer that already left a gate. `read`
reads another server's answer in whatever layout; `decode` wants a record of it; `joined` joins a
registry's with a registrar's.
"""

from whoisgate.formats.whois.answers import State
from whoisgate.formats.whois.lines import decoded
from whoisgate.formats.whois.reading import Reading, decode, joined, read, refusal
from whoisgate.formats.whois.writing import encode, from_rdap

__all__ = [
    "Reading",
    "State",
    "decode",
    "decoded",
    "encode",
    "from_rdap",
    "joined",
    "read",
    "refusal",
]
