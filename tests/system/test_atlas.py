"""The atlas in a real browser: by keyboard alone, in the dark, on paper. Needs chromium."""

import base64
import json
import os
import re
import select
import shutil
import subprocess
from contextlib import contextmanager

import pytest

from whoisgate.cli import atlas
from whoisgate.policy import load_named

pytestmark = pytest.mark.system
WAIT_S = 60
KEYS = {
    "Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "PageUp": 33, "PageDown": 34, "End": 35,
    "Home": 36, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40,
}  # fmt: skip
CTRL = 2
FOCUSED = "document.activeElement.getAttribute('aria-label')?.split(':')[0]"
COLOURS = """[...document.querySelectorAll('td, th, p, li, h1, h2, code')].map((e) => {
  const style = getComputedStyle(e);
  let at = e;
  while (at && getComputedStyle(at).backgroundColor === 'rgba(0, 0, 0, 0)') at = at.parentElement;
  return [e.className || e.tagName, style.color, getComputedStyle(at).backgroundColor,
          style.backgroundImage];
})"""


class Browser:
    """One page, driven by the DevTools protocol over two pipes (JSON, each ended by a null)."""

    def __init__(self, to: int, back: int) -> None:
        self._to, self._back, self._rest, self._id = to, back, b"", 0
        self.events: list[dict] = []
        self._session = None
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Log", "Accessibility"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **params: object) -> dict:
        self._id += 1
        message = {"id": self._id, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._id:
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def wait(self, method: str) -> None:
        while not any(e["method"] == method for e in self.events):
            self.events.append(self._next())

    def value(self, expression: str) -> object:
        result = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def press(self, *keys: str, ctrl: bool = False) -> object:
        """Press keys, and tell the name of what has the focus then."""
        for key in keys:
            text = {"Enter": "\r", " ": " "}.get(key)
            said = {"key": key, "windowsVirtualKeyCode": KEYS[key], "modifiers": CTRL * ctrl}
            down = {"type": "keyDown", "text": text} if text else {"type": "rawKeyDown"}
            self.ask("Input.dispatchKeyEvent", **down, **said)
            self.ask("Input.dispatchKeyEvent", type="keyUp", **said)
        return self.value(FOCUSED)

    def complaints(self) -> list[dict]:
        """What the page threw or said on its console, policy violations too."""
        told = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
        return [e for e in self.events if e["method"] in told]

    def media(self, kind: str = "", **features: str) -> None:
        wanted = [{"name": k.replace("_", "-"), "value": v} for k, v in features.items()]
        self.ask("Emulation.setEmulatedMedia", media=kind, features=wanted)

    def _next(self) -> dict:
        while b"\0" not in self._rest:
            assert select.select([self._back], [], [], WAIT_S)[0], "the browser says nothing"
            read = os.read(self._back, 1 << 20)
            assert read, "the browser went away"
            self._rest += read
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)


