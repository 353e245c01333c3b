// What every Store keeps (store_contract_test.cpp), and the tables it is tried with. A program that links the suite
// says over which implementations: INSTANTIATE_TEST_SUITE_P(name, StoreContract, ::testing::Values(Factory...)).
#pragma once

#include <gmock/gmock.h>

#include <memory>
#include <string>

#include "broker/port/store.h"
#include "tests/support/await.h"

namespace hutong::store {

using port::Cell;
using port::ColumnType;
using port::Key;
using port::Row;
using port::Scan;
using port::StoreBatch;
using tests::await;

inline constexpr port::Column number_columns[] = {{"n", ColumnType::integer}, {"what", ColumnType::text}};
inline constexpr port::Table numbers{"numbers", 200, number_columns, 1};
inline constexpr port::Column word_columns[] = {
    {"word", ColumnType::text}, {"n", ColumnType::integer}, {"body", ColumnType::json}};
inline constexpr port::Table words{"words", 201, word_columns, 2};
inline constexpr port::Column aged_columns[] = {
    {"id", ColumnType::bytes}, {"note", ColumnType::text}, {"at", ColumnType::integer}};
inline constexpr port::Table aged{"aged", 202, aged_columns, 1, 2, 1000};
// The same table in an earlier version, before `body` was added.
inline constexpr port::Table older_words{"words", 201, std::span(word_columns).first(2), 2};
inline constexpr const port::Table* test_tables[] = {&numbers, &words, &aged};

inline std::string text(std::string_view bytes) {
  return std::string(bytes);
}

// A new, empty store with `test_tables`, and what it needs around it.
class StoreUnderTest {
 public:
  virtual ~StoreUnderTest() = default;
  virtual port::Store& store() = 0;
};
using Factory = std::unique_ptr<StoreUnderTest> (*)();

class StoreContract : public ::testing::TestWithParam<Factory> {
 protected:
  std::unique_ptr<StoreUnderTest> under_test = GetParam()();
  port::Store* store = &under_test->store();

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

}  // namespace hutong::store
