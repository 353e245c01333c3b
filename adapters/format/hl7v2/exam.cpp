// Imaging, electrocardiography, pathology, endoscopy: recognised by section, by modality or by a study's UID.
#include "adapters/format/hl7v2/reader.h"

namespace hutong::hl7v2 {
namespace {

struct Section {
  Text code;      // HL7 table 0074, and the DICOM modalities that senders put in its place
  Text modality;  // DICOM; empty: the words of the service must say
};

constexpr Section kSections[] = {
    {"CT", "CT"},  {"NMR", "MR"}, {"MR", "MR"},   {"MRI", "MR"},  {"US", "US"},  {"OUS", "US"},  {"RUS", "US"},
    {"VUS", "US"}, {"CUS", "US"}, {"RX", "DX"},   {"DX", "DX"},   {"DR", "DX"},  {"CR", "CR"},   {"MG", "MG"},
    {"XA", "XA"},  {"DSA", "XA"}, {"CTH", "XA"},  {"XRC", "RF"},  {"RF", "RF"},  {"NMS", "NM"},  {"NM", "NM"},
    {"PET", "PT"}, {"EC", "ECG"}, {"ECG", "ECG"}, {"EKG", "ECG"}, {"EN", "EEG"}, {"EEG", "EEG"}, {"ES", "ES"},
    {"END", "ES"}, {"SP", "SM"},  {"CP", "SM"},   {"SM", "SM"},   {"RAD", ""},   {"PHY", ""},    {"IMG", ""}};

struct Word {
  Text word, meaning;
};
// In the order in which they are looked for. Words in Latin letters are matched as whole words.
constexpr Word kModalityWords[] = {
    {"PET", "PT"},   {"CT", "CT"},          {"MRI", "MR"},  {"MR", "MR"},         {"核磁", "MR"}, {"磁共振", "MR"},
    {"超声", "US"},  {"彩超", "US"},        {"B超", "US"},  {"ULTRASOUND", "US"}, {"DSA", "XA"},  {"造影", "XA"},
    {"钼靶", "MG"},  {"MAMMOGRAPHY", "MG"}, {"DR", "DX"},   {"X线", "DX"},        {"X光", "DX"},  {"XRAY", "DX"},
    {"X-RAY", "DX"}, {"心电", "ECG"},       {"ECG", "ECG"}, {"脑电", "EEG"},      {"胃镜", "ES"}, {"肠镜", "ES"},
    {"内镜", "ES"},  {"内窥镜", "ES"},      {"病理", "SM"}, {"PATHOLOGY", "SM"}};
constexpr Word kSideWords[] = {{"双侧", "both"}, {"双", "both"},  {"BILATERAL", "both"}, {"左", "left"},
                               {"LEFT", "left"}, {"右", "right"}, {"RIGHT", "right"}};

char upper(char c) {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}
bool is_letter(char c) {
  return upper(c) >= 'A' && upper(c) <= 'Z';
}

bool has_word(Text text, Text word) {
  const bool latin = is_letter(word.front()) && is_letter(word.back());
  for (std::size_t at = 0; at + word.size() <= text.size(); ++at) {
    std::size_t same = 0;
    while (same < word.size() && upper(text[at + same]) == word[same]) ++same;
    if (same < word.size()) continue;
    const std::size_t end = at + word.size();
    if (!latin || ((at == 0 || !is_letter(text[at - 1])) && (end == text.size() || !is_letter(text[end])))) return true;
  }
  return false;
}

template <std::size_t N>
Text meaning_of(const Word (&words)[N], Text text) {
  for (const Word& word : words) {
    if (has_word(text, word.word)) return word.meaning;
  }
  return {};
}

Text contrast_of(Text text) {
  const bool plain = has_word(text, "平扫") || has_word(text, "WITHOUT") || has_word(text, "W/O");
  const bool enhanced = has_word(text, "增强") || has_word(text, "WITH") || has_word(text, "W");
  if (plain && enhanced) return "both";
  return enhanced ? Text("with") : plain ? Text("without") : Text();
}

enum class Role { none, findings, impression };

Role role_of(const model::Coded& code, char subcomponent) {
  for (const Text said : {code.code, code.alt_code}) {
    if (said == "19005-8") return Role::impression;
    if (said == "18782-3" || said == "59776-5") return Role::findings;
    const std::size_t suffix = subcomponent == '\0' ? Text::npos : said.rfind(subcomponent);
    if (suffix == Text::npos) continue;
    if (said.substr(suffix + 1) == "IMP") return Role::impression;
    if (said.substr(suffix + 1) == "GDT") return Role::findings;
  }
  const Text words = code.display.empty() ? code.code : code.display;
  for (const Text word : {Text("诊断意见"), Text("诊断结论"), Text("检查结论"), Text("印象"), Text("IMPRESSION")}) {
    if (has_word(words, word)) return Role::impression;
  }
  return has_word(words, "所见") || has_word(words, "FINDINGS") ? Role::findings : Role::none;
}

// The text items of one role as one text, a line each.
Text joined(const Reader& reader, const model::Report& report, Role role) {
  const char subcomponent = reader.message.delimiters().subcomponent;
  const auto wanted = [&](const model::Observation& o) {
    return o.value.sent_type == model::SentType::text && !o.value.sent.empty() && role_of(o.code, subcomponent) == role;
  };
  std::size_t size = 0, count = 0;
  Text only;
  for (const auto& o : report.observations) {
    if (!wanted(o)) continue;
    size += o.value.sent.size() + 1;
    only = o.value.sent;
    ++count;
  }
  if (count <= 1) return only;
  char* const first = static_cast<char*>(reader.arena.allocate(size, 1));
  char* to = first;
  for (const auto& o : report.observations) {
    if (!wanted(o)) continue;
    if (to != first) *to++ = '\n';
    std::memcpy(to, o.value.sent.data(), o.value.sent.size());
    to += o.value.sent.size();
  }
  return {first, static_cast<std::size_t>(to - first)};
}

bool is_uid(Text text) {
  bool dot = false;
  for (char c : text) {
    if ((c < '0' || c > '9') && c != '.') return false;
    dot = dot || c == '.';
  }
  return dot && text.size() <= 64;
}

// DICOM's own items for a Study Instance UID: 110180, and 113014 (the study) whose value it then is.
bool names_study(const model::Coded& code) {
  for (const Text said : {code.code, code.alt_code}) {
    if (said == "110180" || said == "113014" || said == "0020000D") return true;
  }
  // The blank behind its first word is hardly ever there.
  return code.display.size() >= 18 && std::memchr(code.display.data() + 5, ' ', code.display.size() - 17) != nullptr &&
         has_word(code.display, "STUDY INSTANCE UID");
}

Text link_of(const model::Value& value) {
  const bool pointer = value.sent_type == model::SentType::attachment && value.attachment.encoding.empty();
  const Text link = pointer ? value.attachment.data : value.sent_type == model::SentType::text ? value.sent : Text();
  return link.substr(0, 8) == "https://" || link.substr(0, 7) == "http://" ? link : Text();
}

void read_access(const Reader& reader, const model::Observation& observation, model::Exam& exam) {
  const Text link = link_of(observation.value);
  if (link.empty()) return;
  const Text mime = observation.value.attachment.mime;
  const Text kind = link.find("/studies/") != Text::npos || has_word(link, "WADO") ? Text("wado-rs")
                    : mime.substr(0, 6) == "image/"                                ? Text("key-image")
                                                                                   : Text("viewer");
  exam.access.push(reader.arena, {kind, link, {}});
}

}  // namespace

void read_study(const Reader& reader, const Segment& segment, model::Exam& exam) {
  if (segment.name == kZDS) {
    exam.study_uid = reader.value(segment, 1);
    return;
  }
  const Text accession = reader.value(segment, 1), uid = reader.value(segment, 3), modality = reader.value(segment, 5);
  if (!accession.empty()) exam.accession = accession;
  if (!uid.empty()) exam.study_uid = uid;
  if (!modality.empty()) exam.modality = modality;
}

void finish_exam(const Reader& reader, const Segment* obr, model::Report& report) {
  model::Exam& exam = report.exam;
  const Section* section = nullptr;
  if (!report.section.empty() && report.section != "LAB") {
    for (const Section& known : kSections) {
      if (known.code == report.section) section = &known;
    }
  }
  for (const auto& observation : report.observations) {
    if (!exam.study_uid.empty() || !names_study(observation.code)) continue;
    const Text uid = reader.clean(reader.head(observation.value.sent));
    if (is_uid(uid)) exam.study_uid = uid;
  }
  report.is_exam = section || !exam.study_uid.empty() || !exam.modality.empty();
  if (!report.is_exam) return;

  const Text service = report.service.display.empty() ? report.service.code : report.service.display;
  if (exam.modality.empty() && section) exam.modality = section->modality;
  if (exam.modality.empty()) exam.modality = meaning_of(kModalityWords, service);
  if (exam.modality.empty()) exam.modality = meaning_of(kModalityWords, report.service.code);
  Text words = service;
  if (obr) {
    if (exam.accession.empty()) exam.accession = reader.value(*obr, 18);
    const auto source = reader.components<5>(reader.field(*obr, 15));
    const Text side = reader.clean(source[4]);  // SPS.5, site modifier
    exam.laterality = side == "L" ? Text("left") : side == "R" ? Text("right") : meaning_of(kSideWords, side);
    const model::Coded procedure = reader.coded(reader.field(*obr, 44));
    words = reader.arena.concat(
        {service, " ", procedure.display, " ", reader.message.unescape(reader.field(*obr, 45), reader.arena)});
  }
  if (exam.accession.empty()) exam.accession = report.filler_number;
  if (exam.accession.empty() && obr) exam.accession = reader.value(*obr, 19);
  exam.body_part = report.specimen.site;
  if (exam.laterality.empty()) exam.laterality = meaning_of(kSideWords, words);
  exam.contrast = contrast_of(words);
  exam.findings = joined(reader, report, Role::findings);
  exam.impression = joined(reader, report, Role::impression);
  for (const auto& observation : report.observations) read_access(reader, observation, exam);
}

}  // namespace hutong::hl7v2
