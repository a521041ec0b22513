"""A process of its own that appends to a log: ``appender.py DIR COUNT [--threads N] [--limit B]``.

Prints one JSON line per outcome as soon as it is known: ``[index, token]`` or the error's class.
With ``--limit`` no file may grow beyond that many bytes once the log is open, as on a full disk;
appending then goes on until it fails twice, and the last line is what reading still gives.
"""

import argparse
import json
import os
import resource
import secrets
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from whoisgate.audit.draft import Asking, Draft
from whoisgate.audit.note import Signer
from whoisgate.queries import Limits
from whoisgate.stores.sqlite import SQLiteLog

OPERATOR = X25519PrivateKey.from_private_bytes(b"\x02" * 32)
SIGNER = Signer.generate("log.example/2026", lambda size: b"\x01" * size)
POLICY = "d" * 64


def utc_now():
    return datetime.now(UTC)


def log_in(
    folder: Path,
    *,
    clock=utc_now,
    create=False,
    keys=(SIGNER,),
    head: Path | None = None,
    recipients=(),
    entropy=secrets.token_bytes,
) -> SQLiteLog:
    return SQLiteLog(
        folder / "whoisgate.db",
        folder / "log",
        folder / "shred.slots",
        signers=lambda: keys,
        recipients={"operator": OPERATOR.public_key(), **dict(recipients)},
        index_key=b"\x03" * 32,
        clock=clock,
        entropy=entropy,
        head=head,
        create=create,
    )


def disclosure(**more) -> Draft:
    said = {"domain": "example.com", "case": "2026-114", "outcome": "released", "body": "c" * 64}
    draft = {"fields": said, "requester": "police/officer-7", "domain": "example.com"}
    return Draft("disclosure", POLICY, utc_now(), **(draft | more))


def say(value) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def append(log: SQLiteLog, draft: Draft) -> bool:
    try:
        receipt = log.append(draft).result()
    except Exception as error:  # noqa: BLE001  its class is the outcome
        say(type(error).__name__)
        return False
    say([receipt.index, receipt.token])
    return True


def fill(log: SQLiteLog, limit: int) -> None:
    append(log, disclosure())
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    while append(log, disclosure()):
        pass
    append(log, disclosure())
    say(log.size())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("count", type=int)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--uses", type=int)
    parser.add_argument("--budget", type=int)
    parser.add_argument("--persons", type=int, help="disclosed in a month at most, one each time")
    args = parser.parse_args()
    log = log_in(args.folder)
    if args.limit:
        fill(log, args.limit)
        return
    draft = disclosure(uses=args.uses, question=b"q", budget=args.budget)

    def drafted(number):
        if args.persons is None:
            return draft
        asking = Asking(("registrant",), Limits(month=args.persons))
        return disclosure(domain=f"{os.getpid()}-{number}.example", asking=asking)

    with ThreadPoolExecutor(args.threads) as pool:
        list(pool.map(lambda number: append(log, drafted(number)), range(args.count)))
    log.close()


if __name__ == "__main__":
    main()
