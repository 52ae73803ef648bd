"""Reports in a real browser: nothing fails, pictures load, and a phone needs no sideways scroll."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import escape, unescape
from pathlib import Path
from typing import Any

import anndata as ad
import pytest

from scmamba.pl import report

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)

pytestmark = [
    pytest.mark.skipif(not BROWSER, reason="no Chromium is installed"),
    pytest.mark.slow,
]

PROBE = """<!doctype html><body><iframe id="page" style="width:{width}px;height:900px;border:0"
srcdoc="{page}"></iframe><pre id="found"></pre><script>
window.onload = () => {{
  const d = document.getElementById("page").contentDocument;
  const edge = (e) => Math.round(e.getBoundingClientRect().right);
  document.getElementById("found").textContent = JSON.stringify({{
    width: d.documentElement.clientWidth,
    across: d.documentElement.scrollWidth,
    beyond: [...d.querySelectorAll("section, h1, h2, p, .tile")].filter(
      (e) => edge(e) > d.documentElement.clientWidth).map((e) => e.textContent.slice(0, 60)),
    pictures: [...d.images].map((i) => [i.complete, i.naturalWidth, i.clientWidth]),
    scripts: d.scripts.length,
    text: d.body.innerText.length,
    evil: d.body.innerText.includes("<scr" + "ipt>alert(1)</scr" + "ipt>"),
  }});
}};
</script></body>"""


def look(page: str, width: int, folder: Path) -> dict[str, Any]:
    """Open a page in a frame so wide, and measure it; the console has to stay silent."""
    probe = folder / "probe.html"
    probe.write_text(PROBE.format(width=width, page=escape(page)), encoding="utf-8")
    command = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
        f"--user-data-dir={folder / 'profile'}", "--window-size=1400,1000",
        "--enable-logging=stderr", "--virtual-time-budget=5000", "--dump-dom", probe.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
    found = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found is not None and found[1], done.stderr
    return json.loads(unescape(found[1]))


@pytest.mark.parametrize("width", [1280, 390])
def test_a_report_opens(
    annotated: ad.AnnData, width: int, tmp_path: Path, plain_places: None
) -> None:
    page = report(annotated, labels_key="truth", batch_key="batch").html
    found = look(page, width, tmp_path)
    assert found["width"] <= width
    assert found["across"] <= found["width"]
    assert found["beyond"] == []
    assert len(found["pictures"]) == page.count("<img") >= 6
    assert all(done and natural > 100 for done, natural, _ in found["pictures"])
    assert found["scripts"] == 0 and found["evil"]


def test_the_browser_tells_of_errors(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="nothing_like_that"):
        look("<p>a</p><script>nothing_like_that()</script>", 400, tmp_path)
