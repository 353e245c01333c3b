// What the FHIR read side offers, as one table: it routes, it validates parameters and it is printed as the
// CapabilityStatement, so none of the three can say something else than the others. Static data.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "broker/model/views.h"
#include "broker/port/rendering.h"

namespace hutong::api {

struct FhirKind {
  std::string_view type;
  model::ViewKind kind;
  bool past_versions = false;  // vread and _history show more than the current one
  std::span<const port::Offer::Parameter> parameters;
  struct Include {
    std::string_view name;  // "Observation:subject"
    model::ViewKind target;
  };
  std::span<const Include> includes;
  std::span<const std::pair<std::string_view, std::string_view>> operations;
  std::string_view documentation;
};

std::span<const FhirKind> fhir_kinds();
const FhirKind* find_fhir_kind(std::string_view type);
// What _revinclude can bring: every reference to this kind that its owner can include, with the owner as `target`. None
// to a facility, to which everything refers.
std::vector<FhirKind::Include> fhir_reverse_includes(const FhirKind& kind);
std::string_view fhir_type(model::ViewKind kind);
// The same as the CapabilityStatement lists it.
std::vector<port::Offer> fhir_offers();

}  // namespace hutong::api
