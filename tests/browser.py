"""A Chromium without a window for tests of pages, which is Debian's own with its driver. It fetches nothing by itself."""

import json
import shutil
import sys

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

SKIPPED = 77  # CTest's SKIP_RETURN_CODE

# The contrast of every text with what it stands on, where that is less than WCAG's AA wants.
FAINT = """
const parse = (c) => { const m = c.match(/[\\d.]+/g).map(Number); return m.length < 4 ? [...m, 1] : m; };
const over = (a, b) => [0, 1, 2].map((i) => a[i] * a[3] + b[i] * (1 - a[3]));
const light = (c) => { const [r, g, b] = c.slice(0, 3).map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const ground = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c[3] === 1) return c; } return [255, 255, 255]; };
const seen = new Map();
for (const e of document.querySelectorAll('body *')) {
  if (!e.checkVisibility() || e.closest('.unseen, script, dialog:not([open])')) continue;
  if (![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
  const style = getComputedStyle(e), back = ground(e);
  const text = e.namespaceURI.endsWith('svg') ? style.fill : style.color;
  const [a, b] = [light(over(parse(text), back)), light(back)].sort((x, y) => y - x);
  const contrast = (a + 0.05) / (b + 0.05);
  if (contrast < (parseFloat(style.fontSize) >= 24 ? 3 : 4.5)) seen.set(e.className + ' ' + text, contrast.toFixed(2) + ' ' + e.textContent.slice(0, 40));
}
return [...seen];
"""
# Fields and buttons that a reader would hear nothing of.
NAMELESS = """
return [...document.querySelectorAll('button, a, input, select, textarea, canvas, summary, svg[role=img], [role=application], [role=region], fieldset')]
  .filter((e) => !e.closest('dialog:not([open])') && !(e.getAttribute('aria-label') || e.textContent.trim() || e.labels?.[0]?.textContent.trim())).map((e) => e.outerHTML.slice(0, 80));
"""


def require_chromium():
    """Ends the program as skipped where there is no Chromium."""
    missing = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    if missing:
        print(f"skipped: no {' and no '.join(missing)} here, want Debian's packages chromium and chromium-driver (tools/setup.sh --test)")
        sys.exit(SKIPPED)


class Browser:
    def __init__(self):
        options = Options()
        options.binary_location = shutil.which("chromium")
        # No sandbox within a container, whose /dev/shm is small. Its own network is off; a page's is watched.
        for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars", "--disable-background-networking",
                     "--force-color-profile=srgb"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        self.driver.set_script_timeout(60)

    def quit(self):
        self.driver.quit()

    def show(self, width=1440, height=900, scheme="light"):
        """The size of the window, in CSS pixels, and what the system prefers."""
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [
            {"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": "reduce"}]})
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500})
        self.settle()

    def open(self, path):
        self.go(path.as_uri())

    def go(self, url):
        self.driver.get(url)
        self.settle()

    def settle(self):
        """Until what depends on sizes was drawn: two frames behind whatever is under way."""
        self.driver.execute_async_script("const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done()));")

    def js(self, source, *arguments):
        return self.driver.execute_script(source, *arguments)

    def rows(self, table):
        """What the cells of a table or of a part of it say, all at once: to ask for one takes milliseconds."""
        return self.js("return [...arguments[0].rows].map((row) => [...row.cells].map((cell) => cell.innerText.trim()))", table)

    def complaints(self):
        """What the page and the browser wrote on the console."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self):
        """The addresses that pages asked for since this was asked last."""
        urls = []
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                urls.append(message["params"]["request"]["url"])
        return urls
