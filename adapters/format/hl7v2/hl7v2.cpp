#include "adapters/format/hl7v2/hl7v2.h"

#include "adapters/format/hl7v2/acknowledge.h"
#include "adapters/format/hl7v2/batch.h"
#include "adapters/format/hl7v2/reader.h"
#include "adapters/format/hl7v2/utf8.h"
#include "broker/base/limits.h"

namespace hutong::hl7v2 {
namespace {

using model::Answer;

// What stands around a message in frames and files and is no part of it.
Text trimmed(Text bytes) {
  if (bytes.substr(0, 3) == "\xEF\xBB\xBF") bytes.remove_prefix(3);
  const auto blank = [](char c) { return c == '\r' || c == '\n' || c == ' ' || c == '\t'; };
  while (!bytes.empty() && (blank(bytes.front()) || bytes.front() == '\x0b')) bytes.remove_prefix(1);
  while (!bytes.empty() &&
         (blank(bytes.back()) || bytes.back() == '\0' || bytes.back() == '\x1a' || bytes.back() == '\x1c')) {
    bytes.remove_suffix(1);
  }
  return bytes;
}

// The header is needed to know how to decode the message it heads, so it is read on its own first: as UTF-8 if it is,
// else as GB 18030. Only messages that are not pure ASCII pay for it.
struct Labels {
  Label setting = Label::none, label = Label::none;
  Text label_text;
};
Labels read_labels(Text bytes, const port::ReadContext& context, Arena& arena) {
  Labels labels;
  const Text line = first_line(bytes);
  const Text header = decode(line, Label::none, Label::none, arena).text;
  Delimiters d;
  bool doubled = false;
  if (read_delimiters(header, d, doubled) != Fault::none) return labels;
  const auto part = split<18>(header, d.field);
  labels.label_text = first_part(first_part(part[17], d.repetition), d.component);
  labels.label = read_label(labels.label_text);
  const auto* facility = context.authenticated;
  if (!facility && context.facilities) {
    facility = context.facilities->by_sender(first_part(part[2], d.component), first_part(part[3], d.component));
  }
  if (facility && !facility->charset.empty()) labels.setting = read_label(facility->charset);
  return labels;
}

Charset decode_message(Text bytes, Reader& reader) {
  model::Draft& draft = reader.draft;
  if (ascii_prefix(bytes) == bytes.size()) {
    draft.decoded = bytes;
    draft.source.charset = to_string(Charset::ascii);
    return Charset::ascii;
  }
  const Labels labels = read_labels(bytes, reader.context, draft.arena);
  const Text label = labels.label == Label::unsupported ? reader.shown(labels.label_text) : labels.label_text;
  const Decoded decoded = decode(bytes, labels.setting, labels.label, draft.arena);
  draft.decoded = decoded.text;
  draft.source.charset = to_string(decoded.charset);
  if (decoded.contradicted) {
    reader.warn("charset-mismatch", "MSH-18",
                labels.setting != Label::none
                    ? reader.arena.concat({"bytes in ", to_string(decoded.charset), " against the facility's setting"})
                    : reader.arena.concat({label, ", but bytes in ", to_string(decoded.charset)}),
                "the character set that the bytes are in", condition::table_value);
  } else if (labels.setting == Label::none && labels.label == Label::unsupported) {
    reader.warn("charset-unsupported", "MSH-18", label, "UNICODE UTF-8 or GB 18030-2000; the bytes decided",
                condition::table_value);
  }
  if (decoded.replaced) {
    reader.warn("charset-invalid-bytes", "MSH-18", "bytes that are no character, replaced by U+FFFD",
                "whole characters; the sender may cut fields in the middle of one", condition::data_type);
  }
  return decoded.charset;
}

void refuse_fault(const Reader& reader, Fault fault, Text bytes) {
  switch (fault) {
    case Fault::none:
    case Fault::too_many_segments: return;  // read on
    case Fault::not_hl7:
      reader.refuse(is_batch(bytes) ? "batch-not-split" : "not-hl7", {},
                    bytes.empty()     ? Text("no bytes")
                    : is_batch(bytes) ? Text("a batch without a message")
                                      : Text("no MSH at the start"),
                    is_batch(bytes) ? Text("messages that begin with MSH between BHS and BTS")
                                    : Text("one message that begins with MSH"),
                    condition::segment_sequence);
      return;
    case Fault::header_truncated:
      reader.refuse("header-truncated", "MSH-2", "the end of the segment", "MSH with its fields",
                    condition::required_missing);
      return;
    case Fault::delimiters:
      reader.refuse("delimiters-invalid", "MSH-2", "letters, digits, control characters or the same one twice",
                    "| and ^~\\&, or other punctuation, each once", condition::data_type);
      return;
  }
}

// Of the decoded message without the time and the control id of its header.
Sha256Digest content_hash(const Message& message) {
  thread_local PartsHash hash;
  const Text text = message.text(), time = message.header_field(7), id = message.header_field(10);
  std::size_t at = 0;
  for (const Text left_out : {time, id}) {
    if (left_out.empty()) continue;
    const auto begin = static_cast<std::size_t>(left_out.data() - text.data());
    hash.raw(text.substr(at, begin - at));
    at = begin + left_out.size();
  }
  return hash.raw(text.substr(at)).finish();
}

Answer read_content(Reader& reader, Fault fault) {
  const Message& message = reader.message;
  if (fault == Fault::too_many_segments) {
    reader.refuse("too-many-segments", {}, "more than 100000 segments", "several messages",
                  condition::segment_sequence);
    return Answer::content_rejected;
  }
  if (message.has_nul()) {
    reader.refuse("nul-byte", {}, "a byte 0x00", "text; embedded data in Base64", condition::data_type);
    return Answer::content_rejected;
  }
  for (std::size_t i = 1; i < message.segments().size(); ++i) {
    if (message.segments()[i].name != kMSH) continue;
    reader.refuse("several-messages", "MSH[2]", "a second MSH", "one message in a frame, or a batch with BHS",
                  condition::segment_sequence);
    return Answer::content_rejected;
  }
  if (message.joined_lines()) {
    reader.warn("line-break-in-field", {}, "lines that begin no segment, taken as part of the field before",
                "line breaks in text as \\.br\\", condition::data_type);
  }
  const Text type = reader.draft.source.type;
  const Text code = type.substr(0, 3);
  if (type == "ORU^R01" || type == "ORU^R30") return read_oru(reader);
  if (code == "ADT" && type.size() == 7 && is_modelled_adt(reader.trigger)) return read_adt(reader);
  if (is_modelled_order(type)) return read_order_message(reader);
  if (is_modelled_referral(type)) return read_referral(reader);
  return read_other(reader);
}

}  // namespace

bool Hl7v2::recognises(std::string_view bytes) const {
  const Text text = trimmed(bytes.substr(0, 64));
  Delimiters d;
  bool doubled = false;
  return is_batch(text) || (text.substr(0, 3) == "MSH" && read_delimiters(text, d, doubled) == Fault::none);
}

void Hl7v2::split(std::string_view frame, std::vector<std::string_view>& messages) const {
  if (is_batch(frame)) messages = split_batch(frame);
  if (messages.empty()) messages.push_back(frame);  // a batch of nothing is answered, too: as what it is
}

port::Reading Hl7v2::read(std::string_view bytes, const port::ReadContext& context, model::Draft& draft) const {
  draft.clear();
  draft.source.protocol = draft.arena.copy(context.protocol);
  draft.source.connection = draft.arena.copy(context.connection);
  draft.source.format = "hl7v2";
  draft.times.received = context.received;

  Message message;
  Reader reader{message, draft, context, draft.arena, nullptr, {}};
  if (bytes.size() > limits::message_bytes) {
    reader.refuse("too-long", {}, "more than 16 MiB", "a shorter message; large documents by reference",
                  condition::data_type);
    return {Answer::header_rejected, nullptr};
  }
  const Text content = trimmed(bytes);
  const Charset charset = decode_message(content, reader);
  const Fault fault = message.index(draft.decoded, charset, draft.arena);
  if (fault != Fault::none && fault != Fault::too_many_segments) {
    draft.issues.clear();  // of characters, in what is no message
    refuse_fault(reader, fault, content);
    draft.content_hash = sha256(draft.decoded);
    return {Answer::header_rejected, nullptr};
  }
  draft.content_hash = content_hash(message);
  Answer answer = read_header(reader);
  if (answer == Answer::accepted) answer = read_content(reader, fault);
  if (answer != Answer::accepted) draft.parts = {};
  return {answer, reader.facility};
}

void Hl7v2::acknowledge(const model::Draft& draft, const port::Verdict& verdict, std::vector<std::string>& out) const {
  write_acknowledgements(draft, verdict, out);
}

}  // namespace hutong::hl7v2
