#include "adapters/store/rocksdb/rocksdb_store.h"

#include <rocksdb/cache.h>
#include <rocksdb/compaction_filter.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/sst_file_manager.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/write_buffer_manager.h>

#include <array>
#include <atomic>
#include <climits>
#include <cstdarg>

#include "adapters/store/rocksdb/row_codec.h"

namespace hutong::store {
namespace {

using port::Row;
using port::Table;
using rocksdb::Slice;
using rocksdb::Status;

std::string_view view(const Slice& bytes) {
  return {bytes.data(), bytes.size()};
}

// The newest value ever written to the age column of each table, by table number.
using Newest = std::array<std::atomic<std::int64_t>, 256>;

std::int64_t cutoff(const Table& table, const Newest& newest) {
  std::int64_t seen = newest[table.number].load(std::memory_order_relaxed);
  return seen < INT64_MIN + table.keep_micros ? INT64_MIN : seen - table.keep_micros;
}

class Forget final : public rocksdb::CompactionFilter {
 public:
  Forget(const Table& table, std::int64_t before) : before_(before) { (void)table; }
  const char* Name() const override { return "hutong.forget"; }
  bool Filter(int, const Slice&, const Slice& value, std::string*, bool*) const override {
    auto age = age_of(view(value));
    return age && *age < before_;
  }

 private:
  std::int64_t before_;
};

class ForgetFactory final : public rocksdb::CompactionFilterFactory {
 public:
  ForgetFactory(const Table& table, std::shared_ptr<const Newest> newest) : table_(table), newest_(std::move(newest)) {}
  const char* Name() const override { return "hutong.forget"; }
  std::unique_ptr<rocksdb::CompactionFilter> CreateCompactionFilter(
      const rocksdb::CompactionFilter::Context&) override {
    return std::make_unique<Forget>(table_, cutoff(table_, *newest_));
  }

 private:
  const Table& table_;
  std::shared_ptr<const Newest> newest_;
};

// RocksDB's own LOG file is not kept: what goes wrong comes back as a status, and on a full disk the packaged library
// (built with assertions) aborts where that file cannot be written twice.
class NoLog final : public rocksdb::Logger {
 public:
  NoLog() : Logger(rocksdb::InfoLogLevel::FATAL_LEVEL) {}
  using Logger::Logv;
  void Logv(const char*, std::va_list) override {}
};

std::string family_name(const Table& table) {
  return std::to_string(table.number) + "." + std::string(table.name);
}

// Tables whose rows are looked up by whole key, mostly in vain: a filter answers those from memory.
bool is_looked_up_whole(const Table& table) {
  return table.key_columns <= 2;
}

rocksdb::ColumnFamilyOptions family_options(const RocksdbOptions& options, const Table* table,
                                            const std::shared_ptr<rocksdb::Cache>& cache,
                                            const std::shared_ptr<const Newest>& newest) {
  rocksdb::BlockBasedTableOptions blocks;
  blocks.block_cache = cache;
  blocks.cache_index_and_filter_blocks = true;  // bounded with everything else, instead of growing with the data
  blocks.cache_index_and_filter_blocks_with_high_priority = true;
  blocks.pin_l0_filter_and_index_blocks_in_cache = true;
  blocks.block_size = 16 * 1024;
  blocks.format_version = 5;
  blocks.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));

