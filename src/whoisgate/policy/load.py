"""Load a policy: from a file, from a text, or one that ships. Only a sound one loads.

Everything raises `PolicyError` with all findings if one of them is an error. A policy's digest is
the SHA-256 of its text; with included policies the text is the bundle, which loads alone.
"""

from __future__ import annotations

from pathlib import Path

from whoisgate.errors import Finding, PolicyError
from whoisgate.policy.check import examine
from whoisgate.policy.compose import find_nothing
from whoisgate.policy.fields import NAME
from whoisgate.policy.files import finder, is_draft, read_file, shipped, shipped_folder
from whoisgate.policy.findings import Report, nearest, quoted, refusal
from whoisgate.policy.model import Policy


def load(path: str | Path) -> Policy:
    """The policy in a file, with those that it includes; a draft if it lies in `drafts/`.

    Included policies are looked for beside the file, then among the shipped ones.
    """
    where, report = Path(path), Report()
    return _sound(_read(where, report), where.name, report)


def load_text(text: str, name: str = "policy.yaml") -> Policy:
    """The policy in a text or bundle, as from an archive; ``name`` stands in positions.

    A text does not say where it lay: the policy is a draft if a citation is unchecked. Nothing
    is included that does not stand in the text.
    """
    report = Report()
    return _sound(examine(text, name, find_nothing, report, draft=None), name, report)


def load_named(name: str) -> Policy:
    """A policy that ships, by its name: ``icann-gtld``."""
    return load(_shipped(name))


def load_any(where: str) -> Policy:
    """The policy in a file whose name ends in ``.yaml`` or ``.yml``, or else one that ships."""
    return load(_path(where))


def unsafe_load_any(where: str) -> tuple[Policy, tuple[Finding, ...]]:
    """As `load_any`, but also a policy that breaks its promises, with what it breaks.

    To compare and to test alone: no gate may have such a policy.
    """
    path, report = _path(where), Report()
    policy = _sound(_read(path, report, kept=False), path.name, report)
    return policy, tuple(f for f in report.findings if f.severity == "error")


def _path(where: str) -> Path:
    return Path(where) if where.endswith((".yaml", ".yml")) else _shipped(where)


def _shipped(name: str) -> Path:
    path = shipped_folder() / f"{name}.yaml"
    if not NAME.fullmatch(name) or not path.is_file():
        hint = nearest(name, shipped())
        raise PolicyError(f"no policy {quoted(name)} ships{f': {hint}' if hint else ''}")
    return path


def _read(path: Path, report: Report, *, kept: bool = True) -> Policy | None:
    text = read_file(path, report)
    if text is None:
        return None
    find = finder(path, report)
    return examine(text, str(path), find, report, draft=is_draft(path), kept=kept)


def _sound(policy: Policy | None, name: str, report: Report) -> Policy:
    if policy is None:
        raise refusal(name, report.findings)
    return policy
