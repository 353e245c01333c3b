"""A real browser for the stories: Debian's Chromium, driven by its driver over the WebDriver protocol (W3C WebDriver).
Standard library only."""

import base64
import http.client
import json
import shutil
import subprocess
import tempfile
import time
import unittest


class Browser:
    # `scale`: 1.25 is a desktop at 125 %. `script`: False refuses every page's scripts, as locked-down hosts do; what a test
    # itself runs in the page goes past that.
    def __init__(self, width=1280, height=900, scale=1, script=True):
        program, driver = shutil.which("chromium"), shutil.which("chromedriver")
        if not program or not driver:
            raise unittest.SkipTest("chromium and chromium-driver are not installed (deploy/install-packages.sh test)")
        self.profile = tempfile.mkdtemp(prefix="hutong-browser-")
        self.driver = subprocess.Popen([driver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.port = None
        for line in self.driver.stdout:
            if "started successfully on port" in line:
                self.port = int(line.rsplit(" ", 1)[1].strip(". \n"))
                break
        arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
                     "--disable-component-update", "--disable-sync", f"--user-data-dir={self.profile}", f"--window-size={width},{height}", f"--force-device-scale-factor={scale}"]
        preferences = {} if script else {"profile.managed_default_content_settings.javascript": 2}
        self.session = None
        self.session = self.call("POST", "/session", {"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"args": arguments, "binary": program, "prefs": preferences}, "goog:loggingPrefs": {"browser": "ALL"}}}})["sessionId"]

    def call(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            prefix = f"/session/{self.session}" if self.session else ""
            connection.request(method, prefix + path, json.dumps(body) if body is not None else None, {"Content-Type": "application/json"})
            answer = json.loads(connection.getresponse().read())["value"]
        finally:
            connection.close()
        if isinstance(answer, dict) and "error" in answer:
            raise AssertionError(f"browser: {answer['error']}: {answer['message'][:300]}")
        return answer

    def open(self, url):
        self.call("POST", "/url", {"url": url})

    def run(self, script):
        return self.call("POST", "/execute/sync", {"script": script, "args": []})

    def text(self):
        return self.run("return document.body.innerText")

    # A click as a person makes it: the element must be there, in sight, and not under another.
    def click(self, css):
        element = self.call("POST", "/element", {"using": "css selector", "value": css})
        self.call("POST", f"/element/{next(iter(element.values()))}/click", {})

    # Keys as a person presses them; "\n" is Enter.
    def type(self, css, text):
        element = self.call("POST", "/element", {"using": "css selector", "value": css})
        self.call("POST", f"/element/{next(iter(element.values()))}/value", {"text": text.replace("\n", "\ue007")})

    # Until `script` returns something true; its value.
    def until(self, script, deadline=20.0):
        began = time.monotonic()
        while True:
            value = self.run(script)
            if value:
                return value
            if time.monotonic() - began > deadline:
                raise AssertionError(f"not within {deadline:.0f} s: {script}\n{self.text()[:1500]}")
            time.sleep(0.1)

    def screenshot(self, path):
        with open(path, "wb") as out:
            out.write(base64.b64decode(self.call("GET", "/screenshot")))

    def close(self):
        try:
            self.call("DELETE", "")
        except (OSError, AssertionError, ValueError):
            pass
        self.driver.kill()
        self.driver.wait()
        self.driver.stdout.close()
        shutil.rmtree(self.profile, ignore_errors=True)
