#include "broker/app/open_store.h"

#include "adapters/store/postgres/postgres_store.h"
#include "adapters/store/rocksdb/rocksdb_store.h"
#include "broker/port/tables.h"

namespace hutong::app {

Result<std::unique_ptr<port::Store>> open_store(const Config& config, const DataFolder& folder) {
  if (config.store.kind == StoreKind::postgres) {
    store::PostgresOptions options;
    options.tables = port::tables::all;
    options.connection = config.store.postgres.connection;
    options.schema = config.store.postgres.schema;
    options.readers = config.store.postgres.readers;
    return store::PostgresStore::open(std::move(options));
  }
  store::RocksdbOptions options;
  options.tables = port::tables::all;
  options.directory = folder.store();
  options.cache_bytes = config.store.cache_bytes;
  options.write_buffer_bytes = config.store.write_buffer_bytes;
  return store::RocksdbStore::open(std::move(options));
}

}  // namespace hutong::app
