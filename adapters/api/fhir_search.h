// Search parameters of FHIR R4 (hl7.org/fhir/R4/search.html) → what the query room understands. What is not in the
// table is refused by name, or ignored where the client prefers lenient handling. Pure.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "adapters/api/fhir_table.h"
#include "broker/query/clinical_search.h"

namespace hutong::api {

using Parameters = std::vector<std::pair<std::string, std::string>>;

struct FhirSearch {
  query::ResultSearch results;  // one of the three, by the kind
  query::PersonSearch persons;
  query::FacilitySearch facilities;
  std::vector<std::string> included;  // types that _include and _revinclude ask for
  bool count_only = false;            // _summary=count
  std::size_t max = 1;                // $lastn
  Parameters kept;                    // those that count: without what a lenient client let us ignore
  std::string used;                   // names of the parameters, sorted: for the audit record
  bool personal = false;              // names, numbers or birth dates of people are in it: never in an address of ours
};

struct FhirProblem {
  Error error;
  std::string where;  // the parameter
};

// `operation`: "" for a search, "lastn".
tl::expected<FhirSearch, FhirProblem> read_search(const FhirKind& kind, const Parameters& parameters, bool lenient,
                                                  std::string_view operation = {});

// "Patient/abc", "abc", "<base>/Patient/abc" → "abc".
std::string_view reference_id(std::string_view reference, std::string_view type);
// "a=1&b=%E4": percent-encoded, in order.
std::string write_query(const Parameters& parameters);

}  // namespace hutong::api
