// The contract over the stores that need no server, and what only RocksDB keeps: its files.
#include <unistd.h>

#include <fstream>

#include "adapters/store/memory/memory_store.h"
#include "adapters/store/rocksdb/rocksdb_store.h"
#include "broker/port/tables.h"
#include "tests/contract/store/store_contract.h"

namespace hutong::store {
namespace {

class Folder {
 public:
  Folder() {
    static std::atomic<int> count{0};
    path_ = std::filesystem::temp_directory_path() /
            ("hutong-store-" + std::to_string(::getpid()) + "-" + std::to_string(count++));
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::filesystem::path operator/(const char* name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

class InMemory final : public StoreUnderTest {
 public:
  port::Store& store() override { return store_; }

 private:
  MemoryStore store_;
};

class OnRocksdb final : public StoreUnderTest {
 public:
  OnRocksdb() {
    auto opened = RocksdbStore::open({.directory = folder_ / "store", .tables = test_tables});
    if (!opened) throw std::runtime_error(opened.error().message);
    store_ = std::move(*opened);
  }
  port::Store& store() override { return *store_; }

 private:
  Folder folder_;
  std::unique_ptr<RocksdbStore> store_;
};

template <class Kind>
std::unique_ptr<StoreUnderTest> make() {
  return std::make_unique<Kind>();
}
INSTANTIATE_TEST_SUITE_P(in_memory, StoreContract, ::testing::Values(make<InMemory>));
INSTANTIATE_TEST_SUITE_P(on_rocksdb, StoreContract, ::testing::Values(make<OnRocksdb>));

class RocksdbContract : public ::testing::Test {
 protected:
  Folder folder;
  std::unique_ptr<RocksdbStore> open(std::filesystem::path at) {
    auto opened = RocksdbStore::open({.directory = std::move(at), .tables = test_tables});
    if (!opened) throw std::runtime_error(opened.error().message);
    return std::move(*opened);
  }
  static StoreBatch step(std::int64_t n) {
    StoreBatch batch;
    batch.put(words, {text("w"), n, text("{}")});
    batch.put(aged, {std::to_string(n), text(""), n * 1000});
    batch.cursor = port::Cursor{{port::Topic::events, 0}, static_cast<port::Offset>(n), "log"};
    return batch;
  }
};

TEST_F(RocksdbContract, a_second_open_reads_everything_cursors_and_forgetting_included) {
  {
    auto store = open(folder / "store");
    for (std::int64_t n = 1; n <= 50; ++n) ASSERT_TRUE(await(store->write(step(n))));
    ASSERT_TRUE(await(store->close()));
    EXPECT_FALSE(await(store->get(words, {text("w"), std::int64_t{1}})));  // closed is said, not crashed
  }
  auto store = open(folder / "store");
  EXPECT_EQ(await(store->scan(words, {}))->size(), 50u);
  EXPECT_EQ((**await(store->cursor({port::Topic::events, 0}))).next, 50u);
  EXPECT_FALSE(await(store->get(aged, {text("48")}))->has_value());
  EXPECT_TRUE(await(store->get(aged, {text("49")}))->has_value());
}

TEST_F(RocksdbContract, a_store_left_without_close_keeps_what_was_written) {
  {
    auto store = open(folder / "store");
    ASSERT_TRUE(await(store->write(step(1))));
  }
  auto store = open(folder / "store");
  EXPECT_EQ(await(store->scan(words, {}))->size(), 1u);
}

TEST_F(RocksdbContract, a_checkpoint_made_while_running_opens_as_a_store_of_that_moment) {
  auto store = open(folder / "store");
  for (std::int64_t n = 1; n <= 20; ++n) ASSERT_TRUE(await(store->write(step(n))));
  ASSERT_TRUE(await(store->checkpoint(folder / "copy")));
  ASSERT_TRUE(await(store->write(step(21))));
  auto copy = open(folder / "copy");
  EXPECT_EQ(await(copy->scan(words, {}))->size(), 20u);
  EXPECT_EQ((**await(copy->cursor({port::Topic::events, 0}))).next, 20u);
  auto again = await(store->checkpoint(folder / "copy"));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::invalid);
}

TEST_F(RocksdbContract, a_second_process_is_kept_out_with_advice) {
  auto store = open(folder / "store");
  auto second = RocksdbStore::open({.directory = folder / "store", .tables = test_tables});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::unavailable);
  EXPECT_THAT(second.error().message, ::testing::HasSubstr("in use"));
}

TEST_F(RocksdbContract, a_table_added_later_appears_and_an_unknown_one_stays) {
  const port::Table* const fewer[] = {&numbers};
  {
    auto opened = RocksdbStore::open({.directory = folder / "store", .tables = fewer});
    ASSERT_TRUE(opened);
    auto missing = await((*opened)->get(words, {text("w"), std::int64_t{1}}));
    ASSERT_FALSE(missing);
  }
  {
    auto store = open(folder / "store");
    ASSERT_TRUE(await(store->write(step(1))));
  }
  { ASSERT_TRUE(RocksdbStore::open({.directory = folder / "store", .tables = fewer})); }
  EXPECT_EQ(await(open(folder / "store")->scan(words, {}))->size(), 1u);
}

TEST_F(RocksdbContract, two_tables_with_one_number_are_refused) {
  static constexpr port::Table twin{"twin", 200, number_columns, 1};
  const port::Table* const both[] = {&numbers, &twin};
  auto opened = RocksdbStore::open({.directory = folder / "store", .tables = both});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::invalid);
}

TEST_F(RocksdbContract, the_brokers_own_tables_have_numbers_of_their_own) {
  auto opened = RocksdbStore::open({.directory = folder / "store", .tables = port::tables::all});
  EXPECT_TRUE(opened) << opened.error().message;
}

TEST_F(RocksdbContract, damaged_files_are_reported_as_corrupt_and_never_read_as_data) {
  {
    auto store = open(folder / "store");
    StoreBatch batch;
    for (std::int64_t n = 0; n < 5000; ++n) batch.put(words, {text("w"), n, std::to_string(n * 7919)});
    ASSERT_TRUE(await(store->write(std::move(batch))));
    ASSERT_TRUE(await(store->checkpoint(folder / "copy")));
  }
  int damaged = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder / "copy")) {
    if (file.path().extension() != ".sst" || file.file_size() < 4096) continue;
    std::fstream bytes(file.path(), std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekp(1000);
    bytes.write("damage", 6);
    ++damaged;
  }
  ASSERT_GT(damaged, 0);
  auto copy = open(folder / "copy");
  auto rows = await(copy->scan(words, {.limit = 10'000}));
  ASSERT_FALSE(rows);
  EXPECT_EQ(rows.error().code, ErrorCode::corrupt);
}

TEST_F(RocksdbContract, a_row_that_does_not_decode_is_corrupt) {
  // The same key written as a table of other columns: what a defect of ours would leave behind.
  static constexpr port::Column other_columns[] = {
      {"word", ColumnType::text}, {"n", ColumnType::integer}, {"count", ColumnType::integer}};
  static constexpr port::Table other{"words", 201, other_columns, 2};
  auto store = open(folder / "store");
  StoreBatch batch;
  batch.put(other, {text("w"), std::int64_t{1}, std::int64_t{500}});
  ASSERT_TRUE(await(store->write(std::move(batch))));
  auto row = await(store->get(words, {text("w"), std::int64_t{1}}));
  ASSERT_FALSE(row);
  EXPECT_EQ(row.error().code, ErrorCode::corrupt);
}

}  // namespace
}  // namespace hutong::store
