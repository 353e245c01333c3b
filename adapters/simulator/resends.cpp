// What happens to messages on the way: sent again, or spoilt. Also where they get their character set.
#include <iterator>

#include "adapters/simulator/plan.h"
#include "adapters/simulator/simulation.h"

namespace hutong::simulator {
namespace {

// Where field `number` of MSH begins and how long it is; MSH-1 is the separator itself.
std::pair<std::size_t, std::size_t> header_field(const std::string& text, int number) {
  std::size_t at = 3;
  for (int i = 1; i < number; ++i) at = text.find('|', at) + 1;
  return {at, text.find_first_of("|\r", at) - at};
}

void replace_header_field(std::string& text, int number, const std::string& value) {
  const auto [at, length] = header_field(text, number);
  text.replace(at, length, value);
}

}  // namespace

void Simulation::close(const Institution& sender) {
  message_.bytes.clear();
  if (sender.charset == Charset::gb18030)
    gb18030_.encode(text_, message_.bytes);
  else
    message_.bytes = text_;
}

void Simulation::plan_resend() {
  auto again = std::make_shared<Message>(message_);
  const LocalSeconds later = clock_ + random_.between(20, 1'800);
  again->nature = Nature::resend;
  again->first_of_report = false;
  again->detail = "identical";
  if (random_.chance(
          0.5)) {  // as a true resend: a new MSH-7, nothing else; the header is ASCII in either character set
    again->detail = "new-time";
    const Institution& sender = region_.institutions[again->sender];
    replace_header_field(again->bytes, 7, stamp(sender, later));
  }
  again->time = later;
  plan(later, {Action::ready, nullptr, nullptr, {}, std::move(again)});
}

void Simulation::plan_fault() {
  const bool adt = message_.type.starts_with("ADT") && message_.type != "ADT^A40";
  // Faults that are accepted all the same change a person at most, never a result.
  const auto fault = static_cast<Fault>(random_.below(fault_kinds));
  auto message = std::make_shared<Message>(message_);
  if (!adt && (fault == Fault::broken_escape || fault == Fault::wrong_label)) return;
  if (!spoil(fault, *message, text_)) return;
  message->time = clock_ + random_.between(1, 30);
  plan(message->time, {Action::ready, nullptr, nullptr, {}, std::move(message)});
}

bool Simulation::spoil(Fault fault, Message& message, std::string text) {
  const Institution& sender = region_.institutions[message.sender];
  bool swapped = false;
  message.nature = Nature::malformed;
  message.detail = to_string(fault);
  message.first_of_report = false;
  message.control_id = next_control_id();
  replace_header_field(text, 10, message.control_id);
  switch (fault) {
    case Fault::no_control_id:
      message.control_id.clear();
      replace_header_field(text, 10, "");
      message.expected = "AR";
      break;
    case Fault::bad_version:
      replace_header_field(text, 12, "9.9");
      message.expected = "AR";
      break;
    case Fault::no_patient: {
      const auto start = text.find("\rPID|") + 1;
      text.erase(start, text.find('\r', start) + 1 - start);
      message.expected = "AE";
      break;
    }
    case Fault::broken_escape: {
      const auto at = text.find("号^^");
      if (at == std::string::npos) return false;
      text.insert(at, "\\Z9\\\\X0G\\\\");  // unknown, not hexadecimal, not closed
      break;
    }
    case Fault::wrong_label:
      if (sender.msh18.empty()) return false;
      swapped = true;
      break;
    case Fault::truncated:  // the line broke within the header
      text.resize(header_field(text, 7).first + 6);
      message.control_id.clear();
      message.expected = "AR";
      break;
  }
  message.bytes.clear();
  if ((sender.charset == Charset::gb18030) != swapped)
    gb18030_.encode(text, message.bytes);
  else
    message.bytes = std::move(text);
  return true;
}

}  // namespace hutong::simulator
