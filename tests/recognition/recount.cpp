#include "tests/recognition/recount.h"

#include <rapidjson/document.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <set>
#include <stdexcept>
#include <unordered_map>

#include "tests/support/await.h"

namespace hutong::tests {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t decks = 128;  // files that are dealt into at once

std::string text(const rapidjson::Value& value, const char* name) {
  return value.HasMember(name) ? value[name].GetString() : "";
}

bool is_decision(const rapidjson::Value& json) {
  return text(json, "kind") == "recognition.decided";
}

rapidjson::Document parsed(const std::string& json) {
  rapidjson::Document document;
  document.Parse(json.c_str());
  if (document.HasParseError()) throw std::runtime_error("a document of the log does not read");
  return document;
}

// A file of documents, each behind the place that it has in the log: "OFFSET JSON", one a line.
class Deck {
 public:
  explicit Deck(const fs::path& path) : out_(path, std::ios::binary | std::ios::app) {
    if (!out_) throw std::runtime_error("cannot write " + path.string());
  }
  void put(port::Offset offset, const std::string& json) { out_ << offset << ' ' << json << '\n'; }
  void close() {
    out_.close();
    if (!out_) throw std::runtime_error("the recount's folder is full");
  }

 private:
  std::ofstream out_;
};

using Placed = std::pair<port::Offset, std::string>;

std::vector<Placed> read(const fs::path& path) {
  std::vector<Placed> all;
  std::ifstream in(path, std::ios::binary);
  for (std::string line; std::getline(in, line);) {
    const auto blank = line.find(' ');
    all.emplace_back(std::stoull(line.substr(0, blank)), line.substr(blank + 1));
  }
  return all;
}

std::string offer_of(const rapidjson::Value& line) {
  std::string all;
  if (!line.HasMember("results")) return all;
  for (const auto& result : line["results"].GetArray())
    all += text(result, "report") + "/" + std::to_string(result["version"].GetInt64()) + " ";
  return all;
}

struct Line {  // one that was ordered, however often it was asked about
  std::string facility, department, order, item, verdict, offer, end, reason;
  std::int64_t price = 0;
  bool offered = false, seen = false, counted = true, told = false, emergency = false, repeated = false;
};

Line line_of(const rapidjson::Value& json, const rapidjson::Value& said) {
  Line line;
  line.facility = text(json, "facility");
  line.department = text(json, "department");
  line.order = text(json, "id");
  line.item = text(said, "item");
  line.verdict = text(said, "verdict");
  line.emergency = text(json, "encounter") == "emergency";
  return line;
}

// The ordered lines of one day, as the documents say one after another how they stand.
class Day {
 public:
  void meet(const rapidjson::Document& json) {
    if (!met_.insert(text(json, "id")).second) return;
    if (!is_decision(json)) {
      decide(json);
    } else if (text(json, "door") == "order") {
      repeat(json);
    } else {
      ask(json);
    }
  }

