// MSH: who sends, what, in which version, and whether we may read on. Everything here is answered AR.
#include "adapters/format/hl7v2/reader.h"
#include "broker/base/limits.h"

namespace hutong::hl7v2 {
namespace {

bool is_upper_or_digit(Text word) {
  for (char c : word) {
    if (!((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))) return false;
  }
  return !word.empty();
}

bool is_trigger(Text word) {
  return word.size() == 3 && word[0] >= 'A' && word[0] <= 'Z' && is_upper_or_digit(word);
}

// "2.1" to "2.8", and their own revisions: "2.5.1".
bool is_known_version(Text version) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (version.size() != 3 && version.size() != 5) return false;
  if (version.substr(0, 2) != "2." || version[2] < '1' || version[2] > '8') return false;
  return version.size() == 3 || (version[3] == '.' && digit(version[4]));
}

const Segment* first_segment(const Message& message, std::uint32_t name) {
  for (const Segment& segment : message.segments()) {
    if (segment.name == name) return &segment;
  }
  return nullptr;
}

// MSH-9, or what stands for it where senders of old versions leave it out.
bool read_type(Reader& reader) {
  const Text field = reader.first_repetition(reader.message.header_field(9));
  const auto part = reader.components<3>(field);
  Text code = reader.clean(part[0]), trigger = reader.clean(part[1]);
  if (const std::size_t low = code.find('_'); trigger.empty() && low != Text::npos) {  // "ORU_R01"
    trigger = code.substr(low + 1);
    code = code.substr(0, low);
  }
  const Text structure = reader.clean(part[2]);
  if (const Segment* evn = first_segment(reader.message, kEVN); evn && trigger.empty()) {
    trigger = reader.value(*evn, 1);
    if (!is_trigger(trigger)) trigger = {};
    if (code.empty() && !trigger.empty() && trigger[0] == 'A') {
      code = "ADT";
      reader.warn("message-type-missing", "MSH-9", "nothing; taken from EVN-1", "the message type, like ADT^A01",
                  condition::required_missing);
    }
  }
  if (trigger.empty() && structure.size() == 7 && structure[3] == '_') trigger = structure.substr(4);
  if (trigger.empty() && code == "ORU") trigger = "R01";
  if (!is_upper_or_digit(code) || code.size() > 16 || trigger.size() > 16) {
    reader.refuse(field.empty() ? "message-type-missing" : "message-type-invalid", "MSH-9", reader.shown(field),
                  "a message type and its event, like ORU^R01",
                  field.empty() ? condition::required_missing : condition::type_unsupported);
    return false;
  }
  reader.trigger = trigger;
  model::Source& source = reader.draft.source;
  if (trigger.empty()) {
    source.type = code;
  } else if (trigger.data() == code.data() + code.size() + 1 && code.data()[code.size()] == '^') {
    source.type = {code.data(), code.size() + 1 + trigger.size()};
  } else {
    source.type = reader.arena.concat({code, "^", trigger});
  }
  return true;
}

std::size_t characters(Text text) {
  std::size_t count = 0;
  for (char c : text) count += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  return count;
}

bool read_control_id(const Reader& reader) {
  const Text id = reader.clean(reader.message.header_field(10));
  if (id.empty()) {
    reader.refuse("control-id-missing", "MSH-10", "nothing",
                  "an id that is this message's own, kept when it is sent again", condition::required_missing);
    return false;
  }
  if (characters(id) > limits::control_id_chars) {
    reader.refuse("control-id-too-long", "MSH-10", reader.shown(id), "at most 199 characters", condition::value_too_long);
    return false;
  }
  reader.draft.source.control_id = id;
  return true;
}

bool read_processing(const Reader& reader) {
  const Text id = reader.clean(reader.head(reader.message.header_field(11)));
  if (id.empty()) {
    reader.warn("processing-id-missing", "MSH-11", "nothing", "P, T or D", condition::required_missing);
    return true;
  }
  if (id == "P" || id == "T" || id == "D") return true;
  reader.refuse("processing-id-unsupported", "MSH-11", reader.shown(id), "P, T or D (HL7 table 0103)",
                condition::processing_unsupported);
  return false;
}

bool read_version(const Reader& reader) {
  const Text version = reader.clean(reader.head(reader.message.header_field(12)));
  reader.draft.source.version = version;
  if (version.empty()) {
    reader.warn("version-missing", "MSH-12", "nothing", "the version of HL7, 2.1 to 2.8", condition::required_missing);
    return true;
  }
  if (is_known_version(version)) return true;
  reader.refuse("version-unsupported", "MSH-12", reader.shown(version), "a version of HL7 from 2.1 to 2.8",
                condition::version_unsupported);
  return false;
}

bool read_sender(Reader& reader) {
  const Message& message = reader.message;
  model::Source& source = reader.draft.source;
  const Text application = reader.clean(reader.head(message.header_field(3)));
  const Text facility = reader.clean(reader.head(message.header_field(4)));
  const port::ReadContext& context = reader.context;
  const model::Facility* found = context.facilities ? context.facilities->by_sender(application, facility) : nullptr;
  if (context.authenticated && found != context.authenticated) {
    reader.refuse("sender-not-authenticated", "MSH-4", "another sender than the certificate's",
                  "MSH-3 and MSH-4 of the facility that the certificate is bound to", condition::unknown_key);
    return false;
  }
  if (found) {
    reader.facility = found;
    source.facility = reader.arena.copy(found->code);
    source.provisional = found->provisional;
    return true;
  }
  if (!context.accept_unknown_senders) {
    reader.refuse("unknown-sender", "MSH-4", "a sender that no facility names as its own",
                  "register MSH-3 and MSH-4 as an alias of a facility (schemas/facilities)", condition::unknown_key);
    return false;
  }
  source.facility = reader.arena.copy(model::provisional_code(application, facility));
  source.provisional = true;
  return true;
}

}  // namespace

model::Answer read_header(Reader& reader) {
  const Message& message = reader.message;
  model::Source& source = reader.draft.source;
  source.sender_application = reader.clean(message.header_field(3));
  source.sender_facility = reader.clean(message.header_field(4));
  source.receiver_application = reader.clean(message.header_field(5));
  source.receiver_facility = reader.clean(message.header_field(6));
  reader.draft.times.sent.sent = reader.clean(reader.head(message.header_field(7)));
  // All are looked at, so that a sender hears of everything at once.
  bool fine = read_type(reader);
  fine &= read_control_id(reader);
  fine &= read_processing(reader);
  fine &= read_version(reader);
  fine &= read_sender(reader);
  if (message.escape_doubled()) {
    reader.warn("delimiters-doubled", "MSH-2", "^~\\\\&", "^~\\&, with one backslash", condition::data_type);
  }
  return fine ? model::Answer::accepted : model::Answer::header_rejected;
}

}  // namespace hutong::hl7v2
