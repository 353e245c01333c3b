#!/usr/bin/env python3
"""Writes han_table.inc beside itself, from the Unicode character database (Debian: unicode-data 15.0).

    python3 han_table.py [--check] [/usr/share/unicode]

Run it again only to check that the committed file is what it makes, or for a newer Unicode.

readings  kMandarin, the customary reading, without its tone; one line a syllable with all its characters.
variants  pairs: a character and the one it is compared as. kSimplifiedVariant, kZVariant and kSemanticVariant, the
          latter two only between characters of one reading; of a group the one in GB 2312 stands for all.
letters   pairs: a Latin letter with marks and its plain letter, from the canonical decompositions.
"""
import bz2
import pathlib
import sys
import unicodedata

arguments = [a for a in sys.argv[1:] if a != "--check"]
folder = pathlib.Path(arguments[0] if arguments else "/usr/share/unicode")


def lines(name):
    with bz2.open(folder / name, "rt", encoding="utf-8") as file:
        for line in file:
            if line.startswith("U+"):
                point, field, value = line.rstrip("\n").split("\t")
                yield int(point[2:], 16), field, value


def toneless(reading):
    plain = unicodedata.normalize("NFD", reading.split()[0]).replace("u\u0308", "v")
    return "".join(c for c in plain if c.isascii() and c.isalpha())


readings, simplified, related, standard = {}, {}, {}, set()
for point, field, value in lines("Unihan_Readings.txt.bz2"):
    if field == "kMandarin":
        readings[point] = toneless(value)
for point, field, value in lines("Unihan_IRGSources.txt.bz2"):
    if field == "kIRG_GSource" and value.startswith("G0-"):
        standard.add(point)
for point, field, value in lines("Unihan_Variants.txt.bz2"):
    targets = [int(v.split("<")[0][2:], 16) for v in value.split()]
    if field == "kSimplifiedVariant":
        others = [t for t in targets if t != point]
        if others and point not in targets:
            simplified[point] = others[0]
    elif field in ("kSemanticVariant", "kZVariant"):
        for target in targets:
            if readings.get(point) and readings.get(point) == readings.get(target):
                related.setdefault(point, set()).add(target)
                related.setdefault(target, set()).add(point)


def representative(point):
    """Simplified first, then the standard character of those that are written for it."""
    point = simplified.get(point, point)
    if point in standard:
        return point
    near = [simplified.get(t, t) for t in sorted(related.get(point, ()))]
    near = [t for t in near if t in standard]
    return min(near) if near else point


variants = sorted((p, representative(p)) for p in set(simplified) | set(related) if representative(p) != p)
by_syllable = {}
for point, syllable in sorted(readings.items()):
    by_syllable.setdefault(syllable, []).append(chr(point))


def letters():
    for point in list(range(0xC0, 0x250)) + list(range(0x1E00, 0x1F00)):
        base = unicodedata.normalize("NFD", chr(point))
        if len(base) > 1 and base[0].isascii() and base[0].isalpha():
            yield chr(point), base[0].lower()


def pairs(items, width=60):
    text = [a + b for a, b in items]
    for i in range(0, len(text), width):
        yield f'    "{"".join(text[i:i + width])}"'


out = ["// Made by han_table.py from the Unicode character database 15.0; do not edit.", "",
       "constexpr Reading kReadings[] = {"]
for syllable, characters in sorted(by_syllable.items()):
    rows = ["".join(characters[i:i + 60]) for i in range(0, len(characters), 60)]
    out.append(f'    {{"{syllable}",')
    out += [f'     "{row}"' for row in rows]
    out[-1] += "},"
out += ["};", "", "constexpr std::string_view kVariants ="]
out += list(pairs((chr(a), chr(b)) for a, b in variants))
out[-1] += ";"
out += ["", "constexpr std::string_view kLetters ="]
out += list(pairs(letters()))
out[-1] += ";"
made = "\n".join(out) + "\n"
target = pathlib.Path(__file__).with_name("han_table.inc")
if "--check" in sys.argv:
    sys.exit(0 if target.read_text(encoding="utf-8") == made else "han_table.inc is not what the database gives")
target.write_text(made, encoding="utf-8")
