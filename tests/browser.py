"""A Chromium without a window for tests of pages, which is Debian's own with its driver. It fetches nothing by itself."""

import json
import shutil
import sys

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

SKIPPED = 77  # CTest's SKIP_RETURN_CODE


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
        self.driver.get(path.as_uri())
        self.settle()

    def settle(self):
        """Until what depends on sizes was drawn: two frames behind whatever is under way."""
        self.driver.execute_async_script("const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done()));")

    def js(self, source, *arguments):
        return self.driver.execute_script(source, *arguments)

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
