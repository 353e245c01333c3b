// OBX-5 in the light of OBX-2: what kind of value was sent. What it means is the normalizer's to say.
#include "adapters/format/hl7v2/reader.h"

namespace hutong::hl7v2 {
namespace {

using model::SentType;
using model::Value;
using model::ValueKind;

SentType sent_type(Text type) {
  if (type.size() == 2) {
    switch (static_cast<unsigned>(type[0]) << 8U | static_cast<unsigned char>(type[1])) {
      case 'N' << 8 | 'M': return SentType::number;
      case 'S' << 8 | 'N': return SentType::structured;
      case 'C' << 8 | 'E':
      case 'C' << 8 | 'F':
      case 'I' << 8 | 'S':
      case 'I' << 8 | 'D': return SentType::coded;
      case 'T' << 8 | 'S':
      case 'D' << 8 | 'T':
      case 'T' << 8 | 'M':
      case 'D' << 8 | 'R': return SentType::time;
      case 'E' << 8 | 'D':
      case 'R' << 8 | 'P': return SentType::attachment;
      default: return SentType::text;
    }
  }
  if (type == "CWE" || type == "CNE") return SentType::coded;
  return type == "DTM" ? SentType::time : SentType::text;
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

Text lower(Text text, Arena& arena) {
  char* const copy = static_cast<char*>(arena.allocate(text.size() + 1, 1));
  for (std::size_t i = 0; i < text.size(); ++i) copy[i] = lower(text[i]);
  return {copy, text.size()};
}

bool equal_folded(Text text, Text lower_case) {
  if (text.size() != lower_case.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (lower(text[i]) != lower_case[i]) return false;
  }
  return true;
}

// HL7 table 0191 (type of data) and 0291 (subtype) as a media type. Senders also write the subtype alone as the type.
Text media_type(const Reader& reader, Text type, Text subtype) {
  static constexpr struct {
    Text sent, mime;
  } alone[] = {{"pdf", "application/pdf"}, {"jpeg", "image/jpeg"}, {"jpg", "image/jpeg"},
               {"png", "image/png"},       {"gif", "image/gif"},   {"tiff", "image/tiff"},
               {"html", "text/html"},      {"xml", "text/xml"},    {"rtf", "application/rtf"},
               {"txt", "text/plain"},      {"text", "text/plain"}, {"dicom", "application/dicom"}};
  for (const Text said : {subtype, type}) {
    for (const auto& known : alone) {
      if (equal_folded(said, known.sent)) return known.mime;
    }
  }
  if (subtype.empty()) return "application/octet-stream";
  static constexpr Text families[] = {"application", "image", "text", "audio", "video", "multipart", "model"};
  for (const Text family : families) {
    const bool abbreviated = type.size() == 2 && equal_folded(type, family.substr(0, 2));  // "AP", "IM"
    if (equal_folded(type, family) || abbreviated) {
      return reader.arena.concat({family, "/", lower(subtype, reader.arena)});
    }
  }
  return "application/octet-stream";
}

void read_document(const Reader& reader, Text field, Text title, Value& value) {
  const auto part = reader.components<5>(field);
  model::Attachment& document = value.attachment;
  const Text encoding = reader.clean(part[3]);
  document.mime = media_type(reader, reader.clean(part[1]), reader.clean(part[2]));
  document.title = title;
  if (equal_folded(encoding, "base64")) {
    document.encoding = "base64";
    document.data = reader.clean(part[4]);  // without \.br\ that some put between lines
  } else if (equal_folded(encoding, "hex")) {
    document.encoding = "hex";
    document.data = part[4];
  } else {
    document.encoding = "text";
    document.data = reader.message.unescape(part[4], reader.arena);
  }
}

void read_pointer(const Reader& reader, Text field, Text title, Value& value) {
  const auto part = reader.components<4>(field);
  value.attachment.data = reader.clean(part[0]);
  value.attachment.mime =
      part[2].empty() && part[3].empty() ? Text() : media_type(reader, reader.clean(part[2]), reader.clean(part[3]));
  value.attachment.title = title;
  value.sent = value.attachment.data;
}

// SN: comparator ^ number ^ separator or suffix ^ number.
void read_structured(const Reader& reader, Text field, Value& value) {
  const auto part = reader.components<4>(field);
  const Text comparator = reader.clean(part[0]), first = reader.clean(part[1]), separator = reader.clean(part[2]),
             second = reader.clean(part[3]);
  value.sent = comparator.empty() && separator.empty() && second.empty()
                   ? first
                   : reader.arena.concat({comparator, first, separator, second});
  value.comparator = comparator == "=" ? Text() : comparator;
  if (!second.empty()) {
    value.kind = separator == "-"                       ? ValueKind::range
                 : separator == ":" || separator == "/" ? ValueKind::ratio
                                                        : ValueKind::text;
    if (value.kind == ValueKind::text) return;
    value.low = first;
    value.high = second;
  } else if (separator.empty() && !first.empty()) {
    value.kind = ValueKind::number;
    value.number = first;
  } else if (!first.empty()) {
    value.kind = ValueKind::text;  // "2+": a grade
  }
}

}  // namespace

void read_value(const Reader& reader, Text type, Text field, Text title, Value& value) {
  if (field.empty() || field == "\"\"") return;
  value.sent_type = sent_type(type);
  switch (value.sent_type) {
    case SentType::attachment:
      if (type == "RP") {
        read_pointer(reader, field, title, value);
      } else {
        read_document(reader, field, title, value);
      }
      return;
    case SentType::structured: read_structured(reader, field, value); return;
    case SentType::coded: reader.read_coded(field, value.coded); break;
    case SentType::time: value.time.sent = reader.clean(reader.head(field)); break;
    default: break;
  }
  value.sent = reader.lines(field);
}

// CE or CWE, of which the code is the unit. "10^9/L" is written by nearly everyone without the escape that it needs:
// there the component separator is part of the unit.
Text read_unit(const Reader& reader, Text field) {
  if (field.empty()) return {};
  const Text head = reader.head(field);
  if (head.size() == field.size()) return reader.clean(head);
  const auto part = reader.components<2>(field);
  const Text code = reader.clean(part[0]);
  const bool power = !part[1].empty() && part[1][0] >= '0' && part[1][0] <= '9' && code.size() >= 2 &&
                     code.substr(code.size() - 2) == "10";
  if (power) return reader.clean({part[0].data(), part[0].size() + 1 + part[1].size()});
  return code.empty() ? reader.clean(part[1]) : code;
}

}  // namespace hutong::hl7v2
