// The store on PostgreSQL 14 or newer: a table for each of the port's, with its columns and names (schema.h), so that
// an operator reads the views with SQL. State and cursor leave in one transaction whose commit is not waited for to be
// on disk: a server that loses its last moment loses whole steps in order, and the projector reads them again from the
// log.
//
// Threads: any. What talks to the server lives on one thread of the store's own; the awaitables resume on the caller's
// executor. Every call ends by a deadline of its own; a caller's cancellation is not passed on.
// The server away: calls answer unavailable at once and it is tried again with rising pauses, by the calls themselves.
// Lifetime: close(), or the end of every call, before it is destroyed.
#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <string>

#include "broker/port/store.h"

namespace hutong::store {

struct PostgresOptions {
  std::string connection;                      // of libpq (TLS: sslmode, sslrootcert…); a secret, never shown
  std::span<const port::Table* const> tables;  // must outlive the store; new ones are created
  std::string schema = "hutong";               // made when missing; one for each installation
  std::size_t readers = 4;                     // connections; the writer has one more
  std::size_t waiting = 1'000;                 // calls that wait for a reader; more are refused: overloaded
  std::chrono::milliseconds wait{2'000};       // for a connection to come free: then overloaded
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds read_timeout{5'000};    // of a statement, by the server; a second later by us
  std::chrono::milliseconds write_timeout{60'000};  // of a step
  std::chrono::milliseconds size_every{30'000};     // bytes() is looked up with a write, at most so often
};

class PostgresStore final : public port::Store {
 public:
  // Connects, and brings the schema up to this program's version (schema.h); blocks for it. Errors: unavailable (the
  // server), conflict (the schema is newer than this program, or another's), invalid (options, the database's
  // encoding).
  static Result<std::unique_ptr<PostgresStore>> open(PostgresOptions options);
  ~PostgresStore() override;
  // Drops options.schema with all that is in it, where there is one; then the schema `fresh`, when given, takes its
  // name. In one step: whoever reads meanwhile sees the old rows or the new ones. What was granted on the old one goes
  // with it.
  static Result<void> replace(PostgresOptions options, const std::string& fresh = {});

  net::awaitable<Result<void>> write(port::StoreBatch batch) override;
  net::awaitable<Result<std::vector<std::optional<port::Row>>>> get_many(std::vector<port::Lookup> lookups) override;
  net::awaitable<Result<std::vector<port::Row>>> scan(const port::Table& table, port::Scan scan) override;
  net::awaitable<Result<std::optional<port::Cursor>>> cursor(port::Partition partition) override;
  // Always invalid: PostgreSQL has its own backup (pg_dump), which the message names.
  net::awaitable<Result<void>> checkpoint(const std::filesystem::path& directory) override;
  bool is_far() const override { return true; }
  std::uint64_t bytes() const override;
  net::awaitable<Result<void>> close() override;

 private:
  struct State;
  explicit PostgresStore(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace hutong::store
