"""Who of the operator's own people did something: a signature under what the entry commits to.

Where `[staff]` lists anybody, each of these is signed by somebody listed: what lets an authority or
a person ask, the second person's word for it, the grant of a question, the lifting of a stop, and
an erasure of what is not too old to keep. To stop somebody takes no signature. It is kept in the
entry, so that neither who signed nor whoever runs the gate can later say otherwise.

Whoever owns the folder can take `[staff]` out of the configuration; entries then hold no signature.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from whoisgate.audit.draft import JSON
from whoisgate.audit.question import QuestionSigner
from whoisgate.audit.verify import act_text, b64url
from whoisgate.errors import MissingKey


class Signs(NamedTuple):
    """Somebody of the staff, and the key that is at hand."""

    by: str
    signer: QuestionSigner | None


def signature(
    staff: Mapping[str, str], signs: Signs, origin: str, fields: Mapping[str, JSON]
) -> dict[str, JSON]:
    """What ``detail`` keeps of a signature over the fields of an entry that is to be.

    ``staff`` are thumbprints by name; nothing is kept where it lists nobody. Raises `MissingKey`
    for whoever is not listed, and without the key that is listed for them.
    """
    by, signer = signs
    if not staff and signer is None:
        return {}
    if by not in staff:
        raise MissingKey("expected a name that `[staff]` lists, to sign under")
    if signer is None or signer.signer != staff[by]:
        raise MissingKey(f"expected `--sign-with` the key `{staff[by]}`, which `[staff]` lists")
    kept: dict[str, JSON] = {
        "by": by, "signature": b64url(signer.over(act_text(origin, by, fields))),
        "algorithm": signer.algorithm, "key": json.loads(signer.jwk),
    }  # fmt: skip
    return {"signature": kept}
