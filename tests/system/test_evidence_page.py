"""The page of an evidence zip in a real browser: on the screen, on paper, and nothing runs."""

import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.system
HOSTILE = Path(__file__).parents[1] / "audit" / "vectors" / "format-2" / "disclosure.zip"
TITLE = "Evidence of a disclosure of registration data"


@pytest.fixture
def page(tmp_path) -> Path:
    with zipfile.ZipFile(HOSTILE) as archive:
        return Path(archive.extract("evidence.html", tmp_path))


def browser(page: Path, *arguments: str) -> subprocess.CompletedProcess:
    assert shutil.which("chromium"), "chromium is not installed"
    return subprocess.run(
        ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
         f"--user-data-dir={page.parent / 'profile'}", *arguments, page.as_uri()],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip


def complaints(done: subprocess.CompletedProcess) -> list[str]:
    return re.findall(r"CONSOLE.*", done.stderr)


def test_shows_the_page_without_a_complaint(page):
    done = browser(page, "--dump-dom")
    assert complaints(done) == []
    assert f"<title>{TITLE}</title>" in done.stdout
    assert "<script" not in done.stdout


def test_would_hear_a_complaint_and_run_no_script(page):
    page.write_text(page.read_text().replace("</main>", "<script>document.title='ran'</script>"))
    done = browser(page, "--dump-dom")
    assert complaints(done)
    assert f"<title>{TITLE}</title>" in done.stdout


def test_prints_on_a4(page):
    pdf = page.with_name("page.pdf")
    assert complaints(browser(page, f"--print-to-pdf={pdf}")) == []
    content = pdf.read_bytes()
    boxes = re.findall(rb"/MediaBox \[ ?0 0 ([0-9.]+) ([0-9.]+) ?\]", content)
    assert len(boxes) >= 2
    assert {(round(float(w)), round(float(h))) for w, h in boxes} == {(595, 842)}


@pytest.mark.parametrize("width", [500, 800, 1600])
def test_fits_the_screen(page, width):
    measured = "<script>document.title=document.documentElement.scrollWidth</script></body>"
    text = re.sub(r"<meta http-equiv.*", "", page.read_text()).replace("</body>", measured)
    page.write_text(text)
    done = browser(page, "--dump-dom", f"--window-size={width},600")
    assert 0 < int(re.search(r"<title>(\d+)</title>", done.stdout)[1]) <= width
