// What every Store keeps, over every implementation (broker/port/store.h).
#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <random>
#include <thread>

#include "adapters/store/memory/memory_store.h"
#include "adapters/store/rocksdb/rocksdb_store.h"
#include "broker/port/tables.h"
#include "tests/support/await.h"

namespace hutong::store {
namespace {

using port::Cell;
using port::ColumnType;
using port::Key;
using port::Row;
using port::Scan;
using port::StoreBatch;
using ::testing::ElementsAre;
using tests::await;

constexpr port::Column number_columns[] = {{"n", ColumnType::integer}, {"what", ColumnType::text}};
constexpr port::Table numbers{"numbers", 200, number_columns, 1};
constexpr port::Column word_columns[] = {
    {"word", ColumnType::text}, {"n", ColumnType::integer}, {"body", ColumnType::json}};
constexpr port::Table words{"words", 201, word_columns, 2};
constexpr port::Column aged_columns[] = {
    {"id", ColumnType::bytes}, {"note", ColumnType::text}, {"at", ColumnType::integer}};
constexpr port::Table aged{"aged", 202, aged_columns, 1, 2, 1000};
// The same table in an earlier version, before `body` was added.
constexpr port::Table older_words{"words", 201, std::span(word_columns).first(2), 2};
const port::Table* const test_tables[] = {&numbers, &words, &aged};

std::string text(std::string_view bytes) {
  return std::string(bytes);
}

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

struct InMemory {
  std::unique_ptr<port::Store> open() { return std::make_unique<MemoryStore>(); }
};

struct OnRocksdb {
  Folder folder;
  std::unique_ptr<port::Store> open() {
    auto opened = RocksdbStore::open({.directory = folder / "store", .tables = test_tables});
    if (!opened) throw std::runtime_error(opened.error().message);
    return std::move(*opened);
  }
};

template <class Kind>
class StoreContract : public ::testing::Test {
 protected:
  Kind kind;
  std::unique_ptr<port::Store> store = kind.open();

