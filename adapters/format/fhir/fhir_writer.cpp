#include "adapters/format/fhir/fhir_writer.h"

#include <algorithm>

namespace hutong::fhir {
namespace {

constexpr std::string_view confidentiality = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

}  // namespace

bool is_json_number(Text text) {
  std::size_t at = 0;
  const auto digits = [&] {
    const std::size_t from = at;
    while (at < text.size() && is_digit(text[at])) ++at;
    return at - from;
  };
  if (at < text.size() && text[at] == '-') ++at;
  const std::size_t whole = at;
  const std::size_t count = digits();
  if (count == 0 || (count > 1 && text[whole] == '0')) return false;
  if (at < text.size() && text[at] == '.') {
    ++at;
    if (digits() == 0) return false;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    if (digits() == 0) return false;
  }
  return at == text.size();
}

std::string date_time(const model::Moment& moment) {
  const Text iso = moment.iso;
  if (!parse_iso(iso)) return {};
  const auto t = iso.find('T');
  if (t == Text::npos) return std::string(iso);
  std::string text(iso);
  if (text.size() == t + 6 || text[t + 6] != ':') text.insert(t + 6, ":00");
  // FHIR asks for a zone beside a time: one without is shown to the day, which claims no more than is known.
  const bool zoned = text.back() == 'Z' || text.find_first_of("+-", t) != std::string::npos;
  return zoned ? text : text.substr(0, t);
}

std::string date(const model::Moment& moment) {
  return parse_iso(moment.iso) ? std::string(moment.iso.substr(0, 10)) : std::string();
}

std::string instant(const model::Moment& moment) {
  std::string text = date_time(moment);
  return text.find('T') == std::string::npos ? std::string() : text;
}

std::string base64(std::string_view bytes) {
  static constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    unsigned held = 0;
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    for (std::size_t k = 0; k < 3; ++k) held = held << 8 | (k < count ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    for (std::size_t k = 0; k < 4; ++k) out.push_back(k <= count ? alphabet[held >> (18 - 6 * k) & 63] : '=');
  }
  return out;
}

void write_coding(Writer& out, std::string_view system, std::string_view code, std::string_view display) {
  out.open();
  out.member("system", system);
  out.member("code", code);
  out.member("display", display);
  out.close();
}

void write_concept_body(Writer& out, const model::Coded& coded, Text facility) {
  const auto all = model::codings(coded, facility);
  if (!all.empty()) {
    out.open_list("coding");
    for (const auto& coding : all) write_coding(out, coding.system, coding.code, coding.display);
    out.close_list();
  }
  Text text = coded.original;
  for (Text other : {coded.display, coded.alt_display, coded.code}) {
    if (text.empty()) text = other;
  }
  out.member("text", text);
}

void write_concept(Writer& out, std::string_view key, const model::Coded& coded, Text facility) {
  if (coded.empty() && coded.mapped_code.empty()) return;
  out.open(key);
  write_concept_body(out, coded, facility);
  out.close();
}

void write_text_concept(Writer& out, std::string_view key, std::string_view text) {
  if (text.empty()) return;
  out.open(key);
  out.member("text", text);
  out.close();
}

void write_reference_body(Writer& out, std::string_view type, std::string_view id, std::string_view display) {
  out.open();
  out.member("reference", std::string(type) + "/" + std::string(id));
  out.member("display", display);
  out.close();
}

void write_reference(Writer& out, std::string_view key, std::string_view type, std::string_view id,
                     std::string_view display) {
  out.name(key);
  write_reference_body(out, type, id, display);
}

bool is_named(const model::Party& party) {
  return !party.code.empty() || !party.name.empty();
}

void write_party_body(Writer& out, const model::Party& party, std::string_view type, Text facility) {
  out.open();
  out.member("type", type);
  if (!party.code.empty()) {
    out.open("identifier");
    out.member("system", "urn:hutong:facility:" + std::string(facility) + ":staff");
    out.member("value", party.code);
    out.close();
  }
  out.member("display", party.name.empty() ? party.code : party.name);
  out.close();
}

void write_annotations(Writer& out, std::string_view key, const List<Text>& notes) {
  bool open = false;
  for (Text note : notes) {
    if (note.empty()) continue;
    if (!open) out.open_list(key);
    open = true;
    out.open();
    out.member("text", note);
    out.close();
  }
  if (open) out.close_list();
}

void write_identifier(Writer& out, std::string_view type_code, std::string_view system, std::string_view value) {
  out.open();
  if (!type_code.empty()) {
    out.open("type");
    out.open_list("coding");
    write_coding(out, "http://terminology.hl7.org/CodeSystem/v2-0203", type_code, {});
    out.close_list();
    out.close();
  }
  out.member("system", system);
  out.member("value", value);
  out.close();
}

void write_meta(Writer& out, std::uint64_t version, Timestamp updated, Text event_id, Text path,
                const std::vector<Text>& labels) {
  out.open("meta");
  out.member("versionId", std::to_string(version));
  if (updated.micros != 0) out.member("lastUpdated", to_iso(updated));
  if (path.find('#') != Text::npos) {  // kept from an earlier message of the report: its event stands in front
    out.member("source", "urn:hutong:event:" + std::string(path));
  } else if (!event_id.empty()) {
    std::string source = "urn:hutong:event:" + std::string(event_id);
    if (!path.empty()) source += "#" + std::string(path);
    out.member("source", source);
  }
  if (!labels.empty()) {
    out.open_list("security");
    write_coding(out, confidentiality, "R", "restricted");
    for (Text label : labels) write_coding(out, "urn:hutong:sensitivity", label, {});
    out.close_list();
  }
  out.close();
}

}  // namespace hutong::fhir
