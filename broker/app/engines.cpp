#include "broker/app/engines.h"

#include "adapters/log/journal/journal_log.h"
#include "adapters/log/kafka/kafka_log.h"
#include "adapters/store/postgres/postgres_store.h"
#include "adapters/store/rocksdb/rocksdb_store.h"
#include "broker/port/tables.h"

namespace hutong::app {

Result<OpenedLog> open_log(const Config& config, const DataFolder& folder) {
  if (config.log.kind == LogKind::kafka) {
    const auto& given = config.log.kafka;
    kafka::KafkaOptions options;
    options.bootstrap = given.bootstrap;
    options.topic_prefix = given.topic_prefix;
    options.partitions = given.partitions;
    options.replicas = given.replicas;
    options.insync_replicas = given.insync_replicas;
    options.unsafe_topics = given.unsafe_topics;
    options.append_deadline = given.append_deadline;
    options.gather = given.gather;
    options.queue_bytes = given.queue_bytes;
    options.settings = given.settings;
    auto log = kafka::KafkaLog::open(std::move(options));
    if (!log) return tl::unexpected(log.error());
    return OpenedLog{std::move(*log), {}};
  }
  journal::JournalOptions options;
  options.directory = folder.log();
  options.segment_bytes = config.log.segment_bytes;
  options.gather = config.log.gather;
  options.min_free_bytes = config.log.stop_below_free;
  options.unsafe_no_fdatasync = config.log.unsafe_no_sync;
  auto log = journal::JournalLog::open(std::move(options));
  if (!log) return tl::unexpected(log.error());
  auto& journal = **log;
  return OpenedLog{std::move(*log), [&journal](const std::filesystem::path& to) { return journal.copy_to(to); }};
}

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
