"""A second verifier of the audit log, written from the specifications and from nothing else.

The specifications are the docstring of `whoisgate.audit`, C2SP signed-note, tlog-checkpoint,
tlog-tiles and tlog-proof, RFC 6962, RFC 9162 §2.1, RFC 9901 §4.2, for subtrees
draft-ietf-plants-merkle-tree-certs §4, and for signed questions RFC 9421, RFC 7638 and RFC 9651.
It shares no code with `whoisgate` and imports none of it; where both read the specifications
alike, neither is likely to have read them wrong.

It prefers the plain way to the quick one: the whole log is held in memory, and trees are hashed by
the recursion of RFC 6962. Whatever does not hold raises `Refused`.
"""
