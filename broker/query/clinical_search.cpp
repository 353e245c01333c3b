#include "broker/query/clinical_search.h"

#include <algorithm>

#include "broker/model/identifier.h"
#include "broker/model/identifier_key.h"

namespace hutong::query {
namespace {

using model::Coded;
using model::Text;
using model::View;
using model::ViewKind;

template <class T, class Match>
bool all_of_any(const AllOfAny<T>& asked, Match match) {
  return std::all_of(asked.begin(), asked.end(),
                     [&](const std::vector<T>& any) { return std::any_of(any.begin(), any.end(), match); });
}

// The usual search, a code without a system, builds no string.
bool has_code(const Coded& coded, Text facility, const Token& token) {
  if (!token.system)
    return token.value == coded.mapped_code || token.value == coded.code || token.value == coded.alt_code;
  for (const auto& coding : model::codings(coded, facility)) {
    if (coding.code == token.value && coding.system == *token.system) return true;
  }
  return false;
}

bool is_code(Text system, Text code, const Token& token) {
  return token.value == code && (!token.system || *token.system == system);
}

bool has_code(const View& view, const Token& token) {
  if (token.value.empty()) return false;
  switch (view.kind) {
    case ViewKind::observation: {
      const auto& report = view.report->report;
      return has_code(report.observations[view.item].code, report.issuer, token);
    }
    case ViewKind::order:
      if (view.order) return has_code(view.order->order.service, view.order->order.facility, token);
      [[fallthrough]];
    case ViewKind::report: return has_code(view.report->report.service, view.report->report.issuer, token);
    case ViewKind::specimen: return has_code(view.report->report.specimen.type, view.report->report.issuer, token);
    case ViewKind::study:
      return is_code("http://dicom.nema.org/resources/ontology/DCM", view.report->report.exam.modality, token);
    case ViewKind::encounter:
      return is_code("http://terminology.hl7.org/CodeSystem/v3-ActCode",
                     model::to_string(view.encounter->encounter.kind), token);
    default: return false;
  }
}

bool has_number(const View& view, const Token& token) {
  const auto numbers = model::order_numbers(view);
  return std::any_of(numbers.begin(), numbers.end(), [&](const model::Numbered& number) {
    return number.value == token.value && (!token.system || *token.system == number.system);
  });
}

bool carries(const model::LocalPatient& member, const Token& token) {
  const auto is = [&](const model::Identifier& identifier) {
    return identifier.value == fold_identifier(identifier.kind, token.value) &&
           (!token.system || *token.system == model::identifier_system(identifier));
  };
  model::Identifier own;  // the number that the record is kept under, whether or not it was sent as an identifier
  own.kind = model::IdentifierKind::facility_number;
  own.facility = member.facility;
  own.value = member.number;
  return is(own) || std::any_of(member.subject.identifiers.begin(), member.subject.identifiers.end(), is);
}

}  // namespace

bool matches(const TimeSpan& found, const TimeFilter& asked) {
  const bool within = found.first >= asked.span.first && found.last <= asked.span.last;
  switch (asked.compare) {
    case Compare::eq: return within;
    case Compare::ne: return !within;
    case Compare::lt: return found.first < asked.span.first;
    case Compare::gt: return found.last > asked.span.last;
    case Compare::le: return within || found.first < asked.span.first;
    case Compare::ge: return within || found.last > asked.span.last;
    case Compare::sa: return found.first >= asked.span.last;
    case Compare::eb: return found.last <= asked.span.first;
  }
  return false;
}

bool matches(const View& view, const ResultSearch& search) {
  if (view.kind != search.kind) return false;
  if (!all_of_any(search.codes, [&](const Token& token) { return has_code(view, token); })) return false;
  if (!all_of_any(search.identifiers, [&](const Token& token) { return has_number(view, token); })) return false;
  if (!search.statuses.empty()) {
    const auto status = model::status_of(view);
    if (!all_of_any(search.statuses, [&](const Token& token) { return token.value == status; })) return false;
  }
  if (!search.categories.empty()) {
    const auto categories = model::categories(view);
    const bool found = all_of_any(search.categories, [&](const Token& token) {
      return std::any_of(categories.begin(), categories.end(),
                         [&](const model::Coding& coding) { return is_code(coding.system, coding.code, token); });
    });
    if (!found) return false;
  }
  if (!search.dates.empty()) {
    const auto span = model::clinical_span(view);
    if (!span || !all_of_any(search.dates, [&](const TimeFilter& asked) { return matches(*span, asked); }))
      return false;
  }
  if (!search.updated.empty()) {
    const Timestamp at = model::updated_of(view);
    const TimeSpan span{at, {at.micros + 1}};
    if (!all_of_any(search.updated, [&](const TimeFilter& asked) { return matches(span, asked); })) return false;
  }
  return true;
}

bool matches(const model::PersonView& person, const PersonSearch& search) {
  const auto any_member = [&](auto test) { return std::any_of(person.members.begin(), person.members.end(), test); };
  if (!search.sexes.empty()) {
    const bool found = any_member([&](const model::LocalPatient& member) {
      return std::find(search.sexes.begin(), search.sexes.end(), member.subject.sex) != search.sexes.end();
    });
    if (!found) return false;
  }
  if (!search.identifiers.empty()) {
    const bool found = any_member([&](const model::LocalPatient& member) {
      return std::any_of(search.identifiers.begin(), search.identifiers.end(),
                         [&](const Token& token) { return carries(member, token); });
    });
    if (!found) return false;
  }
  const auto named = [&](const NameFilter& asked) {
    const std::string key = model::name_key(asked.text);
    return any_member([&](const model::LocalPatient& member) {
      for (const auto& name : member.subject.names) {
        for (Text part : {name.text, name.family, name.given}) {
          if (part.empty()) continue;
          const std::string folded = model::name_key(part);
          if (asked.mode == NameFilter::Mode::exact    ? part == asked.text
              : asked.mode == NameFilter::Mode::starts ? folded.starts_with(key)
                                                       : folded.find(key) != std::string::npos) {
            return true;
          }
        }
      }
      return false;
    });
  };
  if (!all_of_any(search.names, named)) return false;
  const auto born = [&](const TimeFilter& asked) {
    return any_member([&](const model::LocalPatient& member) {
      const auto span = parse_iso(member.subject.born.iso.substr(0, 10));
      return span && matches(*span, asked);
    });
  };
  return all_of_any(search.births, born);
}

bool matches(const model::Facility& facility, const FacilitySearch& search) {
  if (!search.identifiers.empty()) {
    const bool found = std::any_of(search.identifiers.begin(), search.identifiers.end(), [&](const Token& token) {
      return token.value == facility.code && (!token.system || *token.system == model::facility_system);
    });
    if (!found) return false;
  }
  if (search.names.empty()) return true;
  return std::any_of(search.names.begin(), search.names.end(), [&](const NameFilter& asked) {
    const std::string key = model::name_key(asked.text);
    for (const std::string& name : {facility.name_zh, facility.name_en}) {
      const std::string folded = model::name_key(name);
      if (asked.mode == NameFilter::Mode::exact    ? name == asked.text
          : asked.mode == NameFilter::Mode::starts ? folded.starts_with(key)
                                                   : folded.find(key) != std::string::npos) {
        return true;
      }
    }
    return false;
  });
}

std::string fold_identifier(model::IdentifierKind kind, std::string_view typed) {
  Arena arena(256);
  return std::string(model::normal_number(kind, typed, arena));
}

}  // namespace hutong::query
