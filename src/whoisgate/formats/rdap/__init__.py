"""RDAP JSON (RFC 9083, jCard of RFC 7095), both ways; no sockets.

Outwards, `encode` takes a view and never a record; every value in its bytes is a value of the
view, and everything else is constant for the decision and the operator's settings. Inwards,
`decode` reads what the element registry knows and nothing else: remarks, notices, links, jCard
labels, unknown members and vendor extensions are never looked at.
"""

from whoisgate.formats.rdap.frame import Settings
from whoisgate.formats.rdap.messages import (
    Provider,
    encode_error,
    encode_help,
    encode_refusal,
    encode_session,
)
from whoisgate.formats.rdap.reading import decode
from whoisgate.formats.rdap.writing import encode

__all__ = [
    "Provider",
    "Settings",
    "decode",
    "encode",
    "encode_error",
    "encode_help",
    "encode_refusal",
    "encode_session",
]
