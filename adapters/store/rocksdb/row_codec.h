// How a row of a Table lies in a key-value store, so that keys sort bytewise as the port promises.
// Key: integers 8 bytes big-endian with the sign flipped; texts and bytes with 00 written as 00 FF and ended by 00 00
// (self-delimiting, so an encoded leading part of a key is a byte prefix of every key that begins with it).
// Value: format (1), number of columns, then each column that is not in the key: integers as zigzag varints, the rest
// length-prefixed. The age column of a table that forgets stands first, fixed, so that a compaction reads 10 bytes.
// Columns may be added at a table's end: a shorter stored row reads with zero or empty text there.
// Pure functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "broker/base/error.h"
#include "broker/port/store.h"

namespace hutong::store {

void append_key_cell(std::string& out, const port::Cell& cell);
// The whole key of a row, or of a leading part of one.
std::string encode_key(const port::Key& key);
// The first `table.key_columns` cells of `row`.
std::string encode_key_of(const port::Table& table, const port::Row& row);
std::string encode_value(const port::Table& table, const port::Row& row);

// Errors: corrupt, naming the table.
Result<port::Row> decode_row(const port::Table& table, std::string_view key, std::string_view value);
// The age column's value, for a table that has one; nothing where the value is damaged.
std::optional<std::int64_t> age_of(std::string_view value);

// The smallest string behind every string that begins with `prefix`; empty: there is none (all FF).
std::string behind_prefix(std::string prefix);

void append_varint(std::string& out, std::uint64_t value);
bool take_varint(std::string_view& in, std::uint64_t& value);

}  // namespace hutong::store
