"""The closing line of tests/run.sh tells the truth: what failed, was skipped or never ran is counted and named."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))

CTEST = """<?xml version="1.0"?><testsuite>
<testcase name="unit.A" status="run"/>
<testcase name="unit.B" status="notrun"><skipped message="SKIP_REGULAR_EXPRESSION_MATCHED"/>
<system-out>x.cpp:2: Skipped
needs a second disk
[  SKIPPED ] B</system-out></testcase>
<testcase name="e2e.c" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/><system-out>first
no browser here
</system-out></testcase>
<testcase name="e2e.d" status="fail"><failure message="Timeout"/></testcase>
<testcase name="e2e.e" status="notrun"><skipped message="Unable to find executable"/></testcase>
</testsuite>"""


class Results(unittest.TestCase):
    def results(self, *options, notes="", files=None):
        with tempfile.TemporaryDirectory() as folder:
            for name, text in (files or {}).items():
                (pathlib.Path(folder) / name).write_text(text)
            if notes:
                (pathlib.Path(folder) / "notes.txt").write_text(notes)
            done = subprocess.run([sys.executable, "-B", str(ROOT / "tests/support/results.py"), *options, folder],
                                  capture_output=True, text=True, check=False)
            return done.returncode, done.stdout.splitlines()

    def test_every_outcome_is_counted_and_named(self):
        code, lines = self.results(files={"release.xml": CTEST}, notes="passed fuzz.x \nfailed fuzz.y exit 77\n")
        self.assertEqual(lines[-1], "2 passed, 3 failed, 2 skipped")
        self.assertIn("skipped  unit.B: needs a second disk", lines)
        self.assertIn("skipped  e2e.c: no browser here", lines)
        self.assertIn("FAILED  e2e.e: Unable to find executable", lines)
        self.assertEqual(code, 1)

    def test_all_turns_each_skip_into_a_failure(self):
        code, lines = self.results("--all", files={"release.xml": CTEST})
        self.assertEqual(lines[-1], "1 passed, 4 failed, 0 skipped")
        self.assertEqual(code, 1)

    def test_a_clean_run_passes_and_an_empty_or_broken_one_does_not(self):
        passed = '<testsuite><testcase name="unit.A" status="run"/></testsuite>'
        self.assertEqual(self.results("--all", files={"release.xml": passed, "asan.xml": passed}), (0, ["2 passed, 0 failed, 0 skipped"]))
        self.assertEqual(self.results()[0], 1)
        code, lines = self.results(files={"release.xml": "<testsuite><testcase"})
        self.assertEqual((code, lines[-1]), (1, "0 passed, 1 failed, 0 skipped"))


if __name__ == "__main__":
    from hutong import run
    run()
