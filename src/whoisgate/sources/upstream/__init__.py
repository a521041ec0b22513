"""Other people's RDAP and WHOIS servers as a source: the proxy. Needs the ``upstream`` extra.

Everything here takes the other end for hostile: it is reached at checked addresses, within one
deadline and a cap of bytes, and what it says is read by the strict readers of `formats` or not at
all. Nobody but the operator decides who is asked.
"""

from whoisgate.sources.upstream.source import UpstreamSource

__all__ = ["UpstreamSource"]
