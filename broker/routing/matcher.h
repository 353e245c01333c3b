// Which of many subscriptions an event is for. Compiled: for each dimension of the filters and each value in it, who
// accepts that value, as bits; an event is a few unions and intersections over them, whoever subscribes to what.
// Immutable; threads: any, each with its own Scratch.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "broker/base/text_hash.h"
#include "broker/routing/facts.h"

namespace hutong::routing {

// What the filter says of the event, without any index: what the compiled matcher must agree with.
bool accepts(const model::SubscriptionFilter& filter, const Facts& facts);

class Matcher {
 public:
  using Word = std::uint64_t;
  struct Scratch {
    std::vector<Word> all, one;
  };

  Matcher() = default;
  // The filters' places in `filters` are what match() gives.
  explicit Matcher(std::span<const model::SubscriptionFilter> filters);

  // Who is told, in ascending order, appended to `out`. A labelled event is for nobody.
  void match(const Facts& facts, Scratch& scratch, std::vector<std::uint32_t>& out) const;
  // Whether anyone asks for centres: they cost a look at who the patient is.
  bool asks_for_centres() const { return asks_for_centres_; }
  // Whether no filter wants any of these kinds ("result.reported order.placed"): then the event need not be read.
  bool wants_none_of(std::string_view kinds) const;

 private:
  // Who accepts a value: as places, or as bits where they are many.
  struct Accepting {
    std::vector<std::uint32_t> places;
    std::vector<Word> bits;
  };
  struct Dimension {
    std::unordered_map<std::string, Accepting, TextHash, std::equal_to<>> values;
    std::vector<Word> open;  // who does not care
    bool used = false;
  };
  void accept(Dimension& dimension, std::span<const std::string> values, std::uint32_t place);
  void pack(Dimension& dimension) const;
  void join(const Dimension& dimension, std::string_view value, std::vector<Word>& into) const;

  std::size_t words_ = 0;
  Dimension kinds_, facilities_, areas_, items_, centres_, parties_;
  std::vector<Word> wants_abnormal_, wants_critical_;
  std::vector<model::SubscriptionFilter> joint_;  // of those that want a flag of certain items, by place; else empty
  std::vector<Word> is_joint_;
  bool asks_for_centres_ = false, flags_ = false;
};

}  // namespace hutong::routing