  void write(StoreBatch batch) {
    auto written = await(store->write(std::move(batch)));
    ASSERT_TRUE(written) << written.error().message;
  }
  void put(const port::Table& table, Row row) {
    StoreBatch batch;
    batch.put(table, std::move(row));
    write(std::move(batch));
  }
  std::optional<Row> get(const port::Table& table, Key key) {
    auto row = await(store->get(table, std::move(key)));
    if (!row) throw std::runtime_error(row.error().message);
    return *row;
  }
  std::vector<Row> scan(const port::Table& table, Scan scan) {
    auto rows = await(store->scan(table, std::move(scan)));
    if (!rows) throw std::runtime_error(rows.error().message);
    return *rows;
  }
  std::vector<std::int64_t> numbers_of(Scan scan_of) {
    std::vector<std::int64_t> out;
    for (const auto& row : scan(numbers, std::move(scan_of))) out.push_back(std::get<std::int64_t>(row[0]));
    return out;
  }
  std::vector<std::int64_t> second_of(Scan scan_of) {
    std::vector<std::int64_t> out;
    for (const auto& row : scan(words, std::move(scan_of))) out.push_back(std::get<std::int64_t>(row[1]));
    return out;
  }
};

using Kinds = ::testing::Types<InMemory, OnRocksdb>;
TYPED_TEST_SUITE(StoreContract, Kinds);

TYPED_TEST(StoreContract, what_is_put_is_got_column_for_column) {
  this->put(words, {text("血糖"), std::int64_t{-7}, text("{\"a\":1}")});
  EXPECT_EQ(this->get(words, {text("血糖"), std::int64_t{-7}}),
            (Row{text("血糖"), std::int64_t{-7}, text("{\"a\":1}")}));
  EXPECT_EQ(this->get(words, {text("血糖"), std::int64_t{7}}), std::nullopt);
  EXPECT_EQ(this->get(words, {text("血"), std::int64_t{-7}}), std::nullopt);
}

TYPED_TEST(StoreContract, integers_come_in_the_order_of_their_values) {
  const std::vector<std::int64_t> sorted{INT64_MIN, -1'000'000, -256, -255, -1, 0, 1, 255, 256, 65'536, INT64_MAX};
  auto shuffled = sorted;
  std::shuffle(shuffled.begin(), shuffled.end(), std::mt19937(7));
  for (auto n : shuffled) this->put(numbers, {n, text("x")});
  EXPECT_EQ(this->numbers_of({}), sorted);
  auto reversed = sorted;
  std::reverse(reversed.begin(), reversed.end());
  EXPECT_EQ(this->numbers_of({.backward = true}), reversed);
}

TYPED_TEST(StoreContract, texts_come_in_the_order_of_their_bytes_zero_bytes_and_utf8_included) {
  using namespace std::string_literals;
  std::vector<std::string> sorted{""s,         "\0"s,  "\0\0"s, "\0\x01"s, "\0a"s,    "\0\xff"s,  "\x01"s,
                                  "a"s,        "a\0"s, "a\0b"s, "a\x01"s,  "aa"s,     "ab"s,      "b"s,
                                  "\xc3\xa9"s, "东"s,  "東"s,   "\xff"s,   "\xff\0"s, "\xff\xff"s};
  std::sort(sorted.begin(), sorted.end());
  auto shuffled = sorted;
  std::shuffle(shuffled.begin(), shuffled.end(), std::mt19937(7));
  for (const auto& word : shuffled) {
    for (std::int64_t n : {1, -1}) this->put(words, {word, n, text("{}")});
  }
  std::vector<std::string> seen;
  for (const auto& row : this->scan(words, {})) {
    if (std::get<std::int64_t>(row[1]) == -1) seen.push_back(std::get<std::string>(row[0]));
  }
  EXPECT_EQ(seen, sorted);
  for (const auto& word : sorted) {
    EXPECT_THAT(this->second_of({.prefix = {word}}), ElementsAre(-1, 1)) << testing::PrintToString(word);
  }
}

TYPED_TEST(StoreContract, a_scan_begins_and_ends_where_it_is_told) {
  for (std::int64_t n = 1; n <= 9; ++n) {
    this->put(words, {text("a"), n, text("{}")});
    this->put(words, {text("a\x01"), n, text("{}")});
    this->put(words, {text("b"), n, text("{}")});
  }
  const Key a{text("a")};
  const Cell three = std::int64_t{3}, six = std::int64_t{6};
  EXPECT_THAT(this->second_of({.prefix = a, .from = three, .to = six}), ElementsAre(3, 4, 5, 6));
  EXPECT_THAT(this->second_of({.prefix = a, .from = three, .to = six, .backward = true}), ElementsAre(6, 5, 4, 3));
  EXPECT_THAT(this->second_of({.prefix = a, .from = six}), ElementsAre(6, 7, 8, 9));
  EXPECT_THAT(this->second_of({.prefix = a, .to = three}), ElementsAre(1, 2, 3));
  EXPECT_THAT(this->second_of({.prefix = a, .to = three, .backward = true}), ElementsAre(3, 2, 1));
  EXPECT_THAT(this->second_of({.prefix = a, .from = six, .to = three}), ElementsAre());
  const Key at_five{text("a"), std::int64_t{5}};
  EXPECT_THAT(this->second_of({.prefix = a, .after = at_five, .limit = 2}), ElementsAre(6, 7));
  EXPECT_THAT(this->second_of({.prefix = a, .after = at_five, .limit = 2, .backward = true}), ElementsAre(4, 3));
  EXPECT_THAT(this->second_of({.prefix = a, .after = at_five, .from = three, .to = six}), ElementsAre(6));
  EXPECT_THAT(this->second_of({.prefix = a, .after = at_five, .from = three, .to = six, .backward = true}),
              ElementsAre(4, 3));
  // A place to go on from that is not there (any more), or lies outside.
  const Key zero{text("a"), std::int64_t{0}}, ten{text("a"), std::int64_t{10}};
  EXPECT_THAT(this->second_of({.prefix = a, .after = zero, .limit = 1}), ElementsAre(1));
  EXPECT_THAT(this->second_of({.prefix = a, .after = ten}), ElementsAre());
  EXPECT_THAT(this->second_of({.prefix = a, .after = ten, .limit = 1, .backward = true}), ElementsAre(9));
  EXPECT_THAT(this->second_of({.prefix = a, .after = zero, .backward = true}), ElementsAre());
  EXPECT_EQ(this->scan(words, {.limit = 0}).size(), 0u);
  EXPECT_EQ(this->scan(words, {.limit = 20}).size(), 20u);
  EXPECT_EQ(this->scan(words, {}).size(), 27u);
  EXPECT_EQ(this->scan(words, {.prefix = {text("c")}}).size(), 0u);
  EXPECT_EQ(this->scan(words, {.from = Cell(text("a\x01")), .to = Cell(text("b"))}).size(), 18u);
}

TYPED_TEST(StoreContract, later_changes_of_a_key_win_within_a_batch) {
  StoreBatch batch;
  batch.put(numbers, {std::int64_t{1}, text("first")});
  batch.put(numbers, {std::int64_t{1}, text("second")});
  batch.put(numbers, {std::int64_t{2}, text("gone")});
  batch.erase(numbers, {std::int64_t{2}});
  batch.erase(numbers, {std::int64_t{3}});
  batch.put(numbers, {std::int64_t{3}, text("back")});
  this->write(std::move(batch));
  EXPECT_EQ(this->get(numbers, {std::int64_t{1}}), (Row{std::int64_t{1}, text("second")}));
  EXPECT_EQ(this->get(numbers, {std::int64_t{2}}), std::nullopt);
  EXPECT_EQ(this->get(numbers, {std::int64_t{3}}), (Row{std::int64_t{3}, text("back")}));
}

TYPED_TEST(StoreContract, a_batch_with_a_wrong_row_changes_nothing_at_all) {
  StoreBatch batch;
  batch.put(numbers, {std::int64_t{1}, text("right")});
  batch.put(numbers, {text("wrong"), text("type")});
  batch.cursor = port::Cursor{{port::Topic::events, 0}, 5, "log"};
  auto written = await(this->store->write(std::move(batch)));
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::internal);
  EXPECT_EQ(this->get(numbers, {std::int64_t{1}}), std::nullopt);
  EXPECT_FALSE(await(this->store->cursor({port::Topic::events, 0}))->has_value());
}

TYPED_TEST(StoreContract, readers_beside_a_writer_see_a_step_whole_or_not_at_all) {
  std::atomic<bool> stop{false};
  std::atomic<int> torn{0}, looked{0};
  std::thread reader([&] {
    while (!stop) {
      auto rows = await(this->store->scan(numbers, {}));
      if (rows && !rows->empty()) {
        ++looked;
        // All hundred rows of a step bear its name.
        for (const auto& row : *rows) torn += row[1] != rows->front()[1] || rows->size() != 100;
      }
    }
  });
  for (int step = 0; step < 300 || (looked < 20 && step < 100'000); ++step) {
    StoreBatch batch;
    for (std::int64_t n = 0; n < 100; ++n) batch.put(numbers, {n, std::to_string(step)});
    auto written = await(this->store->write(std::move(batch)));
    ASSERT_TRUE(written);
  }
  stop = true;
  reader.join();
  EXPECT_EQ(torn, 0);
  EXPECT_GT(looked, 0);
}

TYPED_TEST(StoreContract, every_partition_has_its_own_cursor) {
  const port::Partition events{port::Topic::events, 0}, second{port::Topic::events, 1},
      identity{port::Topic::identity, 0};
  EXPECT_FALSE(await(this->store->cursor(events))->has_value());
  StoreBatch one, two, three;
  one.cursor = port::Cursor{events, 5, "log-a"};
  two.cursor = port::Cursor{identity, UINT64_MAX, "log-a"};
  three.cursor = port::Cursor{events, 6, "log-b"};
  this->write(one);
  this->write(two);
  this->write(three);
  auto cursor = await(this->store->cursor(events));
  ASSERT_TRUE(cursor && cursor->has_value());
  EXPECT_EQ((*cursor)->next, 6u);
  EXPECT_EQ((*cursor)->log_id, "log-b");
  EXPECT_EQ((*cursor)->partition, events);
  EXPECT_EQ((**await(this->store->cursor(identity))).next, UINT64_MAX);
  EXPECT_FALSE(await(this->store->cursor(second))->has_value());
}

TYPED_TEST(StoreContract, a_body_of_many_megabytes_comes_back_byte_for_byte) {
  std::string body(24 * 1024 * 1024, '\0');
  std::mt19937 random(1);
  for (auto& c : body) c = static_cast<char>(random());
  this->put(words, {text("big"), std::int64_t{1}, body});
  auto row = this->get(words, {text("big"), std::int64_t{1}});
  ASSERT_TRUE(row);
  EXPECT_TRUE(std::get<std::string>((*row)[2]) == body);
}

TYPED_TEST(StoreContract, rows_older_than_their_table_keeps_are_as_if_never_written) {
  this->put(aged, {text("old"), text("note"), std::int64_t{10'000}});
  this->put(aged, {text("edge"), text("note"), std::int64_t{10'001}});
  this->put(aged, {text("new"), text(""), std::int64_t{11'000}});
  EXPECT_TRUE(this->get(aged, {text("old")}));  // exactly as old as is kept
  this->put(aged, {text("newer"), text("n"), std::int64_t{11'001}});
  EXPECT_FALSE(this->get(aged, {text("old")}));
  EXPECT_EQ(this->get(aged, {text("edge")}), (Row{text("edge"), text("note"), std::int64_t{10'001}}));
  EXPECT_EQ(this->scan(aged, {}).size(), 3u);
  this->put(aged, {text("late"), text("n"), std::int64_t{1}});  // time does not go back
  EXPECT_FALSE(this->get(aged, {text("old")}));
  EXPECT_FALSE(this->get(aged, {text("late")}));
}

TYPED_TEST(StoreContract, a_row_written_before_a_column_was_added_reads_with_nothing_there) {
  this->put(older_words, {text("a"), std::int64_t{1}});
  EXPECT_EQ(this->get(words, {text("a"), std::int64_t{1}}), (Row{text("a"), std::int64_t{1}, text("")}));
}

TYPED_TEST(StoreContract, says_its_size) {
  auto empty = this->store->bytes();
  this->put(words, {text("a"), std::int64_t{1}, std::string(100'000, 'x')});
  EXPECT_GT(this->store->bytes(), empty + 50'000);
}

TYPED_TEST(StoreContract, random_changes_leave_what_a_sorted_map_would_hold) {
  std::mt19937 random(42);
  std::map<std::pair<std::string, std::int64_t>, std::string> model;
  for (int step = 0; step < 200; ++step) {
    StoreBatch batch;
    for (int i = 0; i < 10; ++i) {
      std::string word(random() % 3, static_cast<char>(random() % 3 ? 0 : 255));
      auto n = static_cast<std::int64_t>(random() % 7) - 3;
      if (random() % 3) {
        std::string body = std::to_string(random());
        model[{word, n}] = body;
        batch.put(words, {word, n, body});
      } else {
        model.erase({word, n});
        batch.erase(words, {word, n});
      }
    }
    this->write(std::move(batch));
  }
  std::vector<Row> expected;
  for (const auto& [key, body] : model) expected.push_back({key.first, key.second, body});
  EXPECT_EQ(this->scan(words, {}), expected);
  std::reverse(expected.begin(), expected.end());
  EXPECT_EQ(this->scan(words, {.backward = true}), expected);
}

// What only a store on disk can keep.

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
