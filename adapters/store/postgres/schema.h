// The schema in the database: the port's tables as they are declared, numbered migrations for what stands beside them
// (the cursors, what is kept, the operator's views), and views that say times as times.
//   cursors (topic, partition, next, log, moved)      how far each partition of the log has been applied
//   kept ("table", since)                             rows of a table that forgets are shown from this age on
//   migrations (version, what, applied)               what was done to this schema, once each
// Brought up under a lock of the schema's, in one transaction: two brokers may start at once. Threads: the store's own.
#pragma once

#include <span>

#include "adapters/store/postgres/connection.h"

namespace hutong::store {

// Takes the schema's lock until the transaction ends: one writer, or one that migrates. $1 is the schema's name.
inline constexpr std::string_view lock_schema = "SELECT pg_advisory_xact_lock(hashtextextended('hutong/' || $1, 0))";

// Errors: conflict (made by a newer program, or a table is not what is declared), and those of Connection.
net::awaitable<Result<void>> bring_up(Connection& connection, std::string schema,
                                      std::span<const port::Table* const> tables);

}  // namespace hutong::store
