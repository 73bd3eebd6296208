"""The page of `tercet serve` in a browser: asking, stopping, what is kept, how it is used and how it looks."""

import json
import re
import subprocess
import tempfile
import unittest

from pages import By, Keys, Page, Server, browsers
import receipts
from support import PROGRAM

WIDTHS = (1280, 768, 390)
OVERFLOW = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
LONG_ANSWER = "# A heading that is long enough to be broken over several lines\\n\\n`" + "code" * 60 + "`\\n\\n" + "word" * 60 + "\\n\\n```python\\n" + "x" * 200 + "\\n```\\n\\n| " + "column | " * 12 + "\\n|" + "-|" * 12 + "\\n| " + "cell | " * 12


class Asking(Page):
    def test_a_question_is_answered_by_the_model(self):
        self.open()
        self.assertIn("Demo MoE Coder 34M", self.text("#welcome .model"))
        self.ask("Write a function that adds two numbers.")
        self.wait(lambda: self.all(".answer:not(.live)"))
        self.assertGreater(len(self.text(".answer .prose")), 3)
        self.assertRegex(self.text(".answer .stats"), r"^\d+ tokens · [\d.]+ tok/s · first after ")
        self.assertEqual(self.one("#ask").get_attribute("value"), "")
        self.assertEqual(self.focused().get_attribute("id"), "ask")
        self.assertEqual(self.text("#title"), "Write a function that adds two numbers.")
        self.assertFalse(self.one("#welcome").is_displayed())
        self.assert_calm()

    def test_what_has_come_is_shown_before_the_end(self):
        self.open(is_faked=True)
        self.ask("a")
        self.wait(lambda: self.text(".status") == "Waiting")
        self.feed("feed.put({choices: [], prompt_progress: {total: 200, processed: 50, cache: 0, time_ms: 1}})")
        self.wait(lambda: self.text(".status") == "Reading the prompt, 25 %")
        self.feed("feed.text('Here is **bo')")
        self.assertEqual(self.text(".live .prose"), "Here is **bo")
        self.feed("feed.text('ld** text')")
        self.assertEqual(self.text(".live .prose strong"), "bold")
        self.feed("feed.end()")
        self.wait(lambda: not self.is_busy())
        self.assertIn("4 of 9 prompt tokens cached", self.text(".answer .stats"))

    def test_thoughts_are_apart(self):
        self.open(is_faked=True)
        self.ask("a")
        self.feed("feed.thought('First, **this**.')")
        self.assertEqual(self.text(".thoughts summary"), "Thinking")
        self.assertEqual(self.text(".thoughts strong"), "this")
        self.feed("feed.text('Done.'); feed.end()")
        self.wait(lambda: not self.is_busy())
        self.assertEqual(self.one(".thoughts").get_attribute("open"), None)
        self.assertTrue(self.text(".thoughts summary").startswith("Thought for "))
        self.assertEqual(self.text(".answer > .prose"), "Done.")
        # They go back to the server apart, for the template to leave out.
        self.ask("b")
        self.wait(lambda: self.browser.js("return feeds.length") == 2)
        self.assertEqual(self.browser.js("return feeds[1].body.messages[1]"),
                         {"role": "assistant", "content": "Done.", "reasoning_content": "First, **this**."})

    def test_stop_ends_the_request(self):
        self.open()
        # An answer that would run for as long as the context has room.
        self.browser.js("""const real = window.fetch; window.fetch = (url, o) => real(url, String(url).startsWith('/v1/chat')
                           ? {...o, body: JSON.stringify({...JSON.parse(o.body), ignore_eos: true})} : o)""")
        self.ask("Count.")
        self.wait(lambda: len(self.text(".live")) > 60)
        self.press("#send")
        self.wait(lambda: not self.is_busy())
        running = lambda: self.server.request("GET", "/health")[2]["requests_running"]
        self.wait(lambda: running() == 0, "the request still runs")
        self.assertTrue(self.text(".answer .stats").startswith("Stopped"), self.text(".answer .stats"))
        self.assertGreater(len(self.text(".answer .prose")), 10)
        self.assertEqual(self.focused().get_attribute("id"), "send")

    def test_retry_and_edit(self):
        self.open(is_faked=True)
        self.answer("one", "first answer")
        self.answer("two", "second answer")
        self.press(".answer button[aria-label='Answer again']", last=True)
        self.feed("feed.text('another second answer'); feed.end()")
        self.wait(lambda: not self.is_busy())
        self.assertEqual([a.text for a in self.all(".answer > .prose")], ["first answer", "another second answer"])
        self.assertEqual([b.is_displayed() for b in self.all(".retry")], [False, True])
        self.press("button[aria-label='Edit the question']")
        self.assertEqual(self.focused().get_attribute("value"), "one")
        self.assertEqual(self.text(".editor .note"), "What came after it goes.")
        self.keys(Keys.ESCAPE)
        self.assertEqual([u.text for u in self.all(".said")], ["one", "two"])
        self.assertEqual(self.focused().get_attribute("aria-label"), "Edit the question")
        self.keys(Keys.ENTER)
        self.keys(" more", Keys.ENTER)
        self.feed("feed.text('a new one'); feed.end()")
        self.wait(lambda: not self.is_busy())
        self.assertEqual([u.text for u in self.all(".said")], ["one more"])
        self.assertEqual([a.text for a in self.all(".answer > .prose")], ["a new one"])
        self.assertEqual(self.browser.js("return feeds.at(-1).body.messages"), [{"role": "user", "content": "one more"}])
        self.assertEqual(self.text("#title"), "one more")

    def test_settings_reach_the_request(self):
        self.open(is_faked=True)
        self.press("#tabs input[value=settings]")
        self.assertEqual(self.one("#set-top_k").get_attribute("placeholder"), "40")
        self.one("#set-system").send_keys("Be brief.")
        self.one("#set-seed").clear()
        for name, value in (("temperature", "0.5"), ("max_tokens", "12"), ("seed", "3")):
            self.one(f"#set-{name}").send_keys(value)
        self.ask("a")
        self.wait(lambda: self.browser.js("return feeds.length") == 1)
        body = self.browser.js("return feeds[0].body")
        self.assertEqual(body["messages"][0], {"role": "system", "content": "Be brief."})
        self.assertEqual((body["temperature"], body["max_tokens"], body["seed"]), (0.5, 12, 3))
        self.assertNotIn("top_k", body)
        # They are kept, and a new conversation begins with them.
        self.feed("feed.end()")
        self.load()
        self.assertEqual(self.one("#set-system").get_attribute("value"), "Be brief.")
        self.press("#new")
        self.assertEqual(self.one("#set-seed").get_attribute("value"), "3")

    def test_errors_are_said(self):
        self.open(is_faked=True)
        self.ask("a")
        self.feed("feed.text('So far'); feed.put({error: {message: 'cuda: the device is lost'}})")
        self.wait(lambda: not self.is_busy())
        self.assertEqual((self.text(".answer .prose"), self.text(".answer .error")), ("So far", "cuda: the device is lost"))
        self.open()
        self.press("#tabs input[value=settings]")
        self.one("#set-temperature").send_keys("-1")
        self.ask("a")
        self.wait(lambda: not self.is_busy() and self.all(".answer .error"))
        self.assertIn("temperature: -1, want a number", self.text(".answer .error"))


