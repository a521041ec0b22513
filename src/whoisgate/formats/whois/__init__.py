"""WHOIS text (RFC 3912), both ways; no sockets.

`encode` writes a public view, `from_rdap` renders an RDAP answer that already left a gate.
"""

from whoisgate.formats.whois.writing import encode, from_rdap

__all__ = ["encode", "from_rdap"]
