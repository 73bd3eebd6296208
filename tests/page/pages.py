"""What the page's tests share: a server, a browser at its page, and answers that a test writes itself."""

import os
import pathlib
import sys
import time
import unittest

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "server"), str(TESTS / "report")]
import browser as browsers

browsers.require_chromium()

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from support import Server

WAIT_S = 60

# Answers to /v1/chat/completions that come when the test says so: what was asked is in feeds[i].body.
FAKE = """
const real = window.fetch;
window.feeds = [];
window.fetch = (url, options) => {
  if (!String(url).startsWith('/v1/chat')) return real(url, options);
  let control;
  const stream = new ReadableStream({start(c) { control = c; }});
  const bytes = new TextEncoder();
  const feed = {body: JSON.parse(options.body), is_aborted: false, n: 0,
    put: (event) => control.enqueue(bytes.encode('data: ' + JSON.stringify(event) + '\\n\\n')),
    text: (text) => (feed.n += text.length, feed.put({choices: [{index: 0, delta: {content: text}}]})),
    thought: (text) => (feed.n += text.length, feed.put({choices: [{index: 0, delta: {reasoning_content: text}}]})),
    end: (reason = 'stop', n = 7) => { feed.put({choices: [{index: 0, delta: {}, finish_reason: reason}]});
      feed.put({choices: [], usage: {prompt_tokens: 9, completion_tokens: n, total_tokens: 9 + n, prompt_tokens_details: {cached_tokens: 4}}});
      control.enqueue(bytes.encode('data: [DONE]\\n\\n')); control.close(); }};
  options.signal.addEventListener('abort', () => { feed.is_aborted = true; control.error(new DOMException('gone', 'AbortError')); });
  feeds.push(feed);
  return Promise.resolve(new Response(stream, {headers: {'Content-Type': 'text/event-stream'}}));
};
"""


class Page(unittest.TestCase):
    options = ("--quiet",)

    @classmethod
    def setUpClass(cls):
        cls.server = Server(*cls.options)
        cls.addClassCleanup(cls.server.stop)
        cls.browser = browsers.Browser()
        cls.addClassCleanup(cls.browser.quit)

    def open(self, is_faked=False, **window):
        """The page as who has never been there sees it, but for a seed, so that each run has the same answers."""
        self.browser.show(**window)
        self.browser.go(self.server.url + "/favicon.svg")
        self.browser.js("localStorage.clear(); sessionStorage.clear(); localStorage.setItem('tercet.settings', '{\"seed\": 1}')")
        self.browser.requests()
        self.browser.complaints()
        self.load(is_faked)

    def load(self, is_faked=False):
        self.browser.go("about:blank")
        self.browser.go(self.server.url + "/")
        self.wait(lambda: "loaded" not in self.text("#welcome .model", True))
        if is_faked:
            self.browser.js(FAKE)

    def one(self, selector):
        return self.browser.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.browser.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector, hidden=False):
        return self.one(selector).get_attribute("textContent") if hidden else self.one(selector).text

    def focused(self):
        return self.browser.driver.switch_to.active_element

    def keys(self, *keys):
        for key in keys:
            self.focused().send_keys(key)

    def press(self, selector, last=False):
        (self.all(selector)[-1] if last else self.one(selector)).click()

    def wait(self, condition, what="what was waited for"):
        end = time.monotonic() + WAIT_S
        while not (value := condition()):
            self.assertLess(time.monotonic(), end, what)
            time.sleep(0.02)
        return value

    def ask(self, text):
        self.one("#ask").send_keys(text, Keys.ENTER)

    def is_busy(self):
        return self.browser.js("return tercet.app.view.is_busy()")

    def feed(self, source, i=-1):
        """Runs `source` with `feed`, the answer that was asked for last (or first...), and waits until its text is drawn."""
        self.wait(lambda: self.browser.js("return feeds.length > 0"))
        self.browser.js(f"const feed = feeds.at({i}); {source}")
        self.wait(lambda: self.browser.js(f"""const view = tercet.app.view, {{message, is_due}} = view.live;
            return !view.is_busy() || (message.content.length + (message.reasoning ?? '').length === feeds.at({i}).n && !is_due)"""), "what was fed is not drawn")

    def answer(self, question, *parts):
        """A question with its whole answer."""
        n = self.browser.js("return feeds.length")
        self.ask(question)
        self.wait(lambda: self.browser.js("return feeds.length") > n)
        for part in parts:
            self.feed(f"feed.text({part!r})")
        self.feed("feed.end()")
        self.wait(lambda: not self.is_busy())

    def assert_calm(self, allowed=()):
        """Nothing is on the console, and nothing was fetched from elsewhere."""
        self.assertEqual([c for c in self.browser.complaints() if not any(a in c for a in allowed)], [])
        strange = [u for u in self.browser.requests() if not u.startswith((self.server.url, "about:", "data:,"))]
        self.assertEqual(strange, [])