class Keeping(Page):
    def test_a_reload_keeps_conversations(self):
        self.open(is_faked=True)
        self.answer("What is it?", "It is `code`.")
        self.press("#new")
        self.answer("And this?", "That.")
        self.load()
        self.assertEqual([e.text for e in self.all(".entry")], ["And this?", "What is it?"])
        self.press("#list li:last-child .entry")
        self.assertEqual((self.text(".said"), self.text(".answer .prose code")), ("What is it?", "code"))
        self.browser.driver.refresh()
        self.browser.settle()
        self.assertEqual((self.text("#title"), self.text(".said")), ("What is it?", "What is it?"))

    def test_rename_and_delete(self):
        self.open(is_faked=True)
        self.answer("What is it?", "That.")
        self.press("button[aria-label='Rename What is it?']")
        self.assertEqual(self.focused().get_attribute("name"), "text")
        self.keys("A <b>title</b>", Keys.ENTER)
        self.wait(lambda: self.text("#title") == "A <b>title</b>")
        self.assertEqual(self.text(".entry"), "A <b>title</b>")
        self.press("#list button[aria-label^=Delete]")
        self.keys(Keys.ESCAPE)
        self.assertEqual(len(self.all(".entry")), 1)
        self.press("#list button[aria-label^=Delete]")
        self.press("#dialog .main")
        self.wait(lambda: not self.all(".entry"))
        self.assertTrue(self.one("#welcome").is_displayed())
        self.assertEqual(self.browser.js("return Object.keys(localStorage).filter((k) => k.startsWith('tercet.chat.'))"), [])

    def test_one_that_is_left_in_the_midst_is_kept_as_far_as_it_came(self):
        self.open(is_faked=True)
        self.ask("one")
        self.feed("feed.text('half an ans')")
        self.press("#new")
        self.wait(lambda: self.browser.js("return feeds[0].is_aborted"))
        self.answer("two", "whole")
        self.press("#list li:last-child .entry")
        self.assertEqual(self.text(".answer .prose"), "half an ans")
        self.assertTrue(self.text(".answer .stats").startswith("Stopped"))

    def test_a_reload_in_the_midst_keeps_what_came(self):
        self.open(is_faked=True)
        self.ask("one")
        self.feed("feed.text('half an ans')")
        self.browser.driver.refresh()
        self.browser.settle()
        self.assertEqual((self.text(".said"), self.text(".answer .prose")), ("one", "half an ans"))

    def test_a_browser_without_room_or_with_other_things_in_it(self):
        self.open(is_faked=True)
        self.browser.js("window.kept = Storage.prototype.setItem; Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); }")
        self.answer("a", "an answer")
        self.assertEqual(self.text(".answer .prose"), "an answer")
        self.browser.js("Storage.prototype.setItem = kept; localStorage.setItem('tercet.index', '{\"a\": 1'); localStorage.setItem('tercet.settings', '7')")
        self.load()
        self.assertEqual(self.all(".entry"), [])
        self.browser.js("""localStorage.setItem('tercet.chat.odd', JSON.stringify({messages: [null, 3, {role: 'user'}, {role: 'user', content: 'well'}, {role: 'x', content: ''}], settings: null}));
                           location.hash = 'odd';""")
        self.wait(lambda: self.all(".said"))
        self.assertEqual([u.text for u in self.all(".said")], ["well"])
        self.assert_calm()


