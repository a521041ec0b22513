"""The audit log's formats. This docstring is the specification of our entries, format 1.

The tree is RFC 6962's (leaf ``SHA-256(00 ‖ entry)``, node ``SHA-256(01 ‖ left ‖ right)``); it is
published as C2SP tlog-tiles with a signed-note checkpoint (Ed25519, type 01), and a receipt is a
C2SP tlog-proof. Field order never changes; new fields only append.

**Canonical JSON.** ASCII (everything else as u-escapes with four lower-case digits), keys ASCII and
sorted, no white space; objects, lists, strings without half a surrogate pair, integers within
±(2⁵³-1), null, true and false.

**Leaf.** Canonical JSON, at most 65,535 bytes. Members:

- ``v``: 1.
- ``nonce``: 16 random bytes, base64url without padding (as everywhere below).
- ``hour``: the hour of logging in UTC, ``2026-11-23T23Z``; it never goes back.
- ``policy``: SHA-256 (hex) of the policy bundle in force.
- ``_sd``: 24 distinct digests, sorted; each covers one committed field or is a decoy.
- ``envelope``: SHA-256 (base64url) of the envelope's bytes.
- ``kind`` and ``open``: only in entries that are public by nature (`OPEN_KINDS`); ``open`` is an
  object in clear. Every other entry has exactly the six members above, whatever happened.

**Committed field.** Its *opening* is ``base64url(canonical JSON [salt, name, value])``, its digest
``base64url(SHA-256(opening))`` (RFC 9901 §4.2); the salt is 16 bytes, base64url. All of
`COMMITTED` are committed in every entry, in slot order, ``null`` where there is nothing to say;
the digest of a decoy slot is ``base64url(SHA-256(salt bytes))``.

**Keys.** ``okm = HKDF-SHA-256(ikm = epoch key ‖ shred secret, salt = nonce bytes,
info = "whoisgate/v1 entry", 416 bytes)``: 32 bytes of envelope key, then 24 salts of 16 bytes.
The epoch key (32 random bytes, one per process and hour) is HPKE-wrapped (RFC 9180: X25519,
HKDF-SHA-256, AES-256-GCM, ``info = "whoisgate/v1 epoch " ‖ epoch id``) for every recipient. The
shred secret is 32 random bytes in slot ``index`` of the shred file, zeroed at erasure.

**Envelope.** AES-256-GCM under the envelope key, nonce of 12 zero bytes (the key is used once),
associated data ``nonce bytes``. Plaintext: length of the JSON (4 bytes, big-endian), the JSON
``{"fields": {name: value}, "sealed": {…}}``, zeros up to ``4096 k - 16`` bytes, so that the
envelope is a multiple of 4 KiB.

**Receipt.** A tlog-proof whose ``extra`` line is base64 of canonical JSON
``{"leaf": "<the leaf's text>", "openings": ["<opening>", …]}``; openings
stand in slot order and a holder may drop some. The checkpoint's origin is the name of the key
that signs it. The stored copy is the entry's ``okm`` followed by
the inclusion hashes, AES-256-GCM (zero nonce) under ``HKDF-SHA-256(ikm = token ‖ shred secret,
salt = empty, info = "whoisgate/v1 receipt", 32 bytes)``; the token (16 bytes) is in the receipt's
address alone. Leaf, envelope and checkpoint make it a receipt again.

**First entry.** An ``inception`` says in clear the ``origin`` and ``vkey`` of the log, and of a log
that follows another (origins carry a year) ``after``: that one's ``origin``, ``size`` and ``root``
(hex) when it ended.

**Operator's entries.** ``detail`` holds what was done and why, ``by`` whom. The ``entries`` of an
``erasure`` that erases another hold what that one named as well. In clear stand only: of an
``erasure`` its ``reason`` (one word of `operations.ERASURE_REASONS`), of a ``recovery`` the
sizes ``from`` and ``to``, and of a change of ``key`` either ``{"old", "new", "by_old", "by_new"}``
(two vkeys, and both keys' signatures in base64url over ``whoisgate/v1 key change``, the old vkey
and the new one, each ended by LF) or ``{"retired": vkey}``. From the first on both keys may sign
checkpoints, from the second on the retired one may not.

Where one of the operator's people signed, ``detail`` has a member ``signature``: an object of
exactly ``by`` (a name), ``signature``, ``algorithm`` and ``key``, the last three as in a signed
question. Signed is ``whoisgate/v1 act``, LF and the canonical JSON of an object of ``log`` (the
origin), ``by``, and the entry's ``kind``, ``decided_at``, ``outcome``, ``authority`` and ``detail``
without its ``signature``.

**Directory.** An entry of kind ``authority`` puts a change of the directory of authorities in
force (outcome ``active``, ``suspended`` or ``revoked``; ``barred`` or ``restored`` for one person),
or has it wait for a second person (``proposed``). Its ``detail`` names the ``authority`` or the
``person``, ``by`` whom and why, and the SHA-256 (hex) of the ``record``, which is in the envelope,
or of the ``records`` that are imported or confirmed. The second entry of a log that follows another
(outcome ``carried``) names that ``log``, the ``authorities`` with ``states`` and digests of their
``records``, how many are ``barred``, the entries there that ``stopped`` somebody, and what was
``imported``; records and tags are in the envelope. Each stop then has an entry (``carried`` too)
whose ``detail`` has ``stopped``: the ``log`` and the ``entry`` there.

**Question.** ``question`` is the SHA-256 of the canonical JSON of an object of the words asked:
``name`` (the domain), ``purpose``, ``basis``, ``case`` (each null where not said), ``elements``
(sorted, each once), ``urgency`` (``none`` where not said) and, only where said, ``sealed_until``.

**Signed question.** The ``detail`` of a question that its requester signed (RFC 9421) has a member
``signed``, an object of exactly

- ``base``: the signature base, printable ASCII and LF, at most 16,384 characters;
- ``signature``: base64url; for ``ecdsa-p256-sha256`` r and s, 64 bytes;
- ``algorithm``: ``ed25519``, ``ecdsa-p256-sha256`` or ``rsa-pss-sha512`` (salt of 64 bytes);
- ``key``: an object of the members of the public JWK that RFC 7638 §3.2 requires: ``kty`` OKP with
  ``crv`` Ed25519, EC with P-256, or RSA of 2,048 to 4,096 bits with ``e`` AQAB; base64url,
  coordinates of 32 bytes, ``n`` without leading zero bytes.

The base's last line is ``"@signature-params": (…);…``, the lines before it are those of the
covered components in the order listed there. Covered are ``@method`` and ``@target-uri``, and may
be ``disclosure-request`` and ``authorization-digest``; none twice, nothing else, no component with
a parameter. The method is GET; the URL is http or https, without space, ``?`` and ``#``. The
parameters, each once, in any order, are ``created`` and ``expires`` (ten digits, the first not 0;
the second is greater, by at most 120), and as strings of at most 64 characters of base64url
``nonce`` (at least 22), ``keyid`` (the key's SHA-256 thumbprint, RFC 7638), ``alg`` (the algorithm)
and ``tag`` (``whoisgate-question``). ``disclosure-request`` is the dictionary of the words
``purpose``, ``basis``, ``case``, ``urgency``, ``sealed_until`` (strings) and ``elements`` (an inner
list of strings), each at most once, at least one, without parameters, just as RFC 9651 §4.1 spells
it. ``authorization-digest`` is ``sha-256=:<base64 of 32 bytes>:``, of the `Authorization` value
that came along; that value itself is never covered, for everything covered is kept.

Whoever opens such a ``detail`` checks that the key signed the base, and that what else is opened
records what was signed: ``domain`` is what follows the last ``/domain/`` of the URL; ``purpose``,
``basis`` and ``case`` are the words said, else null; ``asked`` is the ``elements``, sorted, each
once, where any are said; ``question`` is the digest of the words; ``sealed_until`` in ``detail`` is
the one said, if any; ``decided_at`` is at most 5 s before ``created``, and before ``expires``.

**Conduct and budgets.** ``detail`` of a disclosure, refusal or pending question may hold
``flagged``, what stood out in how its requester asks, and ``held``, why nothing was released that
the policy would release: ``persons_spent`` (with ``of``, ``window`` and ``limit``), ``stopped``
(refusals), or ``second_approver`` (pending). Such an entry replays as a question that is not
permitted. An ``approval`` whose outcome is ``lifted`` ends the stop that its ``entry`` began.

**Seal.** A disclosure whose ``detail`` holds ``sealed_until`` (a date) is followed, before the
end of that date, by an ``unseal`` of that ``entry`` or an ``extend`` to another date.

**Evidence zip**, format 2. Members in this order, with nothing else:

- ``answer.json``: the body, byte for byte; it may be left out, then nothing is shown of it but the
  digest, if ``body`` is opened.
- ``receipt.tlog-proof``, ``policy.yaml`` (the bundle), ``log.vkey`` (with LF).
- ``opened.json``: the openings, readable; JSON, indented by two, in slot order.
- ``README.txt``: a fixed text.
- ``evidence.html``: a page for a court; ``statement.txt``: for the log's custodian to sign.
- ``SHA256SUMS``: a line ``<hex>  <name>`` for each member before it.

Stored uncompressed, dated 1980-01-01, with mode 0644, no comment and no extra field. All from
``opened.json`` on follows from the members before: `verify.complete_evidence` is its definition,
and a verifier makes it anew and refuses a byte that differs. So its wording belongs to the format,
and another wording is another format; what it says of a new member of a field alone is none.
Format 1 ended with ``README.txt``, another text, and always had the answer. A zip with fewer
openings or without the answer is evidence like any other; the digests of what it does not open
stay in the leaf.

**Verification of a log.** Entries first, in log order, each against its hash of level 0, its form
and the hour before; then the tiles above, lowest first; then the signed root. The first bad entry
is the first that fails, or the first below a tile's hash that is not what the entries hash to;
where a file ends too early or goes on too long, it is the entry at which it does. A full tile or
bundle may stand in the place of a partial one (tlog-tiles); what it holds beyond the signed size
is not looked at. There is one spelling of everything: base64 without spare bits, decimals without
leading zeros, canonical JSON. A verifier may set limits to notes (at least 2¹⁸ characters and 99
signatures) and proofs (1 MiB, 63 hashes).
"""

from __future__ import annotations

from typing import Final

ENTRY_VERSION: Final = 1
SLOTS: Final = 24
COMMITTED: Final = (
    "kind",
    "decided_at",
    "logged_at",
    "node",
    "sequence",
    "authority",
    "person",
    "requester_class",
    "domain",
    "purpose",
    "basis",
    "case",
    "asked",
    "released",
    "outcome",
    "question",
    "view",
    "body",
    "source",
    "record_version",
    "context",
    "approval",
    "detail",
)
"""Names of committed fields in slot order; ``released`` maps element to rule ids, ``question``,
``view`` and ``body`` are SHA-256 (hex), times are RFC 3339 with microseconds in UTC."""

HIDDEN_KINDS: Final = (
    *("disclosure", "refusal", "pending", "approval", "obligation", "opened"),
    *("unseal", "extend", "authority"),
)
OPEN_KINDS: Final = ("inception", "policy", "key", "tally", "erasure", "recovery")
