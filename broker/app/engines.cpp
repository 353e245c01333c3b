#include "broker/app/engines.h"

#include "adapters/log/journal/journal_log.h"
#include "adapters/log/kafka/kafka_log.h"
#include "adapters/store/postgres/postgres_store.h"
#include "adapters/store/rocksdb/rocksdb_store.h"
#include "broker/port/tables.h"

namespace hutong::app {
namespace fs = std::filesystem;

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

namespace {

store::PostgresOptions postgres_options(const Config& config) {
  store::PostgresOptions options;
  options.tables = port::tables::all;
  options.connection = config.store.postgres.connection;
  options.schema = config.store.postgres.schema;
  options.readers = config.store.postgres.readers;
  return options;
}

}  // namespace

Result<std::unique_ptr<port::Store>> open_store(const Config& config, const DataFolder& folder) {
  if (config.store.kind == StoreKind::postgres) return store::PostgresStore::open(postgres_options(config));
  store::RocksdbOptions options;
  options.tables = port::tables::all;
  options.directory = folder.store();
  options.cache_bytes = config.store.cache_bytes;
  options.write_buffer_bytes = config.store.write_buffer_bytes;
  return store::RocksdbStore::open(std::move(options));
}

Result<FreshStore> open_fresh_store(const Config& config, const DataFolder& folder) {
  if (config.store.kind == StoreKind::postgres) {
    const auto present = postgres_options(config);
    auto options = present;
    options.schema += "_rebuild";
    if (auto removed = store::PostgresStore::replace(options); !removed) return tl::unexpected(removed.error());
    const auto fresh = options.schema;
    auto store = store::PostgresStore::open(std::move(options));
    if (!store) return tl::unexpected(store.error());
    return FreshStore{std::move(*store), [=] { return store::PostgresStore::replace(present, fresh); },
                      "PostgreSQL's schema " + present.schema};
  }
  const fs::path fresh = config.data / "store.rebuild", old = config.data / "store.old", place = folder.store();
  fs::remove_all(fresh);
  store::RocksdbOptions options;
  options.directory = fresh;
  options.tables = port::tables::all;
  options.write_buffer_bytes = 64ULL << 20U;
  auto store = store::RocksdbStore::open(options);
  if (!store) return tl::unexpected(store.error());
  const auto take_place = [=]() -> Result<void> {
    fs::remove_all(old);
    if (fs::exists(place)) fs::rename(place, old);
    fs::rename(fresh, place);
    fs::remove_all(old);
    return {};
  };
  return FreshStore{std::move(*store), take_place, place.string()};
}

}  // namespace hutong::app