class Using(Page):
    def test_by_keys_alone(self):
        self.open(is_faked=True)
        self.assertEqual(self.focused().get_attribute("id"), "ask")
        self.keys("one", Keys.SHIFT + Keys.ENTER, "two", Keys.ENTER)
        self.feed("feed.text('```python\\nprint(1)\\n```'); feed.end()")
        self.wait(lambda: not self.is_busy())
        self.assertEqual(self.text(".said"), "one\ntwo")
        # Back from the question: what belongs to the answer, in the order in which it stands.
        seen = []
        for _ in range(6):
            self.keys(Keys.SHIFT + Keys.TAB)
            seen.append(self.focused().get_attribute("aria-label"))
        self.assertEqual(seen, ["Answer again", "Copy the answer", "Code: python", "Copy the code", "Edit the question", "Copy the question"])
        outline = self.browser.js("const s = getComputedStyle(document.activeElement); return s.outlineStyle + ' ' + s.outlineWidth")
        self.assertEqual(outline, "solid 2px")
        self.one("#ask").send_keys("again", Keys.ENTER)
        self.feed("feed.text('...')")
        self.keys(Keys.ESCAPE)
        self.wait(lambda: not self.is_busy())
        self.assertEqual(self.focused().get_attribute("id"), "ask")

    def test_a_reader_hears_little(self):
        self.open(is_faked=True)
        self.browser.js("window.said = []; new MutationObserver(() => said.push(document.querySelector('#say').textContent)).observe(document.querySelector('#say'), {childList: true})")
        self.ask("a")
        self.feed("for (let i = 0; i < 300; ++i) feed.text('word ')")
        self.feed("feed.end()")
        self.wait(lambda: not self.is_busy())
        self.assertEqual(self.browser.js("return said"), ["The model is answering", "Answered, 301 words"])
        self.assertEqual(self.one("#log").get_attribute("aria-live"), "off")
        self.assertEqual(self.browser.js(browsers.NAMELESS), [])

    def test_drawers_on_a_phone(self):
        self.open(is_faked=True, width=390, height=844)
        self.assertFalse(self.one("#side").is_displayed())
        self.press("#open-side")
        self.assertEqual(self.focused().get_attribute("aria-label"), "Close the conversations")
        self.assertTrue(self.browser.js("return document.querySelector('#middle').inert"))
        self.keys(Keys.ESCAPE)
        self.assertFalse(self.one("#side").is_displayed())
        self.assertEqual(self.focused().get_attribute("id"), "open-side")

    def test_nothing_is_wider_than_the_window(self):
        for width in WIDTHS:
            with self.subTest(width=width):
                self.open(is_faked=True, width=width, height=844)
                self.assertEqual(self.browser.js(OVERFLOW), 0)
                self.answer("word" * 80, LONG_ANSWER)
                self.assertEqual(self.browser.js(OVERFLOW), 0)
                self.assertEqual(self.browser.js("const m = document.querySelector('#main'); return m.scrollWidth - m.clientWidth"), 0)
                for drawer in ("side", "panel"):
                    if not self.one("#" + drawer).is_displayed():
                        self.press("#open-" + drawer)
                    self.assertEqual(self.browser.js(OVERFLOW), 0)
                    self.assertEqual(self.browser.js(f"const d = document.querySelector('#{drawer}'); return d.scrollWidth - d.clientWidth"), 0)
                    if width < 800:
                        self.keys(Keys.ESCAPE)

    def test_light_and_dark(self):
        ground = "return getComputedStyle(document.body).backgroundColor"
        seen = {}
        for scheme in ("light", "dark"):
            self.open(is_faked=True, scheme=scheme)
            self.answer("a", "# One\\n\\nText, [a link](https://x.example), `code`.\\n\\n> said\\n\\n```python\\n# c\\ndef f(x: int): return 'a' + str(1)\\n```\\n\\n| a |\\n|-|\\n| b |")
            seen[scheme] = self.browser.js(ground)
            self.assertEqual(self.browser.js(browsers.FAINT), [])
            self.press("#tabs input[value=settings]")
            self.assertEqual(self.browser.js(browsers.FAINT), [])
        self.assertNotEqual(seen["light"], seen["dark"])
        # A choice stands above what the system prefers, also after a reload.
        self.press("#theme input[value=light]")
        self.assertEqual(self.browser.js(ground), seen["light"])
        self.load()
        self.assertEqual(self.browser.js(ground), seen["light"])
        self.press("#theme input[value=auto]")
        self.assertEqual(self.browser.js(ground), seen["dark"])


