"""``whoisgate redact --second-opinion``: it fills closed shapes, and a misplaced name stays in."""

import json

from tests.formats.test_leaks import found

HEAD = "Domain Name: {0}\nCreation Date: 2020-01-02\nRegistrar: Example Registrar\n"
UNUSUAL = (
    HEAD.format("example.com") + "Delegated to name server: ns1.example.net\n"
    "Its present domain status: clientHold\nPresent updated date: 2021-03-04\n"
)
"""Labels that our reader does not know, and the other finds inside of a line."""

HANGING = HEAD.format("example.jp") + "Contact Information:\n" + "a\n\n" * 40

MISPLACED = {
    "host-anywhere.uk": "Registrant:\n  {0}\n  www.{1}.example.net \n  x@mail.{2}.example.net \n",
    "rest-of-text.eu": "Name servers:\n  a.example.net\n\nRegistrant:\n  {0}\n  {1}.example.net\n",
    "inside-a-label.com": "Registrant Name Server: {0}.example.net\nAdmin Name Server: {1}\n"
    "Registrant Domain Status: {2}\nTech DNSSEC: {3}\nRegistrant Creation Date: 2001-02-03\n",
    "free-status.de": "Status: {0}\nStatus: {1}, ok\nRegistrant status: {2}\n",
    "free-host.fr": "nserver: {0}\nnserver: {1} {2}\nholder nserver: {3}.example.net\n",
    "four-hosts.pl": "nameservers: {0}.\n {1}. \n {2}. x\nREGISTRAR:\n {3}\n",
    "prose.il": "remarks: {0} {1} - {2}\nnserver: {3}\n",
    "registrar.nl": "Registrar:\n   {0}\n   {1}\n   {2}\n\nName: {3}\n",
}
"""What the other reader takes for hosts, statuses and registrars; each place holds a canary."""


def line(name, raw):
    return json.dumps({"id": name, "domain": name, "format": "whois", "raw": raw}).encode()


def ask(run, lines, *options):
    done = run("redact", "--jsonl", *options, stdin=b"\n".join(lines))
    assert done.returncode == 0
    return done, [json.loads(answer) for answer in done.stdout.splitlines()]


def test_fills_what_our_reader_left_empty(run):
    _, (plain,) = ask(run, [line("example.com", UNUSUAL)])
    assert plain["released"] == ["domain.created", "registrar.name"]
    done, (filled,) = ask(run, [line("example.com", UNUSUAL)], "--second-opinion")
    assert filled["released"] == [
        "domain.created", "domain.updated", "domain.status", "registrar.name", "nameserver.name",
    ]  # fmt: skip
    assert "Name Server: ns1.example.net" in filled["whois"]
    assert b"second opinion: 1 texts asked, 3 elements filled, 0 disagreements" in done.stderr


def test_lets_no_misplaced_name_out(run):
    canaries, lines = [], []
    for name, layout in MISPLACED.items():
        words = [f"kanarie{len(canaries) + n:04d}vogel" for n in range(4)]
        canaries += words
        lines.append(line(name, HEAD.format(name) + layout.format(*words)))
    done, answers = ask(run, lines, "--second-opinion")
    assert [answer["error"] for answer in answers] == [None] * len(MISPLACED)
    assert found(canaries, done.stdout) == set()
    assert found(canaries, done.stderr) == set()
    assert b"2001-02-03" not in done.stdout
    assert f"{len(MISPLACED)} texts asked".encode() in done.stderr


def test_answers_although_the_other_reader_hangs(run):
    lines = [line("example.jp", HANGING), line("example.com", UNUSUAL)]
    done, (hung, filled) = ask(run, lines, "--second-opinion")
    assert hung["released"] == ["domain.created", "registrar.name"]
    assert "nameserver.name" in filled["released"]
    assert b"1 timed out, 0 without an answer" in done.stderr


def test_takes_one_answer_too(run):
    done = run("redact", "--second-opinion", "--to", "whois", stdin=UNUSUAL.encode())
    assert b"Name Server: ns1.example.net" in done.stdout
    assert done.stderr.startswith(b"second opinion: 1 texts asked")