@contextmanager
def chromium(folder):
    """A headless browser that reads commands from file descriptor 3 and answers on 4."""
    assert shutil.which("chromium"), "chromium is not installed"
    theirs_in, to = os.pipe()
    back, theirs_out = os.pipe()
    process = subprocess.Popen(
        [
            "bash", "-c", f'exec chromium "$@" 3<&{theirs_in} 4>&{theirs_out}', "bash",
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--remote-debugging-pipe", f"--user-data-dir={folder}",
        ],
        pass_fds=(theirs_in, theirs_out),
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        os.close(theirs_in)
        os.close(theirs_out)
        yield Browser(to, back)
    finally:
        process.terminate()
        process.wait(WAIT_S)
        os.close(to)
        os.close(back)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    folder = tmp_path_factory.mktemp("atlas")
    atlas.write(folder / "atlas.html", atlas.page(load_named("registrar-default"), "at any time"))
    with chromium(folder / "profile") as found:
        found.ask("Page.navigate", url=f"file://{folder}/atlas.html")
        found.wait("Page.loadEventFired")
        yield found
        assert found.complaints() == []


def test_is_one_stop_for_the_tab_key(browser):
    assert browser.press("Tab") == "The public, registrant.handle"
    assert browser.value("document.querySelectorAll('td a[tabindex=\"0\"]').length") == 1
    assert browser.press("Tab") is None
    browser.value("document.querySelector('td a[tabindex=\"0\"]').focus()")


def test_moves_with_the_arrow_keys_and_stops_at_the_edges(browser):
    assert browser.press("Home", ctrl=True) == "The public, registrant.handle"
    assert browser.press("ArrowUp", "ArrowLeft") == "The public, registrant.handle"
    assert browser.press("ArrowRight", "ArrowDown") == "Law enforcement, registrant.name"
    assert browser.press("End") == "Any other, registrant.name"
    assert browser.press("ArrowRight") == "Any other, registrant.name"
    assert browser.press("PageDown") == "Any other, registrant.fax_ext"
    assert browser.press("ArrowDown", "ArrowDown", "Home") == "The public, admin.handle"
    assert browser.press("PageUp", "PageUp") == "The public, registrant.handle"
    assert browser.press("End", ctrl=True) == "Any other, dnssec.ds"


def test_keeps_the_focused_cell_clear_of_the_sticky_heads(browser):
    browser.press("End", ctrl=True)
    for _ in range(20):
        browser.press("PageUp", "ArrowLeft")
        clear = browser.value(
            """(() => {
              const box = document.activeElement.getBoundingClientRect();
              const at = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
              return at?.closest('td a') === document.activeElement;
            })()"""
        )
        assert clear, browser.value(FOCUSED)


@pytest.mark.parametrize("key", ["Enter", " "])
def test_opens_a_cell_and_closes_it_with_escape(browser, key):
    browser.press("Home", ctrl=True)
    cell = browser.press("ArrowRight", "ArrowDown")
    browser.press(key)
    assert browser.value("document.querySelector('dialog').open") is True
    said = browser.value("document.querySelector('dialog').innerText")
    assert said.startswith(cell)
    assert browser.value("document.activeElement.textContent") == cell
    assert browser.value("document.querySelector('dialog').scrollTop") == 0
    assert "At most: shown whole, after approval, more than the public has." in said
    assert "icann-gtld/LEA-ORDER; ICANN Registration Data Policy 10.1; GDPR 6(1)(c)" in said
    assert browser.value("document.querySelector('dialog li').value") > 0
    assert browser.press("Escape") == cell
    assert browser.value("document.querySelector('dialog').open") is False


def test_opens_with_the_mouse_and_closes_with_its_button(browser):
    browser.value("document.querySelectorAll('td a')[0].click()")
    said = browser.value("document.querySelector('dialog').innerText")
    assert "The public, registrant.handle" in said
    assert "No rule shows it." in said
    browser.value("document.querySelector('dialog button').click()")
    assert browser.value("document.querySelector('dialog').open") is False
    assert browser.press() == "The public, registrant.handle"


def test_is_a_grid_to_assistive_technology(browser):
    nodes = browser.ask("Accessibility.getFullAXTree")["nodes"]
    roles = [n["role"]["value"] for n in nodes if "role" in n and not n["ignored"]]
    cells = browser.value("document.querySelectorAll('td').length")
    assert roles.count("grid") == 1
    assert roles.count("gridcell") == cells
    assert roles.count("columnheader") == 13
    assert {"rowheader", "contentinfo", "main"} <= set(roles)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_can_be_read_in_light_and_dark(browser, scheme):
    browser.media(prefers_color_scheme=scheme)
    found = browser.value(COLOURS)
    assert len(found) > 900
    for name, ink, ground, over in found:
        grounds = [numbers(ground)]
        grounds += [blended(numbers(s), grounds[0]) for s in re.findall(r"rgba\([^)]*\)", over)]
        assert min(contrast(numbers(ink), g) for g in grounds) >= 4.5, (name, ink, ground, over)


def test_goes_dark(browser):
    grounds = set()
    for scheme in ("light", "dark"):
        browser.media(prefers_color_scheme=scheme)
        grounds.add(browser.value("getComputedStyle(document.body).backgroundColor"))
    assert len(grounds) == 2


def test_tells_treatments_apart_without_colour(browser):
    for scheme in ("light", "dark"):
        browser.media(prefers_color_scheme=scheme)
        legend = browser.value(
            """[...document.querySelectorAll('.legend ul:first-child li b[class]')].map(
              (e) => [e.textContent, getComputedStyle(e).backgroundColor])"""
        )
        greys = [luminance(numbers(ground)) for _, ground in legend[:5]]
        order = sorted(greys, reverse=scheme == "dark")
        assert greys == order
        assert len({letter for letter, _ in legend[:5]}) == 5


def test_keeps_still_for_whoever_asks(browser):
    name = "getComputedStyle(document.querySelector('dialog')).animationName"
    browser.media(prefers_reduced_motion="reduce")
    browser.value("document.querySelectorAll('td a')[0].click()")
    assert browser.value(name) == "none"
    browser.media(prefers_reduced_motion="no-preference")
    assert browser.value(name) == "appear"
    browser.press("Escape")


def test_prints_on_a4_across(browser):
    browser.media()
    printed = browser.ask("Page.printToPDF", preferCSSPageSize=True, printBackground=False)
    paper = base64.b64decode(printed["data"])
    pages = re.findall(rb"/MediaBox \[0 0 ([0-9.]+) ([0-9.]+)\]", paper)
    assert {(round(float(w)), round(float(h))) for w, h in pages} == {(842, 595)}
    assert len(pages) <= 5
    browser.media("print")
    across_px = (297 - 2 * 9) * 96 / 25.4
    browser.ask(
        "Emulation.setDeviceMetricsOverride", width=int(across_px), height=700,
        deviceScaleFactor=1, mobile=False,
    )  # fmt: skip
    head = "getComputedStyle(document.querySelector('thead th')).position"
    assert browser.value(head) == "static"
    wide = browser.value(
        """[...document.querySelectorAll('th, td')].filter((cell) => {
          const text = document.createRange();
          text.selectNodeContents(cell);
          return text.getBoundingClientRect().width > cell.clientWidth + 1;
        }).map((cell) => cell.textContent)"""
    )
    assert wide == []
    assert browser.value("document.querySelector('table').scrollWidth <= innerWidth") is True
    browser.ask("Emulation.clearDeviceMetricsOverride")
    browser.media()


def numbers(colour: str) -> tuple[float, ...]:
    return tuple(map(float, re.findall(r"[0-9.]+", colour)))


def blended(over: tuple[float, ...], under: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(o * over[3] + u * (1 - over[3]) for o, u in zip(over[:3], under, strict=False))


def luminance(colour: tuple[float, ...]) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = [c / 255 for c in colour[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)