class Figures(Page):
    def test_they_are_the_servers(self):
        self.open()
        props = self.server.request("GET", "/props")[2]
        self.assertIn(props["device"], self.text("#figures .about"))
        self.assertIn(props["backend"], self.text("#figures .about"))
        # What the prefix cache has is another thing than what is in use.
        pages = self.wait(lambda: re.fullmatch(r"0 of ([\d,]+)", self.text("#figure-kv")))[1]
        metrics = self.server.request("GET", "/metrics")[2]
        self.assertEqual(int(pages.replace(",", "")), int(float(re.search(r"tercet_kv_pages\{.*\} (.*)", metrics)[1])))
        for _ in range(2):
            self.ask("Write a function that adds two numbers. " * 10)  # more than a page of tokens
            self.wait(lambda: not self.is_busy())
        self.wait(lambda: self.text("#figure-cache") not in ("–", "0 %"))
        self.assertRegex(self.text("#figure-first"), r"^[\d.]+ m?s$")
        self.assertRegex(self.text("#figure-between"), r"^[\d.]+ m?s$")
        self.wait(lambda: (self.text("#figure-running"), self.text("#figure-waiting")) == ("0", "0"), "nothing runs any more")
        self.assertTrue(any(rate > 0 for rate in self.browser.js("return tercet.app.figures.rates")))
        self.assertFalse(self.one(".receipt").is_displayed())
        self.assertEqual(self.server.request("GET", "/receipt")[0], 404)
        self.assert_calm()

    def test_the_receipt_is_verified(self):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(receipts.receipt(n_layer=2, n_expert=4, n_vocab=50, n_position=8, beyond=("wgpu", "high", "Kcur-1")), file)
            file.flush()
            verified = subprocess.run([PROGRAM, "contract", "verify", "--json", file.name], capture_output=True, text=True)
            server = Server("--quiet", "--receipt", file.name)
        self.addCleanup(server.stop)
        status, _, served = server.request("GET", "/receipt")
        self.assertEqual((status, served["verification"]), (200, json.loads(verified.stdout)))
        self.assertEqual(served["verification"]["verdict"], "FALSIFIED")
        self.browser.show()
        self.browser.go(server.url + "/")
        self.wait(lambda: self.one(".receipt").is_displayed())
        self.assertEqual(self.text(".verdict"), "FALSIFIED")
        self.assertIn("PER-LAYER-001 on wgpu", self.text(".receipt"))
        self.assertIn("another model", self.text(".receipt"))

    def test_a_file_that_is_no_receipt_is_refused(self):
        run = subprocess.run([PROGRAM, "serve", "--demo", "--port", "0", "--receipt", __file__], capture_output=True, text=True)
        self.assertEqual((run.returncode, "receipt" in run.stderr), (2, True))