  rocksdb::ColumnFamilyOptions family;
  bool wide = table && table->columns.back().type == port::ColumnType::json && table->columns.size() > 5;
  family.write_buffer_size = std::max<std::size_t>(options.write_buffer_bytes / (wide ? 3 : 6), 64 * 1024);
  family.arena_block_size = 64 * 1024;  // a table that is hardly written holds little
  family.max_write_buffer_number = 3;
  family.target_file_size_base = 32 * 1024 * 1024;
  // Files of like size are merged, some four times in a row's life; by levels it would be dozens of times, as keys come
  // in no order. The price: a merge of everything needs as much free space again for a while.
  family.compaction_style = rocksdb::kCompactionStyleUniversal;
  family.level0_file_num_compaction_trigger = 8;
  if (table && table->passing) {
    // A row and its erasure end each other in a flush; what is left of erasures, in the merge that follows.
    family.write_buffer_size = std::min<std::size_t>(family.write_buffer_size, 2 * 1024 * 1024);
    family.level0_file_num_compaction_trigger = 2;
  }
  family.compression = rocksdb::kLZ4Compression;
  if (wide) {
    // Documents of some kB are written once, beside the keys, and no compaction copies them. A superseded one goes with
    // its file, when nothing in that is valid any more; a rebuild frees the rest.
    family.enable_blob_files = true;
    family.min_blob_size = 1024;
    family.blob_file_size = 64 * 1024 * 1024;
    family.blob_compression_type = rocksdb::kLZ4Compression;
    family.blob_cache = cache;
  }
  if (table && is_looked_up_whole(*table)) {
    family.memtable_prefix_bloom_size_ratio = 0.02;
    family.memtable_whole_key_filtering = true;
  }
  if (table && table->age_column >= 0) {
    family.compaction_filter_factory = std::make_shared<ForgetFactory>(*table, newest);
    family.ttl = 0;
    family.periodic_compaction_seconds = 86'400;  // so that forgetting happens where nothing is written any more
  }
  family.table_factory.reset(rocksdb::NewBlockBasedTableFactory(blocks));
  return family;
}

rocksdb::DBOptions database_options(const RocksdbOptions& options) {
  rocksdb::DBOptions db;
  db.create_if_missing = true;
  db.create_missing_column_families = true;
  db.max_background_jobs = options.background_jobs;
  db.max_open_files = 512;
  db.max_total_wal_size = 2 * options.write_buffer_bytes;  // seldom written tables must not keep old files
  db.write_buffer_manager = std::make_shared<rocksdb::WriteBufferManager>(options.write_buffer_bytes);
  db.bytes_per_sync = 1024 * 1024;
  db.wal_bytes_per_sync = 1024 * 1024;  // no burst of write-back when a file ends
  db.info_log = std::make_shared<NoLog>();
  db.stats_dump_period_sec = 0;
  db.stats_persist_period_sec = 0;
  db.avoid_unnecessary_blocking_io = true;
  db.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  // Watches the free space after a full disk, so that what RocksDB can resume itself it does.
  db.sst_file_manager.reset(rocksdb::NewSstFileManager(rocksdb::Env::Default()));
  return db;
}

tl::unexpected<Error> failure(const Status& status, const char* doing) {
  std::string what = std::string("the store could not ") + doing + ": " + status.ToString();
  if (status.IsCorruption()) return fail(ErrorCode::corrupt, what + "; stop the broker and run: hutong rebuild");
  if (status.IsNoSpace()) return fail(ErrorCode::unavailable, what + "; free disk space, it resumes by itself");
  return fail(ErrorCode::unavailable, what);
}

std::string cursor_key(port::Partition partition) {
  return "cursor/" + std::to_string(static_cast<int>(partition.topic)) + "/" + std::to_string(partition.number);
}
std::string newest_key(const Table& table) {
  return "newest/" + std::to_string(table.number);
}

}  // namespace

struct RocksdbStore::State {
  RocksdbOptions options;
  std::shared_ptr<Newest> newest = std::make_shared<Newest>();
  std::unique_ptr<rocksdb::DB> db;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::ColumnFamilyHandle* own = nullptr;  // cursors, newest values
  std::array<rocksdb::ColumnFamilyHandle*, 256> by_number{};
  std::atomic<bool> closed{false};
  std::atomic<bool> write_failed{false};
  // Since then a log file with an error behind it may be among those that a sync would touch, and RocksDB aborts there.
  std::atomic<bool> ever_failed{false};

  ~State() { shut(); }

