// The PostgreSQL that tests/support/postgres.py made for this program: what a test does to it behind the store's back.
#pragma once

#include <libpq-fe.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "adapters/store/postgres/postgres_store.h"
#include "tests/contract/store/store_contract.h"

namespace hutong::store {

inline std::string from_environment(const char* name) {
  const char* value = std::getenv(name);
  if (!value)
    throw std::runtime_error(std::string(name) + " is not set: run me by tests/support/postgres.py run -- PROGRAM");
  return value;
}

// start | stop | kill | freeze | thaw; returns when it is done.
inline void server(const std::string& what) {
  if (std::system((from_environment("HUTONG_POSTGRES_CONTROL") + " " + what).c_str()) != 0) {
    throw std::runtime_error("the server did not " + what);
  }
}

// A connection of the test's own, in the schema of its store.
class Psql {
 public:
  explicit Psql(const std::string& schema)
      : connection_(PQconnectdb(from_environment("HUTONG_POSTGRES").c_str()), PQfinish) {
    run("SET search_path = " + schema);
    run("SET client_min_messages = warning");
  }
  // The first column of every row.
  std::vector<std::string> run(const std::string& sql) {
    std::unique_ptr<PGresult, void (*)(PGresult*)> result(PQexec(connection_.get(), sql.c_str()), PQclear);
    const auto status = PQresultStatus(result.get());
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
      throw std::runtime_error(PQresultErrorMessage(result.get()));
    std::vector<std::string> out;
    for (int i = 0; i < PQntuples(result.get()); ++i) out.emplace_back(PQgetvalue(result.get(), i, 0));
    return out;
  }

 private:
  std::unique_ptr<PGconn, void (*)(PGconn*)> connection_;
};

// A schema of one test's own; gone with it.
class Schema {
 public:
  Schema() : name_("test_" + std::to_string(count++)) {
    Psql("public").run("DROP SCHEMA IF EXISTS " + name_ + " CASCADE");
  }
  ~Schema() { Psql("public").run("DROP SCHEMA IF EXISTS " + name_ + " CASCADE"); }
  const std::string& name() const { return name_; }
  PostgresOptions options() const {
    PostgresOptions options;
    options.connection = from_environment("HUTONG_POSTGRES");
    options.tables = test_tables;
    options.schema = name_;
    options.size_every = {};
    return options;
  }

 private:
  static inline int count = 0;
  std::string name_;
};

inline std::unique_ptr<PostgresStore> open(PostgresOptions options) {
  auto opened = PostgresStore::open(std::move(options));
  if (!opened) throw std::runtime_error(opened.error().message);
  return std::move(*opened);
}

}  // namespace hutong::store
