// What can be asked of the clinical read side, already understood: the wire's adapter has read the parameters, and
// every token, date and reference stands here as a value. Also the matching of one view against it: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "broker/base/limits.h"
#include "broker/model/views.h"

namespace hutong::query {

struct Token {
  std::optional<std::string> system;  // nullopt: any system; "": a value without one
  std::string value;
};

enum class Compare { eq, ne, lt, le, gt, ge, sa, eb };

struct TimeFilter {
  Compare compare = Compare::eq;
  TimeSpan span;
  std::string text;  // as asked, for keys that are texts (birth dates)
};

// Each outer list is "and", each inner one "or".
template <class T>
using AllOfAny = std::vector<std::vector<T>>;

struct ResultSearch {
  model::ViewKind kind = model::ViewKind::observation;  // also report, specimen, order, study, image_access, encounter
  std::optional<PersonId> person;
  std::vector<std::string> ids;
  AllOfAny<Token> codes, categories, statuses;
  AllOfAny<Token> identifiers;  // of orders: their numbers
  AllOfAny<TimeFilter> dates, updated;
  std::vector<model::ViewKind> includes;  // what they refer to, and what refers to them
  bool oldest_first = false;
  std::size_t count = limits::page_items_default;
  std::string position;  // Answer::next of the page before
  bool count_only = false;
};

struct NameFilter {
  enum class Mode { starts, exact, contains } mode = Mode::starts;
  std::string text;
};

struct PersonSearch {
  std::vector<std::string> ids;
  std::vector<Token> identifiers;  // any of them
  AllOfAny<NameFilter> names;
  AllOfAny<TimeFilter> births;
  std::vector<model::Sex> sexes;
  std::vector<model::ViewKind> includes;  // what refers to them
  std::size_t count = limits::page_items_default;
  std::string position;
  bool count_only = false;
};

struct FacilitySearch {
  std::vector<std::string> ids;
  std::vector<Token> identifiers;
  std::vector<NameFilter> names;
  std::size_t count = limits::page_items_default;
  std::string position;
  bool count_only = false;
};

// FHIR R4 §3.1.1.4.6: eq is containment of the found span in the asked one, lt and gt look at the part below and above.
bool matches(const TimeSpan& found, const TimeFilter& asked);
bool matches(const model::View& view, const ResultSearch& search);
bool matches(const model::PersonView& person, const PersonSearch& search);
bool matches(const model::Facility& facility, const FacilitySearch& search);

// A number as people type it, in the form that is keyed: no spaces, full-width folded, a resident card's x upper case.
std::string fold_identifier(model::IdentifierKind kind, std::string_view typed);

}  // namespace hutong::query
