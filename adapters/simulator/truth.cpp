#include "adapters/simulator/truth.h"

namespace hutong::simulator {
namespace {

std::string object(const std::map<std::string, std::uint64_t>& counts) {
  std::string json = "{";
  for (const auto& [name, count] : counts) {
    if (json.size() > 1) json += ",";
    json += "\"" + name + "\":" + std::to_string(count);
  }
  return json + "}";
}

}  // namespace

void Truth::add(const Message& message, const Region& region) {
  ++messages_;
  ++types_[message.type];
  ++senders_[region.institutions[message.sender].code];
  ++expected_[message.expected];
  if (message.nature == Nature::correction) ++corrections_[message.detail];
  if (message.nature == Nature::resend) ++resends_[message.detail];
  if (message.nature == Nature::malformed) {
    ++malformed_;
    ++faults_[message.detail];
  }
  if (message.expected == "AA" && residents_.insert(message.resident).second) {
    if (message.card == CardKind::placeholder) ++placeholder_;
    if (message.card == CardKind::borrowed) ++borrowed_;
  }
  if (message.nature != Nature::original) return;
  if (message.first_of_report) {
    ++(message.examination ? examinations_ : laboratory_);
    items_ += message.items;
    unmapped_ += message.unmapped;
  }
  if (message.preliminary) ++preliminary_;
  if (message.type == "ADT^A40") ++merges_;
}

std::string Truth::json() const {
  const std::map<std::string, std::uint64_t> reports = {{"laboratory", laboratory_}, {"examination", examinations_}};
  const std::map<std::string, std::uint64_t> people = {
      {"seen", residents_.size()}, {"placeholder_card", placeholder_}, {"borrowed_card", borrowed_}};
  return "{\"messages\":" + std::to_string(messages_) + ",\"types\":" + object(types_) +
         ",\"senders\":" + object(senders_) + ",\"expected\":" + object(expected_) + ",\"reports\":" + object(reports) +
         ",\"items\":" + std::to_string(items_) + ",\"unmapped_items\":" + std::to_string(unmapped_) +
         ",\"preliminary\":" + std::to_string(preliminary_) + ",\"corrections\":" + object(corrections_) +
         ",\"resends\":" + object(resends_) + ",\"malformed\":" + object(faults_) +
         ",\"merges\":" + std::to_string(merges_) + ",\"residents\":" + object(people) + "}";
}

}  // namespace hutong::simulator
