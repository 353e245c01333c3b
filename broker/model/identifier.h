// Numbers that people carry: their forms, checksums and kinds. Pure functions; threads: any.
#pragma once

#include <optional>

#include "broker/base/arena.h"
#include "broker/model/event.h"

namespace hutong::model {

// Without blanks (U+3000 too), full-width digits and letters as ASCII. The same view when nothing is to do.
Text fold_number(Text number, Arena& arena);

struct CardFacts {
  int year, month, day;
  Sex sex;  // by the 17th digit
};

// GB 11643: 17 digits and a digit, X or x. Says nothing of the checksum.
bool has_card_form(Text number);
// The check character of a card's first 17 digits (ISO 7064 MOD 11-2).
char card_check(Text seventeen);
// What a card says; nothing when its form, its date or its checksum is wrong. Foreign residents' cards (from 2023)
// begin with 9 and obey the same rule.
std::optional<CardFacts> read_resident_card(Text number);
// A card of the first generation (15 digits, born 19YY) as today's 18; "" when it is none.
Text modern_card(Text fifteen, Arena& arena);

// GB 32100: an organization's 统一社会信用代码 (USCC). 18 digits and capitals without I, O, S, V and Z: authority,
// kind, six digits of GB/T 2260, nine of GB 11714 and a check character.
bool has_uscc_form(Text code);  // says nothing of the check character
bool is_uscc(Text code);

// A number of this kind as it is kept, keyed and compared: folded; a card with 18 characters and a capital X; a health
// card's hex digits, a passport and a permit in capitals; of the text of a health card's QR code the card alone (its
// first field). The health card is opaque: it is encrypted identity, and nobody here holds the key.
Text normal_number(IdentifierKind kind, Text number, Arena& arena);

// A slip of the sender, and no period.
bool expires_before_effective(const Identifier& identifier);

// What kind of number a sender means, by its type (HL7 table 0203, CV02.01.101 of WS/T 364), its authority (an OID of
// domain.md §4.6 or a namespace) and, where it names no type, by the number's own form.
IdentifierKind classify(Text type, Text authority, Text value);

// Completes `identifier` from type, authority and value: normal_number, kind, valid and system. A 医保电子凭证 (a token
// for one use, good for minutes) loses its value: it is resolved where it is shown, and never stored. `facility` is
// whose number it is when it is a facility's. Placeholders are not its matter.
void complete(Identifier& identifier, Text facility, Arena& arena);

}  // namespace hutong::model