  Status shut() {
    closed = true;
    if (!db) return Status::OK();
    // Unsynced after a failure: the projector reads the newest steps again from the log.
    Status status = ever_failed ? Status::OK() : db->FlushWAL(true);
    for (auto* handle : handles) db->DestroyColumnFamilyHandle(handle);
    handles.clear();
    by_number.fill(nullptr);
    if (Status ended = db->Close(); status.ok()) status = ended;
    db.reset();
    return status;
  }

  // nullptr: closed, or a table that was not named at open.
  rocksdb::ColumnFamilyHandle* family(const Table& table) const { return closed ? nullptr : by_number[table.number]; }

  Result<std::optional<Row>> get(const Table& table, const port::Key& key) const;
  Result<std::optional<port::Cursor>> cursor(port::Partition partition) const;
};

namespace {
tl::unexpected<Error> no_table(const Table& table) {
  return fail(ErrorCode::unavailable, "the store is closed or was opened without table " + std::string(table.name));
}
}  // namespace

Result<std::optional<Row>> RocksdbStore::State::get(const Table& table, const port::Key& key) const {
  auto* from = family(table);
  if (!from) return no_table(table);
  const std::string encoded = encode_key(key);
  rocksdb::PinnableSlice value;
  Status status = db->Get(rocksdb::ReadOptions(), from, encoded, &value);
  if (status.IsNotFound()) return std::nullopt;
  if (!status.ok()) return failure(status, "read");
  if (table.age_column >= 0) {
    auto age = age_of(view(value));
    if (age && *age < cutoff(table, *newest)) return std::nullopt;
  }
  auto row = decode_row(table, encoded, view(value));
  if (!row) return tl::unexpected(row.error());
  return std::move(*row);
}

Result<std::optional<port::Cursor>> RocksdbStore::State::cursor(port::Partition partition) const {
  if (closed) return fail(ErrorCode::unavailable, "the store is closed");
  std::string value;
  Status status = db->Get({}, own, cursor_key(partition), &value);
  if (status.IsNotFound()) return std::nullopt;
  if (!status.ok()) return failure(status, "read");
  std::string_view rest = value;
  port::Cursor cursor{partition, 0, {}};
  if (!take_varint(rest, cursor.next)) return fail(ErrorCode::corrupt, "the store's cursor does not decode");
  cursor.log_id = std::string(rest);
  return cursor;
}

RocksdbStore::RocksdbStore(std::unique_ptr<State> state) : state_(std::move(state)) {}
RocksdbStore::~RocksdbStore() = default;

Result<std::unique_ptr<RocksdbStore>> RocksdbStore::open(RocksdbOptions options) {
  auto state = std::make_unique<State>();
  state->options = options;
  for (auto& newest : *state->newest) newest = INT64_MIN;
  std::error_code error;
  std::filesystem::create_directories(options.directory, error);
  if (error) {
    return fail(ErrorCode::unavailable,
                "cannot create the store's directory " + options.directory.string() + ": " + error.message());
  }
  auto cache = rocksdb::NewLRUCache(options.cache_bytes, 2, false, 0.5);
  const auto db_options = database_options(options);
  const std::string path = options.directory.string();

  std::vector<rocksdb::ColumnFamilyDescriptor> families{
      {rocksdb::kDefaultColumnFamilyName, family_options(options, nullptr, cache, state->newest)}};
  for (const Table* table : options.tables) {
    for (const Table* other : options.tables) {
      if (table != other && table->number == other->number) {
        return fail(ErrorCode::invalid, "tables " + std::string(table->name) + " and " + std::string(other->name) +
                                            " have the same number");
      }
    }
    families.emplace_back(family_name(*table), family_options(options, table, cache, state->newest));
  }
  // What a newer version made must be opened too, whoever reads it.
  std::vector<std::string> present;
  if (rocksdb::DB::ListColumnFamilies(db_options, path, &present).ok()) {
    for (const auto& name : present) {
      bool known = false;
      for (const auto& family : families) known = known || family.name == name;
      if (!known) families.emplace_back(name, family_options(options, nullptr, cache, state->newest));
    }
  }

  // Compaction shares what the shards leave with the projector, instead of stopping it for seconds.
  rocksdb::Env::Default()->LowerThreadPoolCPUPriority(rocksdb::Env::LOW, rocksdb::CpuPriority::kIdle);
  rocksdb::DB* db = nullptr;
  Status status = rocksdb::DB::Open(db_options, path, families, &state->handles, &db);
  if (!status.ok()) {
    if (status.IsIOError() && status.ToString().find("LOCK") != std::string::npos) {
      return fail(ErrorCode::unavailable, "the store at " + path + " is in use by another process; stop it first");
    }
    return failure(status, "open");
  }
  state->db.reset(db);
  state->own = state->handles[0];
  for (std::size_t i = 0; i < options.tables.size(); ++i) {
    const Table& table = *options.tables[i];
    state->by_number[table.number] = state->handles[i + 1];
    if (table.age_column < 0) continue;
    std::string stored;
    if (db->Get({}, state->own, newest_key(table), &stored).ok()) {
      std::string_view rest = stored;
      std::uint64_t value = 0;
      if (take_varint(rest, value)) (*state->newest)[table.number] = static_cast<std::int64_t>(value);
    }
  }
  return std::unique_ptr<RocksdbStore>(new RocksdbStore(std::move(state)));
}

