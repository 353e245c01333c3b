// What is in the schema beside the port's tables (schema.h): numbered migrations, and views for the operator.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace hutong::store {

// Each is applied once, in order, for ever: add, never change. Columns and tables of the port need none: they follow
// their declaration.
struct Migration {
  std::int64_t version;
  std::string_view what;
  std::vector<std::string_view> statements;
};
const std::vector<Migration>& migrations();

// For an operator with psql: times as times, ids in hex, documents as json. They hold what the tables hold: patients.
// Defined again at every start, grants are kept: a view may change at its end; anything else needs a migration that
// drops it. One whose table the store does not have is left out.
struct View {
  std::string_view name, of_table, query;
};
const std::vector<View>& views();

}  // namespace hutong::store
