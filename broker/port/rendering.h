// The read side's wire format: views of the shared schema → a document of a standard. Implementation:
// adapters/format/fhir (FHIR R4 JSON). Pure: no I/O, no clock, so that the same rows give the same bytes for ever.
// Threads: any, concurrently.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/error.h"
#include "broker/model/record.h"
#include "broker/model/views.h"

namespace hutong::model {
struct ReferralView;
}

namespace hutong::port {

// How sure it is that one of a Sheaf's matches is who was looked for.
struct Grade {
  double score = 0;        // the chance, 0 to 1
  std::string_view grade;  // "certain" | "probable" | "possible"
};

// Whom a client looks for by what it knows of somebody.
struct MatchQuestion {
  model::Subject subject;
  bool only_certain = false;
  std::size_t count = 20;
};

// A set of things as one document.
struct Sheaf {
  std::string_view type;      // "searchset" | "history" | "collection"
  std::string_view base_url;  // of the service, "" where there is none
  std::span<const model::View> matches, includes;
  std::optional<std::size_t> total;                        // where it is known
  std::vector<std::pair<std::string, std::string>> links;  // "self", "next" → URL
  std::span<const Grade> grades = {};                      // of the matches, or none
};

// What the service offers of one kind, as the routes' own table says it.
struct Offer {
  struct Parameter {
    std::string_view name, type, documentation;
  };
  std::string_view type;                       // the wire's name: "Observation"
  std::vector<std::string_view> interactions;  // "read" "vread" "history-instance" "search-type"
  std::vector<Parameter> parameters;
  std::vector<std::string_view> includes;                                 // "Observation:subject"
  std::vector<std::pair<std::string_view, std::string_view>> operations;  // name, definition URL
  std::vector<std::string_view> reverse_includes;                         // "DiagnosticReport:result"
  bool past_versions = false;                                             // not only the current one can be read
  std::string_view documentation;
};

// A referral is two things to FHIR: what is asked for, and how it goes.
enum class ReferralPart { request, task };  // ServiceRequest, Task
struct ReferralEntry {
  const model::ReferralView* referral = nullptr;
  ReferralPart part = ReferralPart::task;
  std::string_view mode;    // of a searchset: "match" | "include"
  std::string_view status;  // of a transaction's answer: "201 Created"
};
struct ReferralSheaf {
  std::string_view type;      // "searchset" | "transaction-response"
  std::string_view base_url;  // of the service
  std::span<const ReferralEntry> entries;
  std::optional<std::size_t> total;
  std::vector<std::pair<std::string, std::string>> links;
};

// Codes of our own with their words.
struct CodeList {
  struct Code {
    std::string_view code, zh, en;
  };
  std::string_view id, name, url, zh, en;
  std::vector<Code> codes;
};

class Rendering {
 public:
  virtual ~Rendering() = default;
  virtual std::string_view content_type() const = 0;
  virtual std::string one(const model::View& view) const = 0;
  virtual std::string many(const Sheaf& sheaf) const = 0;
  // What went wrong, for a client. `where`: the parameter's name or "".
  virtual std::string outcome(ErrorCode code, std::string_view message, std::string_view where) const = 0;
  virtual std::string offers(std::span<const Offer> offers, std::string_view version,
                             std::string_view base_url) const = 0;
  // Reads whom a client looks for. Texts point into `arena`. Errors: invalid, with the element.
  virtual Result<MatchQuestion> match_question(std::string_view body, Arena& arena) const = 0;
  // A person's identifiers in one of `systems` (none: all) but the source's own, and where the person is.
  virtual std::string cross_references(const model::PersonView& person, std::string_view source_system,
                                       std::string_view source_value, std::span<const std::string> systems) const = 0;
  virtual std::string referral(const model::ReferralView& referral, ReferralPart part) const = 0;
  virtual std::string referrals(const ReferralSheaf& sheaf) const = 0;
  virtual std::string codes(const CodeList& list) const = 0;
  // One record without any store: what `hutong normalize --to fhir` prints.
  virtual std::string record(const model::RecordView& record) const = 0;
};

}  // namespace hutong::port