class Guarded(Page):
    options = ("--quiet", "--api-key", "the-key")

    def test_the_page_is_open_and_the_rest_is_not(self):
        for path, status in (("/", 200), ("/page.css", 200), ("/page.js", 200), ("/favicon.svg", 200), ("/v1/models", 401), ("/props", 401),
                             ("/metrics", 401), ("/receipt", 401)):
            self.assertEqual(self.server.request("GET", path)[0], status, path)
            self.assertEqual(self.server.request("GET", path, headers={"Host": "evil.example"})[0], 403, path)
            self.assertEqual(self.server.request("GET", path, headers={"Origin": "http://evil.example"})[0], 403, path)
        _, headers, text = self.server.request("GET", "/")
        policy = headers["content-security-policy"]
        for part in ("default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"):
            self.assertIn(part, policy)
        self.assertNotIn("unsafe", policy)
        self.assertEqual((headers["x-content-type-options"], headers["referrer-policy"]), ("nosniff", "no-referrer"))
        self.assertIsNone(re.search(r"<script>|<style|\son\w+=|\sstyle=", text))

    def test_it_asks_for_the_key(self):
        self.open()
        self.wait(lambda: self.one("#dialog").is_displayed())
        self.assertEqual(self.text("#dialog h2"), "This server wants a key")
        self.assertEqual(self.focused().get_attribute("type"), "password")
        self.keys("another", Keys.ENTER)
        self.wait(lambda: "does not know that one" in self.text("#dialog .about"))
        self.keys("the-key", Keys.ENTER)
        self.wait(lambda: "Demo MoE" in self.text("#welcome .model"))
        self.ask("a")
        self.wait(lambda: self.all(".answer:not(.live)"))
        self.assertEqual(self.all(".answer .error"), [])
        self.load()
        self.wait(lambda: "Demo MoE" in self.text("#pulse"))
        self.assertFalse(self.one("#dialog").is_displayed())
        self.assertNotIn("the-key", self.browser.js("return JSON.stringify({...localStorage})"))
        self.assert_calm(allowed=["401"])

    def test_who_has_none_may_say_so(self):
        self.open()
        self.wait(lambda: self.one("#dialog").is_displayed())
        self.keys(Keys.ESCAPE)
        self.wait(lambda: "wants an API key" in self.text("#welcome .model"))
        self.press("#welcome .model button")
        self.assertTrue(self.one("#dialog").is_displayed())


if __name__ == "__main__":
    unittest.main()
