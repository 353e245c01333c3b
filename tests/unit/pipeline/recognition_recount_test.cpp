// A year of a city in events: the statistics' counters equal an independent recount of the log to the last digit, and
// so they do after a rebuild. HUTONG_ORDERS says how many orders (5,000 in a test run; a campaign takes 1,000,000).
#include <gtest/gtest.h>
#include <rapidjson/document.h>

#include <cstdlib>
#include <random>
#include <set>

#include "broker/model/recognition.h"
#include "tests/unit/pipeline/projector_fixture.h"

namespace hutong::pipeline {
namespace {

using model::OutcomeKind;
using Counts = std::map<std::vector<std::string>, std::int64_t>;  // day, facility, department, item, measure

class Year : public ProjectorTest {
 protected:
  static RecordId number(std::uint64_t i) { return RecordId(sha256("order " + std::to_string(i))); }

  void send(std::string_view kind, const RecordId& id, std::string json) {
    port::Record record;
    record.id = id;
    record.key = "cc/" + id.hex();
    record.kinds = kind;
    record.json = std::move(json);
    batch_.push_back(std::move(record));
    if (batch_.size() == 1000) flush();
  }
  void flush() {
    if (batch_.empty()) return;
    clock.advance(std::chrono::seconds(30));
    ASSERT_TRUE(await(log.append(port::Topic::operations, std::move(batch_))));
    batch_.clear();
  }

