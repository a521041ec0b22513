"""An evidence zip: files that belong together, laid out in the one way there is.

What the page and the statement of format 2 say follows from the other files by the wording of
`verify.complete_evidence` alone, which this verifier does not know: it holds them to their digests.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Mapping

from .note import Key, read_key
from .receipt import Shown, check_receipt
from .refusal import Refused, require

FIRST = (
    "answer.json", "receipt.tlog-proof", "policy.yaml", "log.vkey", "opened.json", "README.txt",
)  # fmt: skip
NAMES = (*FIRST, "evidence.html", "statement.txt", "SHA256SUMS")
LAYOUTS = {
    FIRST: "6f0dee4fcaa7c30db06ceb8eda25b68e7977f4f927f9ad0c1bfce870b7d4dc74",
    NAMES: "521110700acef0eba9792f8c9a6ea433afb15dc63c045c87199e890071b3722d",
    NAMES[1:]: "521110700acef0eba9792f8c9a6ea433afb15dc63c045c87199e890071b3722d",
}
"""The files of each layout, and the digest of its README."""
DATED = (0, 1 << 5 | 1)  # midnight of 1980-01-01 (APPNOTE.TXT 4.4.6)
LOCAL = "<4s5H3I2H"
CENTRAL = "<4s6H3I5H2I"
END = "<4s4H2IH"


def pack(files: Mapping[str, bytes]) -> bytes:
    """PKWARE APPNOTE 4.3: stored, from Unix (mode 100644), version 2.0, no flags."""
    body = directory = b""
    for name in files:
        data, path = files[name], name.encode()
        about = (0, 0, *DATED, zlib.crc32(data), len(data), len(data), len(path), 0)
        at = len(body)
        body += struct.pack(LOCAL, b"PK\3\4", 20, *about) + path + data
        directory += (
            struct.pack(CENTRAL, b"PK\1\2", 3 << 8 | 20, 20, *about, 0, 0, 0, 0o100644 << 16, at)
            + path
        )
    count = len(files)
    return (
        body
        + directory
        + struct.pack(END, b"PK\5\6", 0, 0, count, count, len(directory), len(body), 0)
    )


def unpack(raw: bytes) -> dict[str, bytes]:
    """The files; refuses a zip that `pack` would lay out in another way."""
    for names in LAYOUTS:
        files, at = {}, 0
        size = struct.calcsize(LOCAL)
        for name in names:
            length = int.from_bytes(raw[at + 18 : at + 22], "little")
            begin = at + size + len(name)
            files[name] = raw[begin : begin + length]
            at = begin + length
        if pack(files) == raw:
            return files
    raise Refused("a zip laid out in another way")


def check_evidence(raw: bytes, key: Key) -> Shown:
    files = unpack(raw)
    shown = check_receipt(files["receipt.tlog-proof"], key)
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    if "answer.json" in files:
        require(digests["answer.json"] == shown.fields.get("body"), "another answer")
    if "SHA256SUMS" in files:
        sums = [f"{digests[name]}  {name}\n" for name in files if name != "SHA256SUMS"]
        require(files["SHA256SUMS"] == "".join(sums).encode(), "other sums")
    require(digests["policy.yaml"] == shown.leaf["policy"], "another policy")
    require(digests["README.txt"] == LAYOUTS[tuple(files)], "another README")
    opened = json.dumps(shown.fields, indent=2, ensure_ascii=True) + "\n"
    require(files["opened.json"] == opened.encode(), "other openings")
    try:
        vkey = files["log.vkey"].decode("ascii")
    except UnicodeDecodeError as error:
        raise Refused("not a key") from error
    require(vkey.endswith("\n") and read_key(vkey[:-1]) == key, "another key")
    return shown
