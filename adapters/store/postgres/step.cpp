#include "adapters/store/postgres/step.h"

#include <algorithm>

namespace hutong::store {
namespace {

using port::ColumnType;
using port::StoreBatch;
using port::Table;

constexpr std::string_view cursor_of = "SELECT next::text, log FROM cursors WHERE topic = $1 AND partition = $2";
constexpr std::string_view move_cursor =
    "INSERT INTO cursors (topic, partition, next, log) VALUES ($1, $2, $3::text::numeric, $4) "
    "ON CONFLICT (topic, partition) DO UPDATE SET next = EXCLUDED.next, log = EXCLUDED.log, moved = now()";
// A step removes at most so many forgotten rows for each row it writes: the table shrinks, and no step is long.
constexpr std::int64_t forgotten_for_each = 2;

}  // namespace

Result<Tables> Tables::of(std::span<const Table* const> tables) {
  Tables made;
  for (const Table* table : tables) {
    auto& statements = made.by_number_[table->number];
    if (statements) {
      return fail(ErrorCode::invalid, "tables " + std::string(table->name) + " and " +
                                          std::string(statements->table->name) + " have the same number");
    }
    statements.emplace(*table);
  }
  return made;
}

Result<const TableStatements*> Tables::find(const Table& table) const {
  const auto& found = by_number_[table.number];
  if (found) return &*found;
  return fail(ErrorCode::unavailable, "the store was opened without table " + std::string(table.name));
}

Result<Command> Tables::change(const StoreBatch::Put& put) const {
  auto statements = find(*put.table);
  if (!statements) return tl::unexpected(statements.error());
  if (auto right = port::check_row(*put.table, put.row); !right) return tl::unexpected(right.error());
  const Table& table = *(*statements)->table;
  Command command((*statements)->put);
  add_cells(command, table, put.row);
  for (std::size_t i = put.row.size(); i < table.columns.size(); ++i) {  // a row of an earlier version of the table
    const auto type = table.columns[i].type;
    command.add(type, type == ColumnType::integer ? port::Cell(std::int64_t{0}) : port::Cell(std::string()));
  }
  return command;
}

Result<Command> Tables::change(const StoreBatch::Erase& erase) const {
  auto statements = find(*erase.table);
  if (!statements) return tl::unexpected(statements.error());
  Command command((*statements)->erase);
  add_cells(command, *erase.table, erase.key);
  return command;
}

void Tables::forget(std::vector<Command>& commands, const StoreBatch& batch) const {
  struct Aged {
    std::int64_t newest = INT64_MIN, rows = 0;
  };
  std::array<Aged, 256> aged{};
  for (const auto& change : batch.changes) {
    const auto* put = std::get_if<StoreBatch::Put>(&change);
    if (!put || put->table->age_column < 0) continue;
    auto& seen = aged[put->table->number];
    seen.newest =
        std::max(seen.newest, std::get<std::int64_t>(put->row[static_cast<std::size_t>(put->table->age_column)]));
    ++seen.rows;
  }
  for (const auto& statements : by_number_) {
    if (!statements || aged[statements->table->number].rows == 0) continue;
    const auto& [newest, rows] = aged[statements->table->number];
    const std::int64_t keep = statements->table->keep_micros;
    commands.emplace_back(statements->raise_kept).add_integer(newest < INT64_MIN + keep ? INT64_MIN : newest - keep);
    commands.emplace_back(statements->forget).add_integer(rows * forgotten_for_each);
  }
}

// One statement for each change: measured faster than rows gathered into arrays or copied into a table of the session's
// (docs/adr/0010-postgres-store.md).
Result<std::vector<Command>> Tables::step(const StoreBatch& batch) const {
  std::vector<Command> commands;
  commands.reserve(batch.changes.size() + 8);
  for (const auto& each : batch.changes) {
    auto command = std::visit([this](const auto& what) { return change(what); }, each);
    if (!command) return tl::unexpected(command.error());
    commands.push_back(std::move(*command));
  }
  forget(commands, batch);
  if (batch.cursor) {
    commands.emplace_back(move_cursor)
        .add_text(to_string(batch.cursor->partition.topic))
        .add_integer(batch.cursor->partition.number)
        .add_text(std::to_string(batch.cursor->next))
        .add_text(batch.cursor->log_id);
  }
  commands.emplace_back("COMMIT");
  return commands;
}

void add_cells(Command& command, const Table& table, const std::vector<port::Cell>& cells) {
  for (std::size_t i = 0; i < cells.size(); ++i) command.add(table.columns[i].type, cells[i]);
}

Command ask_cursor(port::Partition partition) {
  Command command(cursor_of);
  command.add_text(to_string(partition.topic)).add_integer(partition.number);
  return command;
}

port::Cursor read_cursor(port::Partition partition, const Rows& rows) {
  port::Cursor cursor{partition, 0, {}};
  if (rows.empty()) return cursor;
  cursor.next = std::stoull(std::get<std::string>(rows[0][0]));
  cursor.log_id = std::get<std::string>(rows[0][1]);
  return cursor;
}

}  // namespace hutong::store