  void order(std::uint64_t i, std::mt19937& random) {
    const auto day = i * 365 / orders_;
    model::RecognitionDecided made;
    made.id = number(i);
    made.at = clock.now();
    made.facility = "f" + std::to_string(random() % 20);
    made.department = random() % 8 ? "d" + std::to_string(random() % 6) : "";
    made.zone_day =
        to_iso(Timestamp{1'767'225'600'000'000 + static_cast<std::int64_t>(day) * 86'400'000'000}).substr(0, 10);
    const auto lines = 1 + random() % 8;
    std::vector<std::uint32_t> open;
    for (std::uint32_t at = 0; at < lines; ++at) {
      model::DecidedLine line;
      line.item = line.code = "L" + std::to_string(random() % 60);
      line.price_fen = random() % 10 ? static_cast<std::int64_t>(random() % 50'000) : -1;
      switch (random() % 3) {
        case 0: line.verdict = "recognisable"; break;
        case 1: line.verdict = "clinician-decides"; break;
        default: line.verdict = "not-recognisable";
      }
      if (line.verdict != "not-recognisable") {
        line.results.push_back(
            {line.item, to_hex(std::string(16, static_cast<char>(random()))), "o", 1, "h", "lab", ""});
        open.push_back(at);
      }
      made.lines.push_back(std::move(line));
    }
    send(model::recognition_decided_kind, made.id, model::write(made));
    if (random() % 50 == 0)
      send(model::recognition_decided_kind, made.id, model::write(made));  // the log may hold one twice
    for (auto clicks = open.empty() ? 0 : random() % 6; clicks > 0; --clicks) {
      static constexpr OutcomeKind kinds[] = {OutcomeKind::viewed, OutcomeKind::recognised, OutcomeKind::recognised,
                                              OutcomeKind::refused, OutcomeKind::undone};
      model::RecognitionOutcome said;
      said.id = RecordId(sha256("click " + std::to_string(++clicks_)));
      said.decision = made.id;
      said.at = clock.now();
      said.facility = made.facility;
      for (const auto at : open) {
        if (random() % 2) continue;
        model::LineOutcome line;
        line.line = at;
        line.outcome = kinds[random() % std::size(kinds)];
        if (line.outcome == OutcomeKind::refused) {
          const auto reason = 1 + random() % 9;
          line.reason = reason == 9 ? "98" : "0" + std::to_string(reason);
          line.counted = reason != 9;
          if (random() % 3) line.told = random() % 2 == 0;
        }
        said.lines.push_back(std::move(line));
      }
      send(model::recognition_outcome_kind, said.id, model::write(said));
      if (random() % 50 == 0) send(model::recognition_outcome_kind, said.id, model::write(said));
    }
  }

  // From the documents alone, by another way than the fold: first how each line ended, then what that counts.
  Counts recount() {
    struct Line {
      std::string item, verdict, end, reason;
      std::int64_t price = 0;
      bool offered = false, seen = false, counted = true, told = false;
    };
    struct Order {
      std::vector<std::string> where;
      std::vector<Line> lines;
    };
    std::map<std::string, Order> all;
    std::set<std::string> met;
    for (port::Offset from = 0;;) {
      const auto slice = await(log.read({port::Topic::operations, 0}, from, {}));
      EXPECT_TRUE(slice);
      if (!slice || slice->records.empty()) break;
      from = slice->next;
      for (const auto& stored : slice->records) {
        rapidjson::Document json;
        json.Parse(stored.record.json.c_str());
        const auto text = [](const rapidjson::Value& value, const char* name) {
          return std::string(value.HasMember(name) ? value[name].GetString() : "");
        };
        if (!met.insert(text(json, "id")).second) continue;
        if (text(json, "kind") == "recognition.decided") {
          auto& made = all[text(json, "id")];
          made.where = {text(json, "countsOn"), text(json, "facility"), text(json, "department")};
          for (const auto& line : json["lines"].GetArray()) {
            made.lines.push_back({text(line, "item"), text(line, "verdict"), "", "",
                                  line.HasMember("priceFen") ? line["priceFen"].GetInt64() : 0,
                                  line.HasMember("results"), false, true, false});
          }
          continue;
        }
        auto& made = all[text(json, "decision")];
        for (const auto& said : json["lines"].GetArray()) {
          auto& line = made.lines[said["line"].GetUint()];
          const auto outcome = text(said, "outcome");
          if (outcome != "undone") line.seen = true;
          if (outcome == "viewed") continue;
          line.end = outcome;
          line.reason = text(said, "reason");
          line.counted = !said.HasMember("counted") || said["counted"].GetBool();
          line.told = said.HasMember("told") && said["told"].GetBool();
        }
      }
    }
    Counts counts;
    for (const auto& [id, made] : all) {
      const auto add = [&](const std::string& item, const std::string& measure, std::int64_t by = 1) {
        if (by) counts[{made.where[0], made.where[1], made.where[2], item, measure}] += by;
      };
      bool offered = false, seen = false;
      for (const auto& line : made.lines) {
        add(line.item, "ordered");
        add(line.item, line.verdict);
        if (line.offered) add(line.item, "offered");
        if (line.seen) add(line.item, "viewed");
        if (line.end == "recognised") {
          add(line.item, "recognised");
          add(line.item, "saved-fen", line.price);
        }
        if (line.end == "refused") {
          add(line.item, (line.counted ? "refused:" : "refused-uncounted:") + line.reason);
          if (line.counted && line.told) add(line.item, "told");
        }
        offered = offered || line.offered;
        seen = seen || line.seen;
      }
      add("", "orders");
      if (offered) add("", "prompts");
      if (seen) add("", "looked-at");
    }
    return counts;
  }

  static Counts counted(port::Store& from) {
    Counts counts;
    std::optional<port::Key> after;
    while (true) {
      port::Scan scan;
      scan.after = after;
      scan.limit = 10'000;
      const auto rows = *await(from.scan(tables::recognition_counts, std::move(scan)));
      for (const auto& row : rows) {
        std::vector<std::string> key;
        for (std::size_t i = 0; i < 5; ++i) key.push_back(text(row, i));
        counts[key] = ProjectorTest::number(row, 5);
      }
      if (rows.empty()) return counts;
      after = port::Key(rows.back().begin(), rows.back().begin() + 5);
    }
  }

  std::uint64_t orders_ =
      std::getenv("HUTONG_ORDERS") ? std::strtoull(std::getenv("HUTONG_ORDERS"), nullptr, 10) : 5'000;
  std::uint64_t clicks_ = 0;
  std::vector<port::Record> batch_;
};

TEST_F(Year, TheCountersAreTheEventsRecounted) {
  std::mt19937 random(7);
  for (std::uint64_t i = 0; i < orders_; ++i) order(i, random);
  flush();
  project();
  const Counts expected = recount(), made = counted(*store);
  std::int64_t orders = 0, recognised = 0, saved = 0;
  for (const auto& [key, count] : expected) {
    orders += key[4] == "orders" ? count : 0;
    recognised += key[4] == "recognised" ? count : 0;
    saved += key[4] == "saved-fen" ? count : 0;
  }
  std::printf("%lld orders, %lld recognised, %lld fen saved, %zu counters\n", static_cast<long long>(orders),
              static_cast<long long>(recognised), static_cast<long long>(saved), expected.size());
  EXPECT_EQ(orders, static_cast<std::int64_t>(orders_));
  EXPECT_TRUE(made == expected) << "the first difference is in "
                                << (made.size() == expected.size() ? "a count" : "which counters there are");
  EXPECT_TRUE(counted(*rebuilt()) == expected) << "after a rebuild";
}

}  // namespace
}  // namespace hutong::pipeline
