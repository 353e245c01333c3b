// What the port's calls become as commands: a whole step of the projector, a look at a cursor. Texts of statements in
// sql.h. Immutable once made; any thread.
#pragma once

#include <array>
#include <optional>
#include <span>

#include "adapters/store/postgres/connection.h"
#include "adapters/store/postgres/sql.h"

namespace hutong::store {

// The store's tables by number, each with its statements, which commands refer to.
class Tables {
 public:
  // Errors: invalid (two tables with one number).
  static Result<Tables> of(std::span<const port::Table* const> tables);

  // Errors: unavailable (the store was opened without this table).
  Result<const TableStatements*> find(const port::Table& table) const;
  // The batch's changes in their order, so that later ones win; what it forgets; its cursor; COMMIT. Errors: internal
  // (a row that is not its table's), and those of find.
  Result<std::vector<Command>> step(const port::StoreBatch& batch) const;

 private:
  Result<Command> change(const port::StoreBatch::Put& put) const;
  Result<Command> change(const port::StoreBatch::Erase& erase) const;
  void forget(std::vector<Command>& commands, const port::StoreBatch& batch) const;

  std::array<std::optional<TableStatements>, 256> by_number_;
};

// The cells of a key or of its leading part, or of a row's beginning, as parameters.
void add_cells(Command& command, const port::Table& table, const std::vector<port::Cell>& cells);

Command ask_cursor(port::Partition partition);
// The answer; next 0 and no log where the partition has none yet.
port::Cursor read_cursor(port::Partition partition, const Rows& rows);

}  // namespace hutong::store
