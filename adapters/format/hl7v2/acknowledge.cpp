#include "adapters/format/hl7v2/acknowledge.h"

#include <algorithm>
#include <utility>

#include "adapters/format/hl7v2/charset.h"
#include "adapters/format/hl7v2/writer.h"

namespace hutong::hl7v2 {
namespace {

using model::Answer;
using model::Severity;

constexpr Text kOwnName = "HUTONG";
constexpr int kZoneMinutes = 480;  // China has one zone; the offset is written beside the time

// Table 0357.
Text condition_text(Text code) {
  static constexpr std::pair<Text, Text> conditions[] = {{"0", "Message accepted"},
                                                         {"100", "Segment sequence error"},
                                                         {"101", "Required field missing"},
                                                         {"102", "Data type error"},
                                                         {"103", "Table value not found"},
                                                         {"104", "Value too long"},
                                                         {"200", "Unsupported message type"},
                                                         {"201", "Unsupported event code"},
                                                         {"202", "Unsupported processing id"},
                                                         {"203", "Unsupported version id"},
                                                         {"204", "Unknown key identifier"},
                                                         {"205", "Duplicate key identifier"},
                                                         {"206", "Application record locked"},
                                                         {"207", "Application internal error"}};
  for (const auto& [known, text] : conditions) {
    if (known == code) return text;
  }
  return "Application error";
}

// "OBX[2]-6.1" → OBX, 2, 6, 1.
struct Location {
  Text segment, sequence = "1", field, component;
};
Location location_of(Text path) {
  Location found;
  const std::size_t dash = path.find('-');
  const Text head = path.substr(0, dash);
  const std::size_t bracket = head.find('[');
  found.segment = head.substr(0, bracket);
  if (found.segment.size() != 3) return {};
  if (bracket != Text::npos && head.back() == ']') found.sequence = head.substr(bracket + 1, head.size() - bracket - 2);
  if (dash == Text::npos) return found;
  const Text rest = path.substr(dash + 1);
  found.field = rest.substr(0, rest.find('.'));
  if (found.field.size() < rest.size()) found.component = rest.substr(found.field.size() + 1);
  return found;
}

// The header of the message that is answered.
struct Asked {
  Delimiters delimiters;
  bool readable = false;
  std::array<Text, 18> part;  // part[n - 1] is MSH-n
  Text field(std::size_t n) const { return readable ? part[n - 1] : Text(); }
  Text first(std::size_t n) const {
    return first_part(first_part(field(n), delimiters.repetition), delimiters.component);
  }
};

Asked read_asked(const model::Draft& draft) {
  Asked asked;
  bool doubled = false;
  const Text text = draft.decoded;
  if (read_delimiters(text, asked.delimiters, doubled) != Fault::none) return asked;
  const auto parts = split<18>(text.substr(0, text.find_first_of("\r\n")), asked.delimiters.field);
  std::copy(parts.begin() + 1, parts.end(), asked.part.begin() + 1);
  asked.readable = true;
  return asked;
}

bool wants(Text condition, bool accepted) {
  if (condition.empty() || condition == "NE" || condition == "\"\"") return false;
  if (condition == "ER") return !accepted;
  if (condition == "SU") return accepted;
  return true;  // AL, and what is no value of table 0155
}

bool is_before_2_5(Text version) {
  return version.size() >= 3 && version.substr(0, 2) == "2." && version[2] < '5';
}

Text code_of(Answer answer, bool commit) {
  switch (answer) {
    case Answer::accepted: return commit ? "CA" : "AA";
    case Answer::content_rejected: return commit ? "CE" : "AE";
    case Answer::header_rejected:
    case Answer::try_again: return commit ? "CR" : "AR";
  }
  return "AR";
}

void write_charset(Writer& writer, const Asked& asked, const model::Source& source) {
  const Text label = first_part(asked.field(18), asked.delimiters.repetition);
  const Label meaning = read_label(label);
  const bool lies = (source.charset == to_string(Charset::gb18030) && meaning != Label::gb18030) ||
                    (source.charset == to_string(Charset::utf8) && meaning != Label::utf8);
  if (label.empty()) return;
  writer.fields(6).raw(!lies                                           ? label
                       : source.charset == to_string(Charset::gb18030) ? Text("GB 18030-2000")
                                                                       : Text("UNICODE UTF-8"));
}

// The application answers a REF with an RRI (chapter 11): the message type says so, RF1 that it waits for the other
// facility's word, which comes as a message of its own.
bool is_referral(const model::Draft& draft) {
  const Text type = draft.source.type;
  return type.size() == 7 && type.starts_with("REF^I1") && type[6] >= '2' && type[6] <= '5';
}

// The first segment of this name, as it was sent.
Text segment_of(Text message, Text name) {
  for (std::size_t at = 0; at < message.size();) {
    const std::size_t end = std::min(message.find_first_of("\r\n", at), message.size());
    const Text line = message.substr(at, end - at);
    if (line.starts_with(name) && line.size() > name.size()) return line;
    at = end + 1;
  }
  return {};
}

void write_referral(Writer& writer, const Asked& asked, const model::Draft& draft) {
  const auto rf1 = split<8>(segment_of(draft.decoded, "RF1"), asked.delimiters.field);
  writer.segment("RF1").field().raw("P").field().raw(rf1[2]).fields(4).raw(rf1[6]);
  if (const Text provider = segment_of(draft.decoded, "PRD"); !provider.empty()) writer.segment(provider);
  const auto pid = split<5>(segment_of(draft.decoded, "PID"), asked.delimiters.field);
  writer.segment("PID").fields(3).raw(first_part(pid[3], asked.delimiters.repetition));
}

void write_header(Writer& writer, const Asked& asked, const model::Draft& draft, const port::Verdict& verdict, Text id,
                  bool referral) {
  const Text version = asked.first(12);
  const Text trigger = [&] {
    const std::size_t at = draft.source.type.find('^');
    return at == Text::npos ? Text() : draft.source.type.substr(at + 1);
  }();
  writer.segment("MSH").field().encoding_characters();
  writer.field().raw(asked.field(5).empty() ? kOwnName : asked.field(5)).field().raw(asked.field(6));
  writer.field().raw(asked.field(3)).field().raw(asked.field(4));
  writer.field().time(verdict.now, kZoneMinutes).fields(2).raw(referral ? Text("RRI") : Text("ACK"));
  const bool old = version == "2.1" || version == "2.2";
  if (!trigger.empty() && !old) {
    writer.component().text(trigger);
    if (version != "2.3") writer.component().raw(referral ? Text("RRI_I12") : Text("ACK"));
  }
  writer.field().text(id).field().raw(asked.field(11).empty() ? Text("P") : asked.field(11));
  writer.field().raw(version.empty() || version.size() > 8 ? Text("2.5") : asked.field(12));
  write_charset(writer, asked, draft.source);
}

void write_error(Writer& writer, Text path, Text hl7_code, Text own_code, Text severity, Text found, Text expected) {
  const Location at = location_of(path);
  writer.segment("ERR").fields(2).raw(at.segment);
  if (!at.segment.empty()) writer.component().text(at.sequence);
  if (!at.field.empty()) writer.component().text(at.field);
  if (!at.component.empty()) writer.component().raw("1").component().text(at.component);
  writer.field().text(hl7_code).component().text(condition_text(hl7_code)).component().raw("HL70357");
  writer.field().raw(severity).field().text(own_code);
  if (found.empty() && expected.empty()) return;
  writer.fields(2).text(found).fields(1);
  writer.text(path).text(path.empty() ? Text() : Text(": "));
  if (!found.empty()) writer.text("found ").text(found).text(expected.empty() ? Text() : Text("; "));
  if (!expected.empty()) writer.text("expected ").text(expected);
}

Text hl7_code_of(const model::Issue& issue) {
  if (!issue.hl7_code.empty()) return issue.hl7_code;
  return issue.severity == Severity::error ? Text("207") : Text("0");
}

// ERR as it is since 2.5: one segment an issue.
void write_errors(Writer& writer, const port::Verdict& verdict) {
  if (verdict.answer == Answer::try_again) {
    write_error(writer, {}, "207", "try-again", "E", verdict.reason, "the same message again, later");
    return;
  }
  if (!verdict.issues) return;
  for (const model::Issue& issue : verdict.issues->list()) {
    const Text severity = issue.severity == Severity::error     ? Text("E")
                          : issue.severity == Severity::warning ? Text("W")
                                                                : Text("I");
    write_error(writer, issue.path, hl7_code_of(issue), issue.code, severity, issue.found, issue.expected);
  }
  const std::size_t listed = verdict.issues->list().size();
  if (verdict.issues->total() > listed) {
    writer.segment("ERR").fields(3).raw("0").component().text(condition_text("0")).component().raw("HL70357");
    writer.field().raw("I").field().raw("further-issues").fields(3).number(verdict.issues->total() - listed);
    writer.text(" further issues");
  }
}

// ERR up to 2.4: one segment, one repetition an error; warnings have no place in it.
void write_old_errors(Writer& writer, const port::Verdict& verdict) {
  bool first = true;
  const auto one = [&](const Location& at, Text code) {
    if (first) {
      writer.segment("ERR").field();
    } else {
      writer.repetition();
    }
    first = false;
    writer.raw(at.segment)
        .component()
        .text(at.segment.empty() ? Text() : at.sequence)
        .component()
        .text(at.field)
        .component();
    writer.text(code).subcomponent().text(condition_text(code)).subcomponent().raw("HL70357");
  };
  if (verdict.answer == Answer::try_again) return one({}, "207");
  if (verdict.answer == Answer::accepted || !verdict.issues) return;
  for (const model::Issue& issue : verdict.issues->list()) {
    if (issue.severity == Severity::error) one(location_of(issue.path), hl7_code_of(issue));
  }
}

// MSA-3: one sentence for versions that have no better place.
void write_reason(Writer& writer, const port::Verdict& verdict) {
  if (verdict.answer == Answer::try_again) {
    writer.field().text(verdict.reason).text(verdict.reason.empty() ? Text() : Text("; ")).text("send again later");
    return;
  }
  if (verdict.answer == Answer::accepted || !verdict.issues) return;
  for (const model::Issue& issue : verdict.issues->list()) {
    if (issue.severity != Severity::error) continue;
    writer.field().text(issue.path).text(issue.path.empty() ? Text() : Text(": "));
    writer.text("found ").text(issue.found).text("; expected ").text(issue.expected);
    return;
  }
}

std::string write_one(const Asked& asked, const model::Draft& draft, const port::Verdict& verdict, Text id, bool commit,
                      bool warnings) {
  Writer writer(asked.delimiters);
  const bool referral = !commit && verdict.answer == Answer::accepted && is_referral(draft);
  write_header(writer, asked, draft, verdict, id, referral);
  writer.segment("MSA").field().raw(code_of(verdict.answer, commit)).field().raw(asked.field(10));
  const bool old = is_before_2_5(asked.first(12));
  if (old) {
    write_reason(writer, verdict);
    write_old_errors(writer, verdict);
  } else if (warnings || verdict.answer != Answer::accepted) {
    write_errors(writer, verdict);
  }
  if (referral) write_referral(writer, asked, draft);
  std::string text = writer.finish();
  if (draft.source.charset != to_string(Charset::gb18030)) return text;
  std::string encoded;
  encoded.reserve(text.size());
  encode(text, Charset::gb18030, encoded);
  return encoded;
}

}  // namespace

void write_acknowledgements(const model::Draft& draft, const port::Verdict& verdict, std::vector<std::string>& out) {
  const Asked asked = read_asked(draft);
  // An acknowledgement is never acknowledged (HL7 v2.5.1 §2.9): two systems would answer each other for ever.
  if (asked.first(9) == "ACK") return;
  const Text commit = asked.first(15), application = asked.first(16);
  if (commit.empty() && application.empty()) {  // original mode
    out.push_back(write_one(asked, draft, verdict, verdict.answer_id, false, true));
    return;
  }
  // Enhanced mode. A message that was not committed has no application to answer for it: after CE or CR nothing
  // follows, or a sender that waits for one answer would take the second for that of its next message.
  const bool accepted = verdict.answer == Answer::accepted;
  const bool committed = wants(commit, accepted);
  const bool answered = wants(application, accepted) && (accepted || !committed);
  if (committed) out.push_back(write_one(asked, draft, verdict, verdict.answer_id, true, !answered));
  if (!answered) return;
  const std::string second = std::string(verdict.answer_id) + ".A";
  out.push_back(write_one(asked, draft, verdict, committed ? Text(second) : verdict.answer_id, false, true));
}

}  // namespace hutong::hl7v2
