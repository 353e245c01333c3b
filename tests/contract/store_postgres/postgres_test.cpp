// The store's contract over PostgreSQL, and what an operator finds there.
#include <thread>

#include "broker/port/tables.h"
#include "tests/contract/store_postgres/server.h"

namespace hutong::store {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class OnPostgres final : public StoreUnderTest {
 public:
  port::Store& store() override { return *store_; }

 private:
  Schema schema_;
  std::unique_ptr<PostgresStore> store_ = open(schema_.options());
};

std::unique_ptr<StoreUnderTest> on_postgres() {
  return std::make_unique<OnPostgres>();
}
INSTANTIATE_TEST_SUITE_P(on_postgres, StoreContract, ::testing::Values(on_postgres));

class Postgres : public ::testing::Test {
 protected:
  Schema schema;
  Psql psql{schema.name()};
};

TEST_F(Postgres, an_operator_reads_tables_and_columns_by_their_names) {
  auto store = open(schema.options());
  StoreBatch batch;
  batch.put(words, {text("血糖"), std::int64_t{7}, text("{\"b\":1.50, \"a\":[]}")});
  batch.cursor = port::Cursor{{port::Topic::events, 0}, 12, "log"};
  ASSERT_TRUE(await(store->write(std::move(batch))));
  EXPECT_THAT(psql.run("SELECT word || '/' || n || '/' || body FROM words"),
              ElementsAre("血糖/7/{\"b\":1.50, \"a\":[]}"));
  EXPECT_THAT(psql.run("SELECT body::json->>'b' FROM words"), ElementsAre("1.50"));
  EXPECT_THAT(psql.run("SELECT topic || '/' || partition || '/' || next || '/' || log FROM cursors"),
              ElementsAre("events/0/12/log"));
}

TEST_F(Postgres, the_brokers_own_tables_have_views_that_say_times_as_times) {
  auto options = schema.options();
  options.tables = port::tables::all;
  auto store = open(options);
  StoreBatch batch;
  for (std::int64_t n = 0; n < 3; ++n) {
    batch.put(port::tables::reports,
              {text("h1"), text("P1"), -1'780'000'000'000'000 - n, std::to_string(n), std::int64_t{1} + (n == 2),
               text("final"), text("laboratory"), std::int64_t{1'780'000'000'000'000}, n, text("id.1"), text("hash"),
               text("{\"status\":\"final\"}")});
  }
  ASSERT_TRUE(await(store->write(std::move(batch))));
  psql.run("SET TimeZone = 'UTC'");
  EXPECT_THAT(psql.run("SELECT day || ' ' || results || ' ' || corrected FROM results_per_hospital_and_day"),
              ElementsAre("2026-05-28 3 1"));
  EXPECT_THAT(psql.run("SELECT body->>'status' FROM results_readable LIMIT 1"), ElementsAre("final"));
  for (const char* view : {"patients_readable", "feeds_readable", "refused_messages", "codes_without_map"}) {
    EXPECT_THAT(psql.run(std::string("SELECT 1 FROM ") + view), IsEmpty());
  }
  open(options);  // again, over what is there
}

TEST_F(Postgres, what_is_forgotten_is_removed_with_later_steps) {
  auto store = open(schema.options());
  for (std::int64_t n = 0; n < 40; ++n) {
    StoreBatch batch;
    batch.put(aged, {std::to_string(n), text(""), n * 100});
    ASSERT_TRUE(await(store->write(std::move(batch))));
  }
  EXPECT_THAT(psql.run("SELECT min(at) || '/' || count(*) FROM aged"), ElementsAre("2900/11"));
  // Another broker on the same database shows the same.
  auto other = open(schema.options());
  psql.run("INSERT INTO aged (id, note, at) VALUES ('old', '', 2899)");
  EXPECT_EQ(await(other->scan(aged, {}))->size(), 11u);
}

TEST_F(Postgres, a_text_that_is_not_utf8_is_kept_and_found) {
  auto store = open(schema.options());
  for (const std::string& word : {std::string("a\0b", 3), text("\x01"), text("\xff\xfe"), text("ok\xc3"),
                                  text("\xf4\x8f\xbf\xbf"), text("\xed\xa0\x80")}) {
    StoreBatch batch;
    batch.put(words, {word, std::int64_t{1}, word});
    ASSERT_TRUE(await(store->write(std::move(batch))));
    EXPECT_EQ(await(store->get(words, {word, std::int64_t{1}})), (Row{word, std::int64_t{1}, word}));
  }
}

TEST_F(Postgres, a_backup_is_left_to_the_server_and_says_how) {
  auto copied = await(open(schema.options())->checkpoint("/nowhere"));
  ASSERT_FALSE(copied);
  EXPECT_EQ(copied.error().code, ErrorCode::invalid);
  EXPECT_THAT(copied.error().message, HasSubstr("pg_dump --schema=" + schema.name()));
}

// --- the schema's versions

TEST_F(Postgres, two_brokers_that_start_at_once_make_the_schema_once) {
  std::vector<std::thread> brokers;
  std::atomic<int> opened{0};
  for (int i = 0; i < 4; ++i) {
    brokers.emplace_back([&] { opened += PostgresStore::open(schema.options()).has_value(); });
  }
  for (auto& broker : brokers) broker.join();
  EXPECT_EQ(opened, 4);
  EXPECT_THAT(psql.run("SELECT version FROM migrations"), ElementsAre("1"));
}

TEST_F(Postgres, a_schema_newer_than_the_program_is_refused_and_left_alone) {
  open(schema.options());
  psql.run("INSERT INTO migrations (version, what) VALUES (1000, 'of tomorrow')");
  psql.run("DROP TABLE words");
  auto opened = PostgresStore::open(schema.options());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::conflict);
  EXPECT_THAT(opened.error().message, HasSubstr("version 1000"));
  EXPECT_THAT(psql.run("SELECT to_regclass('words') IS NULL"), ElementsAre("t"));
}

TEST_F(Postgres, a_table_grows_by_columns_and_never_shrinks) {
  static const port::Table* const earlier[] = {&older_words};
  auto options = schema.options();
  options.tables = earlier;
  {
    StoreBatch batch;
    batch.put(older_words, {text("a"), std::int64_t{1}});
    ASSERT_TRUE(await(open(options)->write(std::move(batch))));
  }
  EXPECT_EQ(await(open(schema.options())->get(words, {text("a"), std::int64_t{1}})),
            (Row{text("a"), std::int64_t{1}, text("")}));
  auto back = PostgresStore::open(options);
  ASSERT_FALSE(back);
  EXPECT_EQ(back.error().code, ErrorCode::conflict);
  EXPECT_THAT(back.error().message, HasSubstr("newer program"));
}

TEST_F(Postgres, a_table_that_is_somebody_elses_is_refused_with_advice) {
  psql.run("CREATE SCHEMA " + schema.name());
  psql.run("CREATE TABLE words (word text, n text, body text)");
  auto opened = PostgresStore::open(schema.options());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::conflict);
  EXPECT_THAT(opened.error().message, HasSubstr("hutong rebuild"));
}

TEST_F(Postgres, a_refused_connection_is_told_without_its_password) {
  auto options = schema.options();
  options.connection = "host=/nowhere user=hutong password=geheim";
  auto opened = PostgresStore::open(options);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::unavailable);
  EXPECT_THAT(opened.error().message, ::testing::AllOf(HasSubstr("/nowhere"), Not(HasSubstr("geheim"))));
}

}  // namespace
}  // namespace hutong::store
