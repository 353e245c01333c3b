#!/usr/bin/env python3
"""Writes gb18030_table.inc beside itself, from Python's own gb18030 codec.

That codec is GB 18030-2000; the edition of 2005 exchanged one pair, which is done here: 0xA8BC is U+1E3F and
0x8135F437 is U+E7C7.

Run it again only to check that the committed file is what it makes:
    python3 gb18030_table.py --check
The two-byte half is a string literal, one line a lead byte (0x81..0xFE), 190 characters a line (trails 0x40..0x7E,
0x80..0xFE): half the size of a list of numbers, and readable. The four-byte half is the list of runs in which the
linear position of a code (0x81308130 = 0) and the code point rise together.
"""
import pathlib
import sys

EXCHANGED = {"\u1e3f": "\ue7c7", "\ue7c7": "\u1e3f"}
TRAILS = [t for t in range(0x40, 0xFF) if t != 0x7F]


def character(code):
    text = code.decode("gb18030")
    return EXCHANGED.get(text, text)


def two_byte_lines():
    for lead in range(0x81, 0xFF):
        yield "".join(character(bytes([lead, trail])) for trail in TRAILS)


def four_byte_runs():
    runs = []
    previous = None
    for position in range(39420):
        rest, d = divmod(position, 10)
        rest, c = divmod(rest, 126)
        a, b = divmod(rest, 10)
        code = bytes([0x81 + a, 0x30 + b, 0x81 + c, 0x30 + d])
        try:
            point = ord(character(code))
        except UnicodeDecodeError:
            previous = None
            continue
        if previous is None or point != previous + 1:
            runs.append([position, point, 1])
        else:
            runs[-1][2] += 1
        previous = point
    return runs


def made():
    lines = ["// Made by gb18030_table.py from Python's gb18030 codec; do not edit.", "",
             "constexpr char16_t kTwoByte[] ="]
    rows = list(two_byte_lines())
    assert sum(map(len, rows)) == 23940 and all(len(c.encode("utf-16-le")) == 2 for row in rows for c in row)
    lines += [f'    u"{row}"' for row in rows]
    lines[-1] += ";"
    lines += ["", "constexpr FourByteRun kFourByteRuns[] = {"]
    runs = four_byte_runs()
    for i in range(0, len(runs), 6):
        lines.append("    " + " ".join(f"{{{p}, 0x{c:04X}, {n}}}," for p, c, n in runs[i:i + 6]))
    lines += ["};", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    path = pathlib.Path(__file__).with_name("gb18030_table.inc")
    if sys.argv[1:] == ["--check"]:
        sys.exit(0 if path.read_text(encoding="utf-8") == made() else f"{path} differs from what this script makes")
    path.write_text(made(), encoding="utf-8")