  DayCounts counts() const {
    DayCounts counts;
    struct Order {
      std::string facility, department;
      bool offered = false, seen = false, emergency = false;
    };
    std::map<std::string, Order> orders;
    for (const auto& line : lines_) {
      const auto add = [&](const std::string& measure, std::int64_t by = 1) {
        if (by) counts[{line.facility, line.department, line.item, measure}] += by;
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
      order.facility = line.facility;
      order.department = line.department;
      order.offered |= line.offered;
      order.seen |= line.seen;
      order.emergency |= line.emergency;
    }
    for (const auto& [id, order] : orders) {
      const auto add = [&](const char* measure) { counts[{order.facility, order.department, "", measure}] += 1; };
      add("orders");
      if (order.emergency) add("emergency");
      if (order.offered) add("prompts");
      if (order.seen) add("looked-at");
    }
    return counts;
  }

 private:
  // Came as a message: nobody was asked.
  void repeat(const rapidjson::Document& json) {
    if (json.HasMember("follows")) return;
    for (const auto& said : json["lines"].GetArray()) {
      lines_.push_back(line_of(json, said));
      lines_.back().repeated = lines_.back().verdict == "recognisable";
    }
  }

  void ask(const rapidjson::Document& json) {
    std::uint32_t place = 0;
    std::map<std::string, int> alike;
    for (const auto& said : json["lines"].GetArray()) {
      Line line = line_of(json, said);
      line.offer = offer_of(said);
      line.price = said.HasMember("priceFen") ? said["priceFen"].GetInt64() : 0;
      line.offered = !line.offer.empty() && !line.emergency;
      const auto number = text(json, "order");
      const auto which = std::to_string(alike[line.item]++);  // an order may hold one item twice
      const auto name = number.empty() ? "" : line.facility + number + "/" + line.item + which;
      const auto here = std::pair(text(json, "id"), place++);
      offers_[here] = line.offer;
      if (const auto before = by_name_.find(name); !name.empty() && before != by_name_.end()) {
        auto& old = lines_[before->second];
        if (old.offer == line.offer) {
          line.end = old.end;
          line.reason = old.reason;
          line.seen = old.seen;
          line.counted = old.counted;
          line.told = old.told;
          line.offered = old.offered;
        }
        asked_[here] = before->second;
        old = line;
      } else {
        asked_[here] = lines_.size();
        if (!name.empty()) by_name_[name] = lines_.size();
        lines_.push_back(line);
      }
    }
  }

  void decide(const rapidjson::Document& json) {
    for (const auto& said : json["lines"].GetArray()) {
      const auto here = std::pair(text(json, "decision"), said["line"].GetUint());
      auto& line = lines_[asked_.at(here)];
      if (line.offer != offers_[here]) continue;  // asked again since, on another offer
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

  std::vector<Line> lines_;
  std::map<std::string, std::size_t> by_name_;                           // of a line that has a name
  std::map<std::pair<std::string, std::uint32_t>, std::size_t> asked_;   // decision and place → line
  std::map<std::pair<std::string, std::uint32_t>, std::string> offers_;  // and what it offered
  std::set<std::string> met_;
};

}  // namespace

Recount::Recount(port::Log& log, fs::path folder) : folder_(std::move(folder)) {
  const auto end = await(log.end({port::Topic::operations, 0}));
  if (!end) throw std::runtime_error(end.error().message);
  const fs::path whole = folder_ / "whole";  // says up to where the log was dealt out
  std::uint64_t dealt_to = 0;
  if (std::ifstream(whole) >> dealt_to; dealt_to == *end && dealt_to > 0) {
    for (const auto& file : fs::directory_iterator(folder_ / "days")) days_.push_back(file.path().filename().string());
    std::sort(days_.begin(), days_.end());
    return;
  }
  fs::remove_all(folder_);
  fs::create_directories(folder_ / "decisions");
  fs::create_directories(folder_ / "days");
  std::vector<std::unique_ptr<Deck>> dealt;
  for (std::size_t i = 0; i < decks; ++i)
    dealt.push_back(std::make_unique<Deck>(folder_ / "decisions" / std::to_string(i)));
  for (port::Offset from = 0;;) {
    const auto slice = await(log.read({port::Topic::operations, 0}, from, {}));
    if (!slice) throw std::runtime_error(slice.error().message);
    if (slice->records.empty()) break;
    from = slice->next;
    for (const auto& stored : slice->records) {
      const auto json = parsed(stored.record.json);
      const auto decision = text(json, is_decision(json) ? "id" : "decision");
      dealt[std::hash<std::string>()(decision) % decks]->put(stored.offset, stored.record.json);
    }
  }
  for (auto& deck : dealt) deck->close();
  std::map<std::string, std::unique_ptr<Deck>> by_day;
  for (std::size_t i = 0; i < decks; ++i) {
    const auto path = folder_ / "decisions" / std::to_string(i);
    std::unordered_map<std::string, std::string> day_of;
    for (const auto& [offset, document] : read(path)) {
      const auto json = parsed(document);
      auto& day = day_of[text(json, is_decision(json) ? "id" : "decision")];
      if (is_decision(json)) day = text(json, "countsOn");
      if (day.empty()) throw std::runtime_error("an outcome stands before its decision");
      auto& deck = by_day[day];
      if (!deck) deck = std::make_unique<Deck>(folder_ / "days" / day);
      deck->put(offset, document);
    }
    fs::remove(path);
  }
  for (auto& [day, deck] : by_day) {
    deck->close();
    days_.push_back(day);
  }
  std::ofstream(whole) << *end;
}

DayCounts Recount::of(const std::string& day) const {
  auto all = read(folder_ / "days" / day);
  std::sort(all.begin(), all.end());
  Day counted;
  for (const auto& [offset, document] : all) counted.meet(parsed(document));
  return counted.counts();
}

}  // namespace hutong::tests
