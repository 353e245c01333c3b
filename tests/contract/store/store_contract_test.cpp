// What every Store keeps, over every implementation (broker/port/store.h).
#include "tests/contract/store/store_contract.h"

#include <algorithm>
#include <atomic>
#include <random>
#include <thread>

namespace hutong::store {
namespace {

using ::testing::ElementsAre;

TEST_P(StoreContract, what_is_put_is_got_column_for_column) {
  put(words, {text("血糖"), std::int64_t{-7}, text("{\"a\":1}")});
  EXPECT_EQ(get(words, {text("血糖"), std::int64_t{-7}}), (Row{text("血糖"), std::int64_t{-7}, text("{\"a\":1}")}));
  EXPECT_EQ(get(words, {text("血糖"), std::int64_t{7}}), std::nullopt);
  EXPECT_EQ(get(words, {text("血"), std::int64_t{-7}}), std::nullopt);
}

TEST_P(StoreContract, integers_come_in_the_order_of_their_values) {
  const std::vector<std::int64_t> sorted{INT64_MIN, -1'000'000, -256, -255, -1, 0, 1, 255, 256, 65'536, INT64_MAX};
  auto shuffled = sorted;
  std::shuffle(shuffled.begin(), shuffled.end(), std::mt19937(7));
  for (auto n : shuffled) put(numbers, {n, text("x")});
  EXPECT_EQ(numbers_of({}), sorted);
  auto reversed = sorted;
  std::reverse(reversed.begin(), reversed.end());
  EXPECT_EQ(numbers_of({.backward = true}), reversed);
}

TEST_P(StoreContract, texts_come_in_the_order_of_their_bytes_zero_bytes_and_utf8_included) {
  using namespace std::string_literals;
  std::vector<std::string> sorted{""s,         "\0"s,  "\0\0"s, "\0\x01"s, "\0a"s,    "\0\xff"s,  "\x01"s,
                                  "a"s,        "a\0"s, "a\0b"s, "a\x01"s,  "aa"s,     "ab"s,      "b"s,
                                  "\xc3\xa9"s, "东"s,  "東"s,   "\xff"s,   "\xff\0"s, "\xff\xff"s};
  std::sort(sorted.begin(), sorted.end());
  auto shuffled = sorted;
  std::shuffle(shuffled.begin(), shuffled.end(), std::mt19937(7));
  for (const auto& word : shuffled) {
    for (std::int64_t n : {1, -1}) put(words, {word, n, text("{}")});
  }
  std::vector<std::string> seen;
  for (const auto& row : scan(words, {})) {
    if (std::get<std::int64_t>(row[1]) == -1) seen.push_back(std::get<std::string>(row[0]));
  }
  EXPECT_EQ(seen, sorted);
  for (const auto& word : sorted) {
    EXPECT_THAT(second_of({.prefix = {word}}), ElementsAre(-1, 1)) << testing::PrintToString(word);
  }
}

TEST_P(StoreContract, a_scan_begins_and_ends_where_it_is_told) {
  for (std::int64_t n = 1; n <= 9; ++n) {
    put(words, {text("a"), n, text("{}")});
    put(words, {text("a\x01"), n, text("{}")});
    put(words, {text("b"), n, text("{}")});
  }
  const Key a{text("a")};
  const Cell three = std::int64_t{3}, six = std::int64_t{6};
  EXPECT_THAT(second_of({.prefix = a, .from = three, .to = six}), ElementsAre(3, 4, 5, 6));
  EXPECT_THAT(second_of({.prefix = a, .from = three, .to = six, .backward = true}), ElementsAre(6, 5, 4, 3));
  EXPECT_THAT(second_of({.prefix = a, .from = six}), ElementsAre(6, 7, 8, 9));
  EXPECT_THAT(second_of({.prefix = a, .to = three}), ElementsAre(1, 2, 3));
  EXPECT_THAT(second_of({.prefix = a, .to = three, .backward = true}), ElementsAre(3, 2, 1));
  EXPECT_THAT(second_of({.prefix = a, .from = six, .to = three}), ElementsAre());
  const Key at_five{text("a"), std::int64_t{5}};
  EXPECT_THAT(second_of({.prefix = a, .after = at_five, .limit = 2}), ElementsAre(6, 7));
  EXPECT_THAT(second_of({.prefix = a, .after = at_five, .limit = 2, .backward = true}), ElementsAre(4, 3));
  EXPECT_THAT(second_of({.prefix = a, .after = at_five, .from = three, .to = six}), ElementsAre(6));
  EXPECT_THAT(second_of({.prefix = a, .after = at_five, .from = three, .to = six, .backward = true}),
              ElementsAre(4, 3));
  // A place to go on from that is not there (any more), or lies outside.
  const Key zero{text("a"), std::int64_t{0}}, ten{text("a"), std::int64_t{10}};
  EXPECT_THAT(second_of({.prefix = a, .after = zero, .limit = 1}), ElementsAre(1));
  EXPECT_THAT(second_of({.prefix = a, .after = ten}), ElementsAre());
  EXPECT_THAT(second_of({.prefix = a, .after = ten, .limit = 1, .backward = true}), ElementsAre(9));
  EXPECT_THAT(second_of({.prefix = a, .after = zero, .backward = true}), ElementsAre());
  EXPECT_EQ(scan(words, {.limit = 0}).size(), 0u);
  EXPECT_EQ(scan(words, {.limit = 20}).size(), 20u);
  EXPECT_EQ(scan(words, {}).size(), 27u);
  EXPECT_EQ(scan(words, {.prefix = {text("c")}}).size(), 0u);
  EXPECT_EQ(scan(words, {.from = Cell(text("a\x01")), .to = Cell(text("b"))}).size(), 18u);
}

TEST_P(StoreContract, later_changes_of_a_key_win_within_a_batch) {
  StoreBatch batch;
  batch.put(numbers, {std::int64_t{1}, text("first")});
  batch.put(numbers, {std::int64_t{1}, text("second")});
  batch.put(numbers, {std::int64_t{2}, text("gone")});
  batch.erase(numbers, {std::int64_t{2}});
  batch.erase(numbers, {std::int64_t{3}});
  batch.put(numbers, {std::int64_t{3}, text("back")});
  write(std::move(batch));
  EXPECT_EQ(get(numbers, {std::int64_t{1}}), (Row{std::int64_t{1}, text("second")}));
  EXPECT_EQ(get(numbers, {std::int64_t{2}}), std::nullopt);
  EXPECT_EQ(get(numbers, {std::int64_t{3}}), (Row{std::int64_t{3}, text("back")}));
}

TEST_P(StoreContract, a_batch_with_a_wrong_row_changes_nothing_at_all) {
  StoreBatch batch;
  batch.put(numbers, {std::int64_t{1}, text("right")});
  batch.put(numbers, {text("wrong"), text("type")});
  batch.cursor = port::Cursor{{port::Topic::events, 0}, 5, "log"};
  auto written = await(store->write(std::move(batch)));
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::internal);
  EXPECT_EQ(get(numbers, {std::int64_t{1}}), std::nullopt);
  EXPECT_FALSE(await(store->cursor({port::Topic::events, 0}))->has_value());
}

TEST_P(StoreContract, readers_beside_a_writer_see_a_step_whole_or_not_at_all) {
  std::atomic<bool> stop{false};
  std::atomic<int> torn{0}, looked{0};
  std::thread reader([&] {
    while (!stop) {
      auto rows = await(store->scan(numbers, {}));
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
    auto written = await(store->write(std::move(batch)));
    ASSERT_TRUE(written);
  }
  stop = true;
  reader.join();
  EXPECT_EQ(torn, 0);
  EXPECT_GT(looked, 0);
}

TEST_P(StoreContract, every_partition_has_its_own_cursor) {
  const port::Partition events{port::Topic::events, 0}, second{port::Topic::events, 1},
      identity{port::Topic::identity, 0};
  EXPECT_FALSE(await(store->cursor(events))->has_value());
  StoreBatch one, two, three;
  one.cursor = port::Cursor{events, 5, "log-a"};
  two.cursor = port::Cursor{identity, UINT64_MAX, "log-a"};
  three.cursor = port::Cursor{events, 6, "log-b"};
  write(one);
  write(two);
  write(three);
  auto cursor = await(store->cursor(events));
  ASSERT_TRUE(cursor && cursor->has_value());
  EXPECT_EQ((*cursor)->next, 6u);
  EXPECT_EQ((*cursor)->log_id, "log-b");
  EXPECT_EQ((*cursor)->partition, events);
  EXPECT_EQ((**await(store->cursor(identity))).next, UINT64_MAX);
  EXPECT_FALSE(await(store->cursor(second))->has_value());
}

TEST_P(StoreContract, a_writer_that_did_not_see_the_last_step_writes_nothing) {
  const port::Partition events{port::Topic::events, 0}, identity{port::Topic::identity, 0};
  const port::Cursor none{events, 0, ""}, no_identity{identity, 0, ""}, five{events, 5, "log"};
  auto step = [&](std::int64_t n, const port::Cursor& to, std::vector<port::Cursor> expected) {
    StoreBatch batch;
    batch.put(numbers, {n, text("x")});
    batch.cursor = to;
    batch.expected = std::move(expected);
    return await(store->write(std::move(batch)));
  };
  ASSERT_TRUE(step(1, five, {none, no_identity}));
  // Made from the state before that step: of the same partition, or of another beside it.
  for (const auto& to : {port::Cursor{events, 3, "log"}, port::Cursor{identity, 1, "log"}}) {
    auto stale = step(2, to, {none, no_identity});
    ASSERT_FALSE(stale);
    EXPECT_EQ(stale.error().code, ErrorCode::conflict);
  }
  auto of_another_log = step(2, {events, 6, "log"}, {{events, 5, "other"}});
  ASSERT_FALSE(of_another_log);
  EXPECT_THAT(numbers_of({}), ElementsAre(1));
  EXPECT_EQ(**await(store->cursor(events)), five);
  EXPECT_FALSE(await(store->cursor(identity))->has_value());
  EXPECT_TRUE(step(2, {identity, 1, "log"}, {five, no_identity}));
  EXPECT_THAT(numbers_of({}), ElementsAre(1, 2));
}

TEST_P(StoreContract, many_looks_at_once_are_answered_in_their_order) {
  std::vector<port::Lookup> lookups;
  for (std::int64_t n = 0; n < 1000; ++n) {
    if (n % 3 == 0) put(numbers, {n, std::to_string(n)});
    lookups.push_back({&numbers, {n}});
  }
  put(aged, {text("id"), text("note"), std::int64_t{7}});
  lookups.push_back({&aged, {text("id")}});
  auto rows = await(store->get_many(std::move(lookups)));
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->size(), 1001u);
  for (std::int64_t n = 0; n < 1000; ++n) {
    const auto& row = (*rows)[static_cast<std::size_t>(n)];
    ASSERT_EQ(row.has_value(), n % 3 == 0);
    if (row) ASSERT_EQ(*row, (Row{n, std::to_string(n)}));
  }
  EXPECT_EQ(rows->back(), (Row{text("id"), text("note"), std::int64_t{7}}));
  EXPECT_TRUE(await(store->get_many({}))->empty());
}

TEST_P(StoreContract, the_caller_goes_on_where_it_was) {
  auto here = [&]() -> net::awaitable<bool> {
    const auto thread = std::this_thread::get_id();
    (void)co_await store->get(numbers, {std::int64_t{1}});
    (void)co_await store->write(StoreBatch());
    co_return std::this_thread::get_id() == thread;
  };
  EXPECT_TRUE(await(here()));
}

TEST_P(StoreContract, a_body_of_many_megabytes_comes_back_byte_for_byte) {
  std::string body(24 * 1024 * 1024, '\0');
  std::mt19937 random(1);
  for (auto& c : body) c = static_cast<char>(random());
  put(words, {text("big"), std::int64_t{1}, body});
  auto row = get(words, {text("big"), std::int64_t{1}});
  ASSERT_TRUE(row);
  EXPECT_TRUE(std::get<std::string>((*row)[2]) == body);
}

TEST_P(StoreContract, rows_older_than_their_table_keeps_are_as_if_never_written) {
  put(aged, {text("old"), text("note"), std::int64_t{10'000}});
  put(aged, {text("edge"), text("note"), std::int64_t{10'001}});
  put(aged, {text("new"), text(""), std::int64_t{11'000}});
  EXPECT_TRUE(get(aged, {text("old")}));  // exactly as old as is kept
  put(aged, {text("newer"), text("n"), std::int64_t{11'001}});
  EXPECT_FALSE(get(aged, {text("old")}));
  EXPECT_EQ(get(aged, {text("edge")}), (Row{text("edge"), text("note"), std::int64_t{10'001}}));
  EXPECT_EQ(scan(aged, {}).size(), 3u);
  put(aged, {text("late"), text("n"), std::int64_t{1}});  // time does not go back
  EXPECT_FALSE(get(aged, {text("old")}));
  EXPECT_FALSE(get(aged, {text("late")}));
}

TEST_P(StoreContract, a_row_written_before_a_column_was_added_reads_with_nothing_there) {
  put(older_words, {text("a"), std::int64_t{1}});
  EXPECT_EQ(get(words, {text("a"), std::int64_t{1}}), (Row{text("a"), std::int64_t{1}, text("")}));
}

TEST_P(StoreContract, says_its_size) {
  auto empty = store->bytes();
  std::string body(100'000, '\0');
  std::mt19937 random(1);
  for (auto& c : body) c = static_cast<char>('0' + random() % 75);  // nothing to compress
  put(words, {text("a"), std::int64_t{1}, body});
  EXPECT_GT(store->bytes(), empty + 50'000);
}

TEST_P(StoreContract, random_changes_leave_what_a_sorted_map_would_hold) {
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
    write(std::move(batch));
  }
  std::vector<Row> expected;
  for (const auto& [key, body] : model) expected.push_back({key.first, key.second, body});
  EXPECT_EQ(scan(words, {}), expected);
  std::reverse(expected.begin(), expected.end());
  EXPECT_EQ(scan(words, {.backward = true}), expected);
}

}  // namespace
}  // namespace hutong::store
