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
    if (random() % 4) made.order = "O-" + std::to_string(i);
    if (random() % 20 == 0) made.encounter = "emergency";
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
    // Asked again: the same offer, or another one; and the doctor may answer either page.
    std::vector<RecordId> pages{made.id};
    while (!made.order.empty() && random() % 6 == 0) {
      made.id = RecordId(sha256("again " + std::to_string(i) + "/" + std::to_string(pages.size())));
      for (auto& line : made.lines) {
        if (!line.results.empty() && random() % 2) line.results[0].version += 1;
      }
      pages.push_back(made.id);
      send(model::recognition_decided_kind, made.id, model::write(made));
    }
    for (auto clicks = open.empty() ? 0 : random() % 6; clicks > 0; --clicks) {
      static constexpr OutcomeKind kinds[] = {OutcomeKind::viewed, OutcomeKind::recognised, OutcomeKind::recognised,
                                              OutcomeKind::refused, OutcomeKind::undone};
      model::RecognitionOutcome said;
      said.id = RecordId(sha256("click " + std::to_string(++clicks_)));
      said.decision = pages[random() % pages.size()];
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

  // The same order, or another, came as a message: answered by the safety net.
  void placed(std::uint64_t i, std::mt19937& random) {
    model::RecognitionDecided made;
    made.id = RecordId(sha256("placed " + std::to_string(i)));
    made.at = clock.now();
    made.facility = "f" + std::to_string(random() % 20);
    made.door = model::order_door;
    made.order = "O-" + std::to_string(i);
    made.zone_day = "2026-07-01";
    if (random() % 20 == 0) made.encounter = "emergency";
    if (random() % 3 == 0) {
      made.follows = number(i);
    } else {
      ++placed_;
      model::DecidedLine line;
      line.item = line.code = "L" + std::to_string(random() % 60);
      line.verdict = random() % 2 ? "recognisable" : random() % 2 ? "clinician-decides" : "not-recognisable";
      line.price_fen = 700;
      if (line.verdict != "not-recognisable")
        line.results.push_back({line.item, to_hex(std::string(16, 'r')), "o", 1, "h", "lab", ""});
      made.lines.push_back(std::move(line));
    }
    for (auto times = 1 + (random() % 10 == 0); times > 0; --times)
      send(model::recognition_decided_kind, made.id, model::write(made));
  }

  // From the documents alone, by another way than the fold: first which questions were one order, then how each ordered
  // line ended, then what that counts.
  Counts recount() {
    struct Line {  // one that was ordered, however often it was asked about
      std::vector<std::string> where;
      std::string order, item, verdict, offer, end, reason;
      std::int64_t price = 0;
      bool offered = false, seen = false, counted = true, told = false, emergency = false, repeated = false;
    };
    std::vector<Line> ordered;
    std::map<std::string, std::size_t> by_name;                           // of a line that has a name
    std::map<std::pair<std::string, std::uint32_t>, std::size_t> asked;   // decision and place → line
    std::map<std::pair<std::string, std::uint32_t>, std::string> offers;  // and what it offered
    std::set<std::string> met;
    const auto text = [](const rapidjson::Value& value, const char* name) {
      return std::string(value.HasMember(name) ? value[name].GetString() : "");
    };
    const auto offer_of = [&](const rapidjson::Value& line) {
      std::string all;
      if (!line.HasMember("results")) return all;
      for (const auto& result : line["results"].GetArray())
        all += text(result, "report") + "/" + std::to_string(result["version"].GetInt64()) + " ";
      return all;
    };
    for (port::Offset from = 0;;) {
      const auto slice = await(log.read({port::Topic::operations, 0}, from, {}));
      EXPECT_TRUE(slice);
      if (!slice || slice->records.empty()) break;
      from = slice->next;
      for (const auto& stored : slice->records) {
        rapidjson::Document json;
        json.Parse(stored.record.json.c_str());
        if (!met.insert(text(json, "id")).second) continue;
        if (text(json, "door") == "order") {  // nobody was asked
          if (json.HasMember("follows")) continue;
          for (const auto& said : json["lines"].GetArray()) {
            Line line;
            line.where = {text(json, "countsOn"), text(json, "facility"), text(json, "department")};
            line.order = text(json, "id");
            line.item = text(said, "item");
            line.verdict = text(said, "verdict");
            line.emergency = text(json, "encounter") == "emergency";
            line.repeated = line.verdict == "recognisable";
            ordered.push_back(line);
          }
          continue;
        }
        if (text(json, "kind") == "recognition.decided") {
          std::uint32_t place = 0;
          std::map<std::string, int> alike;
          for (const auto& said : json["lines"].GetArray()) {
            Line line;
            line.where = {text(json, "countsOn"), text(json, "facility"), text(json, "department")};
            line.order = text(json, "id");
            line.item = text(said, "item");
            line.verdict = text(said, "verdict");
            line.offer = offer_of(said);
            line.price = said.HasMember("priceFen") ? said["priceFen"].GetInt64() : 0;
            line.emergency = text(json, "encounter") == "emergency";
            line.offered = !line.offer.empty() && !line.emergency;
            const auto number = text(json, "order");
            const auto which = std::to_string(alike[line.item]++);  // an order may hold one item twice
            const auto name = number.empty() ? "" : line.where[0] + line.where[1] + number + "/" + line.item + which;
            const auto here = std::pair(text(json, "id"), place++);
            offers[here] = line.offer;
            if (const auto before = by_name.find(name); !name.empty() && before != by_name.end()) {
              auto& old = ordered[before->second];
              if (old.offer == line.offer) {
                line.end = old.end;
                line.reason = old.reason;
                line.seen = old.seen;
                line.counted = old.counted;
                line.told = old.told;
                line.offered = old.offered;
              }
              asked[here] = before->second;
              old = line;
            } else {
              asked[here] = ordered.size();
              if (!name.empty()) by_name[name] = ordered.size();
              ordered.push_back(line);
            }
          }
          continue;
        }
        for (const auto& said : json["lines"].GetArray()) {
          const auto here = std::pair(text(json, "decision"), said["line"].GetUint());
          auto& line = ordered[asked.at(here)];
          if (line.offer != offers[here]) continue;  // asked again since, on another offer
          const auto outcome = text(said, "outcome");
          line.offered = true;
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
    struct Order {
      std::vector<std::string> where;
      bool offered = false, seen = false, emergency = false;
    };
    std::map<std::string, Order> orders;
    for (const auto& line : ordered) {
      const auto add = [&](const std::string& measure, std::int64_t by = 1) {
        if (by) counts[{line.where[0], line.where[1], line.where[2], line.item, measure}] += by;
      };
      add("ordered");
      add(line.verdict);
      if (line.repeated) add("repeated");
      if (line.offered) add("offered");
      if (line.seen) add("viewed");
      if (line.end == "recognised") {
        add("recognised");
        add("saved-fen", line.price);
      }
      if (line.end == "refused") {
        add((line.counted ? "refused:" : "refused-uncounted:") + line.reason);
        if (line.counted && line.told) add("told");
      }
      auto& order = orders[line.order];
      order.where = line.where;
      order.offered |= line.offered;
      order.seen |= line.seen;
      order.emergency |= line.emergency;
    }
    for (const auto& [id, order] : orders) {
      const auto add = [&](const char* measure) {
        counts[{order.where[0], order.where[1], order.where[2], "", measure}] += 1;
      };
      add("orders");
      if (order.emergency) add("emergency");
      if (order.offered) add("prompts");
      if (order.seen) add("looked-at");
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
  std::uint64_t clicks_ = 0, placed_ = 0;
  std::vector<port::Record> batch_;
};

TEST_F(Year, TheCountersAreTheEventsRecounted) {
  std::mt19937 random(7);
  for (std::uint64_t i = 0; i < orders_; ++i) {
    order(i, random);
    if (random() % 3 == 0) placed(i, random);
  }
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
  EXPECT_EQ(orders, static_cast<std::int64_t>(orders_ + placed_));
  EXPECT_TRUE(made == expected) << "the first difference is in "
                                << (made.size() == expected.size() ? "a count" : "which counters there are");
  EXPECT_TRUE(counted(*rebuilt()) == expected) << "after a rebuild";
}

}  // namespace
}  // namespace hutong::pipeline
