"""The decision page in a real browser with script off, as it stands in a hospital system's window of 800 × 600, at 100 % and at
125 %: one click recognises, two decline, nothing is hidden or needs sideways scrolling. HUTONG_SCREENSHOT=DIR keeps pictures."""

import os
import pathlib
import unittest

from browser import Browser
from hutong import SOURCE, Story, run
from messages import ITEMS as CHEMISTRY
from recognition import Region, assess

ORDERED = ["GLU", "K", "NA", "TC", "LIVER", "HBA1C", "ALT", "TSH"]


class DecisionPage(Story):
    def setUp(self):
        self.live = self.broker(start=False)
        assess(self.live, SOURCE, ("14749-6", "2823-3", "2951-2", "14647-2", "1742-6", "1920-8", "14631-6", "2885-2", "1751-7"))
        self.live.start()
        self.region = Region(self.live)
        self.region.result(items=CHEMISTRY)
        self.region.arrival()
        self.live.settle()

    def keep(self, browser, name):
        if os.environ.get("HUTONG_SCREENSHOT"):
            browser.screenshot(pathlib.Path(os.environ["HUTONG_SCREENSHOT"]) / f"{name}.png")

    # Until the next page is there: each has a state of its own, the last one none.
    def press(self, browser, value):
        state = "(document.querySelector('input[name=state]') || {}).value"
        before = browser.run(f"return {state} || ''")
        browser.click(f'button[value="{value}"]')
        browser.until(f"return document.readyState === 'complete' && ({state} || '') !== '{before}'")

    def decide(self, scale):
        browser = Browser(800, 600, scale, script=False)
        self.addCleanup(browser.close)
        # The client area that is left of 800 × 600 in a host's window.
        browser.call("POST", "/goog/cdp/execute", {"cmd": "Emulation.setDeviceMetricsOverride", "params": {
            "width": round(784 / scale), "height": round(540 / scale), "deviceScaleFactor": scale, "mobile": False}})
        browser.open("data:text/html,<title>off</title><script>document.title='on'</script>")
        self.assertEqual(browser.run("return document.title"), "off", "scripts of pages run")
        told = self.region.until(lambda: (lambda t: t if t.get("link") else None)(self.region.check(ORDERED)))
        browser.open(told["link"])
        self.keep(browser, f"shell-{scale}")
        browser.click("button.main")
        browser.until("return document.readyState === 'complete' && document.querySelector('#foot')")
        text = browser.text()
        for word in ("互认提醒", "王*明", "葡萄糖", "5.8", "全国HR", "可互认", "由医师判断", "医嘱不受影响", "肝功能"):
            self.assertIn(word, text)
        self.assertEqual(browser.run("return document.documentElement.scrollWidth <= window.innerWidth"), True, "sideways")
        # Each button lies whole inside the window or the scrolling table, high enough to hit.
        small = browser.run("return [...document.querySelectorAll('button:not(.link)')].filter(b => b.getBoundingClientRect().height < 32).map(b => b.value)")
        self.assertEqual(small, [])
        sight = browser.run("const b = document.querySelector('button[value=\"r:0\"]').getBoundingClientRect();"
                            "return b.top >= 0 && b.bottom <= window.innerHeight && b.right <= window.innerWidth")
        self.assertTrue(sight, "the first decision is in sight")
        foot = browser.run("const b = document.querySelector('button[value=\"done\"]').getBoundingClientRect(); return b.bottom <= window.innerHeight")
        self.assertTrue(foot)
        inside = browser.run("const box = document.querySelector('#rows').getBoundingClientRect(); return [...document.querySelectorAll('#rows tr')]"
                             ".filter(r => r.getBoundingClientRect().bottom <= box.bottom).length - 1")
        self.keep(browser, f"table-{scale}")
        self.assertGreaterEqual(inside, 4 if scale == 1 else 2, "rows in sight without scrolling")
        self.press(browser, "r:0")
        self.assertIn("已互认", browser.text())
        self.press(browser, "n:1")
        self.keep(browser, f"reasons-{scale}")
        # Enter in the line of text must not press a button that decides.
        state = browser.run("return document.querySelector('input[name=state]').value")
        browser.type('input[name="text"]', "与临床不符\n")
        browser.until(f"return document.readyState === 'complete' && document.querySelector('input[name=state]').value !== '{state}'")
        self.assertEqual(browser.run("return document.querySelector('input[name=text]').value"), "与临床不符", "what was typed stays")
        self.assertEqual(browser.text().count("已互认"), 1, "nothing was decided by Enter")
        self.press(browser, "x:1:02")
        self.assertIn("不互认 02", browser.text())
        self.press(browser, "all")
        self.keep(browser, f"decided-{scale}")
        self.press(browser, "report:0:0")
        self.assertIn("肌酐", browser.text())
        self.keep(browser, f"report-{scale}")
        self.press(browser, "back")
        self.press(browser, "lang")
        self.assertIn("You decide", browser.text())
        self.keep(browser, f"english-{scale}")
        self.press(browser, "done")
        self.press(browser, "done!")
        title = browser.run("return document.title")
        self.assertRegex(title, r"^HUTONG-DONE recognised=\d+ refused=1 undecided=\d+$")
        self.assertTrue(browser.run("return location.href").endswith("/d/done"), "where a host system waits for the end")
        self.keep(browser, f"done-{scale}")
        self.assertEqual(browser.run("return document.cookie"), "")
        log = [entry["message"] for entry in browser.call("POST", "/se/log", {"type": "browser"})]
        self.assertFalse([message for message in log if "Content Security Policy" in message], log)

    def test_at_100_percent(self):
        self.decide(1)

    def test_at_125_percent(self):
        self.decide(1.25)


if __name__ == "__main__":
    run()
