// libFuzzer: whatever the bytes are, a message is read and answered: no crash, no hang, nothing outside the draft.
// The first byte chooses the circumstances. Build: the fuzz preset, target fuzz_hl7v2.
#include "adapters/format/hl7v2/hl7v2.h"

#include <cstdint>
#include <cstdlib>

#include "adapters/format/hl7v2/batch.h"
#include "adapters/format/hl7v2/utf8.h"

namespace {

using namespace hutong;

void require(bool condition) {
  if (!condition) std::abort();
}

const model::FacilityDirectory& facilities() {
  static const model::FacilityDirectory* const directory = [] {
    auto* made = new model::FacilityDirectory;
    for (const char* charset : {"", "GB18030", "UTF-8"}) {
      model::Facility facility;
      facility.code = std::string("h") + charset;
      facility.charset = charset;
      facility.aliases.push_back({"LIS", facility.code});
      made->add(facility);
    }
    return made;
  }();
  return *directory;
}

void check_subject(const model::Subject& subject) {
  for (const auto& id : subject.identifiers) require(hl7v2::survey_utf8(id.value, true).broken == 0);
  for (const auto& name : subject.names) require(hl7v2::survey_utf8(name.text, true).broken == 0);
}

void check(const model::Draft& draft, model::Answer answer) {
  require(hl7v2::survey_utf8(draft.decoded, true).broken == 0);
  bool refused = false;
  for (const auto& issue : draft.issues.list()) {
    refused |= issue.severity == model::Severity::error;
    require(!issue.code.empty());
  }
  require(refused == (answer != model::Answer::accepted));
  require(draft.parts.empty() == (answer != model::Answer::accepted));
  for (const auto& part : draft.parts) {
    require(!part.events.empty());
    check_subject(part.subject);
    for (const auto& event : part.events) {
      const bool reports =
          event.kind == model::EventKind::result_reported || event.kind == model::EventKind::exam_reported;
      require(reports == (event.report != nullptr));
      require((event.kind == model::EventKind::order_placed) == (event.order != nullptr));
      if (event.order != nullptr) {
        require(!event.order->path.empty());
        require(!event.order->number.empty() || !event.order->filler_number.empty());
      }
      if (!reports) continue;
      for (const auto& item : event.report->observations) require(!item.path.empty());
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::uint8_t how = data[0];
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  static const hl7v2::Hl7v2 format;
  static model::Draft draft;
  port::ReadContext context;
  context.accept_unknown_senders = (how & 1U) == 0;
  context.facilities = how & 2U ? nullptr : &facilities();
  if (how & 4U) context.authenticated = facilities().find("hGB18030");
  context.protocol = "fuzz";
  (void)format.recognises(bytes);
  for (const std::string_view message : hl7v2::split_file(bytes)) require(!message.empty());

  const port::Reading reading = format.read(bytes, context, draft);
  check(draft, reading.answer);
  const Sha256Digest digest = draft.content_hash;

  port::Verdict verdict;
  verdict.answer = how & 8U ? model::Answer::try_again : reading.answer;
  verdict.issues = &draft.issues;
  verdict.reason = "reason";
  verdict.answer_id = "1";
  std::vector<std::string> answers;
  format.acknowledge(draft, verdict, answers);
  require(answers.size() <= 2);
  for (const std::string& answer : answers) {
    require(answer.substr(0, 3) == "MSH");
    // An answer is one frame: it must not end it early.
    require(answer.find('\x1c') == std::string::npos || bytes.find('\x1c') != std::string_view::npos);
  }
  // The same bytes say the same.
  require(format.read(bytes, context, draft).answer == reading.answer && draft.content_hash == digest);
  return 0;
}
