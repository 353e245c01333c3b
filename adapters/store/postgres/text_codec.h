// Any bytes as a text that PostgreSQL takes, and back. Its texts are UTF-8 without NUL, ours come from the world; a row
// that it refused would stop the projector for ever. Ordinary text stays as it is, so an operator reads what it says:
//   00 and 01 become 01 01 and 01 02; a byte that is no part of a UTF-8 character becomes the character U+10FF00 +
//   byte.
// Order by bytes (collation "C") is kept among texts that are UTF-8; what is not stands behind all of them.
// Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>

namespace hutong::store {

// Appends `text` as PostgreSQL may hold it.
void append_storable(std::string& out, std::string_view text);
std::string original_text(std::string_view stored);

}  // namespace hutong::store
