// How names are written and how they sound: characters brought to the form they are compared in, Chinese characters to
// the syllables they are read as. Data: han_table.inc, made from the Unicode character database by han_table.py.
// Pure; threads: any.
#pragma once

#include <string>
#include <string_view>

namespace hutong::identity {

// UTF-8 to code points; a broken byte becomes U+FFFD.
std::u32string decode(std::string_view text);
std::string encode(std::u32string_view text);

bool is_han(char32_t c);
// The customary reading without its tone, "zhang"; "" for what has none.
std::string_view reading(char32_t c);
// A family name is read in a way of its own: 曾 zeng, 单 shan, 仇 qiu.
std::string_view family_reading(char32_t c);

// A name or address as it is compared: full-width forms as ASCII, Latin letters plain and in lower case, Cyrillic
// letters in Latin ones (after GOST 7.79 B, without its marks), variants and traditional characters as the simplified
// one; middle dots, hyphens and blanks as one space between words, apostrophes and other punctuation gone.
std::u32string fold(std::string_view text);

// Two syllables that a speaker of a southern or north-eastern dialect, or a typist, may take for one another:
// zh/z, ch/c, sh/s, n/l at the beginning, -ng/-n at the end.
bool sound_near(std::string_view a, std::string_view b);

// Jaro's similarity with Winkler's bonus for a common beginning (0.1 for each of at most four characters), 0 to 1.
double jaro_winkler(std::u32string_view a, std::u32string_view b);
// One character put in, left out, exchanged, or two neighbours swapped.
bool one_slip(std::string_view a, std::string_view b);
// Shared pairs of neighbouring characters (Dice), 0 to 1.
double shared_pairs(std::u32string_view a, std::u32string_view b);

}  // namespace hutong::identity