net::awaitable<Result<void>> RocksdbStore::write(port::StoreBatch batch) {
  State& state = *state_;
  for (const auto& expected : batch.expected) {
    auto stands = state.cursor(expected.partition);
    if (!stands) co_return tl::unexpected(stands.error());
    if (stands->value_or(port::Cursor{expected.partition, 0, {}}) != expected) {
      co_return fail(ErrorCode::conflict, "the store's cursor was moved by another writer");
    }
  }
  rocksdb::WriteBatch step;
  std::array<const Table*, 256> aged{};
  std::array<std::int64_t, 256> newest{};
  for (const auto& change : batch.changes) {
    if (const auto* put = std::get_if<port::StoreBatch::Put>(&change)) {
      const Table& table = *put->table;
      auto* family = state.family(table);
      if (!family) co_return no_table(table);
      if (auto right = port::check_row(table, put->row); !right) co_return tl::unexpected(right.error());
      step.Put(family, encode_key_of(table, put->row), encode_value(table, put->row));
      if (table.age_column >= 0 && static_cast<std::size_t>(table.age_column) < put->row.size()) {
        auto age = std::get<std::int64_t>(put->row[static_cast<std::size_t>(table.age_column)]);
        if (!aged[table.number] || age > newest[table.number]) newest[table.number] = age;
        aged[table.number] = &table;
      }
    } else {
      const auto& erase = std::get<port::StoreBatch::Erase>(change);
      auto* family = state.family(*erase.table);
      if (!family) co_return no_table(*erase.table);
      step.Delete(family, encode_key(erase.key));
    }
  }
  if (state.closed) co_return fail(ErrorCode::unavailable, "the store is closed");
  for (const Table* table : aged) {
    if (!table || newest[table->number] <= (*state.newest)[table->number]) continue;
    std::string value;
    append_varint(value, static_cast<std::uint64_t>(newest[table->number]));
    step.Put(state.own, newest_key(*table), value);
  }
  if (batch.cursor) {
    std::string value;
    append_varint(value, batch.cursor->next);
    value += batch.cursor->log_id;
    step.Put(state.own, cursor_key(batch.cursor->partition), value);
  }
  // After an error (a full disk) RocksDB refuses writes until it is told to go on; the error may be over by now.
  if (state.write_failed) {
    if (Status resumed = state.db->Resume(); !resumed.ok()) co_return failure(resumed, "resume");
  }
  Status status = state.db->Write(rocksdb::WriteOptions(), &step);
  state.write_failed = !status.ok();
  if (!status.ok()) state.ever_failed = true;
  if (!status.ok()) co_return failure(status, "write");
  for (const Table* table : aged) {
    if (!table) continue;
    auto& seen = (*state.newest)[table->number];
    if (newest[table->number] > seen) seen = newest[table->number];
  }
  co_return Result<void>();
}

