"""The live page in a real browser: signed in once by its address, figures moving with the traffic, both languages, nothing
refused by its own content security policy."""

import os
import threading
import unittest

from browser import Browser
from hutong import Story, run
from messages import oru


class LivePage(Story):
    def test_an_operator_watches_traffic(self):
        broker = self.broker()
        address = next(word for word in broker.last_words(100).split() if "#signin=" in word)
        stop = threading.Event()

        def traffic():
            with broker.mllp() as feed:
                number = 0
                while not stop.is_set():
                    feed.exchange(oru(f"L{number}", f"P{number % 50}", f"R{number}"))
                    number += 1
                    stop.wait(0.01)

        sender = threading.Thread(target=traffic)
        sender.start()
        try:
            browser = Browser()
            self.addCleanup(browser.close)
            browser.open(address)
            browser.until("return document.body.innerText.includes('TESTHOSP') || document.body.innerText.includes('测试医院') "
                          "|| document.body.innerText.includes('Test hospital')")
            self.assertNotIn("signin", browser.run("return location.href"), "the secret left the address bar")
            browser.run("[...document.querySelectorAll('button')].find(b => b.textContent.includes('English')).click()")
            browser.until("return document.body.innerText.includes('Messages in')")
            self.assertIn("Test hospital", browser.text())
            browser.run("[...document.querySelectorAll('button')].find(b => b.textContent.includes('中文')).click()")
            browser.until("return document.body.innerText.includes('测试医院')")
            browser.until("return /[1-9]/.test(document.body.innerText)")
            if os.environ.get("HUTONG_SCREENSHOT"):
                browser.screenshot(os.environ["HUTONG_SCREENSHOT"])
            log = [entry["message"] for entry in browser.call("POST", "/se/log", {"type": "browser"})]
            self.assertFalse([m for m in log if "Content Security Policy" in m or "Uncaught" in m], log)
        finally:
            stop.set()
            sender.join()
        browser.open(address)
        browser.until("return !document.body.innerText.includes('测试医院') || document.cookie === ''")
        self.assertEqual(broker.http("GET", "/api/v1/live").status, 401)


if __name__ == "__main__":
    run()
