// The statements of a table, as text. Every name is quoted; keys are compared and ordered by bytes, because the schema
// declares their collation. Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>

#include "broker/port/store.h"

namespace hutong::store {

std::string sql_name(std::string_view name);
// As CREATE TABLE and ALTER TABLE want a column. A json cell is `text`: it comes back byte for byte, which json would
// also do and jsonb would not, and a write is not held up by reading it again (measured:
// docs/adr/0010-postgres-store.md).
std::string column_definition(const port::Column& column);
// Of the system's catalog, for a column as declared: "bigint", "text", "bytea".
std::string_view type_name(port::ColumnType type);

struct TableStatements {
  explicit TableStatements(const port::Table& table);
  const port::Table* table;
  std::string put, erase, get;
  // Only for a table with an age column: raises what is kept ($1 microseconds), and removes what is older, at most $1
  // rows.
  std::string raise_kept, forget;
};

// The parameters: prefix, from, to, after, limit, as far as `scan` has them.
std::string scan_statement(const port::Table& table, const port::Scan& scan);

}  // namespace hutong::store