net::awaitable<Result<std::vector<std::optional<Row>>>> RocksdbStore::get_many(std::vector<port::Lookup> lookups) {
  std::vector<std::optional<Row>> rows;
  rows.reserve(lookups.size());
  for (const auto& lookup : lookups) {
    auto row = state_->get(*lookup.table, lookup.key);
    if (!row) co_return tl::unexpected(row.error());
    rows.push_back(std::move(*row));
  }
  co_return rows;
}

net::awaitable<Result<std::vector<Row>>> RocksdbStore::scan(const Table& table, port::Scan scan) {
  State& state = *state_;
  auto* family = state.family(table);
  if (!family) co_return no_table(table);
  std::string low = encode_key(scan.prefix), high = low;
  if (scan.from) append_key_cell(low, *scan.from);
  if (scan.to) append_key_cell(high, *scan.to);
  high = behind_prefix(std::move(high));
  if (scan.after) {
    std::string after = encode_key(*scan.after);
    if (scan.backward) {
      if (high.empty() || after < high) high = std::move(after);
    } else if (after >= low) {
      low = std::move(after);
      low += '\0';  // the first key behind it
    }
  }
  std::vector<Row> rows;
  if (scan.limit == 0 || (!high.empty() && low >= high)) co_return rows;
  const Slice lower = low, upper = high;
  rocksdb::ReadOptions read;
  read.iterate_lower_bound = &lower;
  if (!high.empty()) read.iterate_upper_bound = &upper;
  std::unique_ptr<rocksdb::Iterator> at(state.db->NewIterator(read, family));
  const std::int64_t forget_before = table.age_column >= 0 ? cutoff(table, *state.newest) : INT64_MIN;
  if (scan.backward) {
    at->SeekToLast();
  } else {
    at->SeekToFirst();
  }
  for (; at->Valid() && rows.size() < scan.limit; scan.backward ? at->Prev() : at->Next()) {
    if (table.age_column >= 0) {
      auto age = age_of(view(at->value()));
      if (age && *age < forget_before) continue;
    }
    auto row = decode_row(table, view(at->key()), view(at->value()));
    if (!row) co_return tl::unexpected(row.error());
    rows.push_back(std::move(*row));
  }
  if (!at->status().ok()) co_return failure(at->status(), "read");
  co_return rows;
}

net::awaitable<Result<std::optional<port::Cursor>>> RocksdbStore::cursor(port::Partition partition) {
  co_return state_->cursor(partition);
}

net::awaitable<Result<void>> RocksdbStore::checkpoint(const std::filesystem::path& directory) {
  State& state = *state_;
  if (state.closed) co_return fail(ErrorCode::unavailable, "the store is closed");
  rocksdb::Checkpoint* made = nullptr;
  Status status = rocksdb::Checkpoint::Create(state.db.get(), &made);
  std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
  // 0: everything is flushed into files, which are hard-linked; the copy needs no write-ahead log.
  if (status.ok()) status = checkpoint->CreateCheckpoint(directory.string(), 0);
  if (status.IsInvalidArgument()) co_return fail(ErrorCode::invalid, "the checkpoint's directory already exists");
  if (!status.ok()) co_return failure(status, "make a checkpoint");
  co_return Result<void>();
}

std::uint64_t RocksdbStore::bytes() const {
  std::uint64_t sum = 0;
  std::error_code error;
  for (std::filesystem::directory_iterator at(state_->options.directory, error), end; !error && at != end;
       at.increment(error)) {
    std::error_code gone;  // files come and go meanwhile
    auto size = at->file_size(gone);
    if (!gone) sum += size;
  }
  return sum;
}

net::awaitable<Result<void>> RocksdbStore::close() {
  if (Status status = state_->shut(); !status.ok()) co_return failure(status, "close");
  co_return Result<void>();
}

}  // namespace hutong::store
