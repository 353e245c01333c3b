#include "adapters/api/fhir_search.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "broker/base/hash.h"
#include "broker/query/clinical.h"

namespace hutong::api {
namespace {

using model::ViewKind;
using query::Compare;
using query::TimeFilter;
using query::Token;

// Values are separated by "," and "|", a backslash takes the next character as it is (search.html#escaping).
std::vector<std::string> split(std::string_view text, char separator, bool unescape) {
  std::vector<std::string> parts(1);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) {
      if (!unescape) parts.back().push_back('\\');
      parts.back().push_back(text[++i]);
    } else if (text[i] == separator) {
      parts.emplace_back();
    } else {
      parts.back().push_back(text[i]);
    }
  }
  return parts;
}

class Reader {
 public:
  Reader(const FhirKind& kind, std::string_view operation) : kind_(kind), operation_(operation) {}

  bool read(const std::string& full_name, const std::string& value, FhirSearch& search) {
    const auto colon = full_name.find(':');
    const std::string name = full_name.substr(0, colon);
    const std::string modifier = colon == std::string::npos ? "" : full_name.substr(colon + 1);
    where_ = full_name;
    if (name == "_format" || name == "_pretty") return true;
    if (value.empty()) return true;  // search.html: an empty parameter is none
    if (name == "_count") return count(value, search);
    if (name == "_sort") return sort(value, search);
    if (name == "_summary" && operation_.empty()) return summary(value, search);
    if (name == "_include" || name == "_revinclude") {
      if (!modifier.empty()) return refuse(ErrorCode::invalid, "modifier", name + " takes no modifier here");
      const auto reverse = fhir_reverse_includes(kind_);
      const auto offered = name == "_include" ? kind_.includes : std::span<const FhirKind::Include>(reverse);
      if (!offered.empty()) return include(name, value, offered, search);
    }
    if (operation_ == "lastn" && name == "max") return number(value, 1, 100, search.max);
    const bool known = std::any_of(kind_.parameters.begin(), kind_.parameters.end(),
                                   [&](const auto& each) { return each.name == name; });
    if (!known)
      return refuse(ErrorCode::invalid, "unknown",
                    "this parameter is not supported here; see /fhir/metadata, or send \"Prefer: handling=lenient\"");
    used_.insert(name);
    if (name == "patient" || name == "subject") return reference(value, modifier, search);
    const bool string = name == "name";
    if (!modifier.empty() && !(string && (modifier == "exact" || modifier == "contains"))) {
      return refuse(ErrorCode::invalid, "modifier", "this modifier is not supported; use the parameter without it");
    }
    if (name == "_id") return ids(value, search);
    if (name == "_lastUpdated") return dates(value, search.results.updated);
    if (kind_.kind == ViewKind::person) return person(name, modifier, value, search);
    if (kind_.kind == ViewKind::facility) return facility(name, modifier, value, search);
    if (name == "date" || name == "started" || name == "authored") return dates(value, search.results.dates);
    if (name == "identifier") {
      search.personal = true;
      return tokens(value, search.results.identifiers);
    }
    if (name == "status") return tokens(value, search.results.statuses);
    if (name == "category") return tokens(value, search.results.categories);
    return tokens(value, search.results.codes);  // code, type, modality, class
  }

  // False: the parameter may be ignored where the client is lenient.
  bool fatal() const { return reason_ != "unknown"; }
  FhirProblem problem() const { return {error_, where_}; }
  std::string used() const {
    std::string all;
    for (const auto& name : used_) all += (all.empty() ? "" : ",") + name;
    return all;
  }

 private:
  bool refuse(ErrorCode code, std::string_view reason, std::string message) {
    reason_ = reason;
    error_ = {code, std::move(message)};
    return false;
  }

  bool number(std::string_view text, std::size_t low, std::size_t high, std::size_t& value) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc() && end == text.data() + text.size() && value >= low && value <= high) return true;
    return refuse(ErrorCode::invalid, "value",
                  "expected a whole number from " + std::to_string(low) + " to " + std::to_string(high));
  }

  bool count(const std::string& value, FhirSearch& search) {
    std::size_t count = 0;
    if (value == "0") {  // search.html#count: the same as _summary=count
      search.count_only = true;
      return true;
    }
    if (!number(value, 1, limits::page_items_max, count)) return false;
    search.results.count = search.persons.count = search.facilities.count = count;
    return true;
  }

  bool sort(const std::string& value, FhirSearch& search) {
    const bool timed = kind_.kind != ViewKind::person && kind_.kind != ViewKind::facility;
    const std::string_view key = kind_.kind == ViewKind::study   ? "started"
                                 : kind_.kind == ViewKind::order ? "authored"
                                                                 : "date";
    if (timed && operation_.empty() && value == "-" + std::string(key)) return true;
    if (timed && operation_.empty() && value == key) {
      search.results.oldest_first = true;
      return true;
    }
    if (!timed && value == "_id") return true;
    return refuse(ErrorCode::invalid, "value",
                  timed ? "results are sorted by -" + std::string(key) + " (newest first) or " + std::string(key)
                        : "only _id is a sort order here");
  }

  bool summary(const std::string& value, FhirSearch& search) {
    if (value == "false") return true;
    if (value != "count") return refuse(ErrorCode::invalid, "value", "_summary can be count or false");
    search.count_only = true;
    return true;
  }

  bool include(const std::string& name, const std::string& value, std::span<const FhirKind::Include> offered,
               FhirSearch& search) {
    for (const auto& each : offered) {
      // "Observation:subject:Patient" names the target, which our references have only one of.
      const auto target = name == "_include" ? each.target : kind_.kind;
      const std::string with_type = std::string(each.name) + ":" + std::string(fhir_type(target));
      if (value != each.name && value != with_type) continue;
      auto& kinds = kind_.kind == ViewKind::person ? search.persons.includes : search.results.includes;
      if (std::find(kinds.begin(), kinds.end(), each.target) == kinds.end()) {
        kinds.push_back(each.target);
        search.included.emplace_back(fhir_type(each.target));
      }
      return true;
    }
    return refuse(ErrorCode::invalid, "value",
                  "this " + name + " is not offered; see searchInclude and searchRevInclude in /fhir/metadata");
  }

  bool reference(const std::string& value, const std::string& modifier, FhirSearch& search) {
    if (!modifier.empty() && modifier != "Patient") {
      return refuse(ErrorCode::invalid, "modifier", "results belong to patients: use patient=<id>");
    }
    const auto id = PersonId::from_hex(reference_id(value, "Patient"));
    if (!id) {
      return refuse(ErrorCode::invalid, "value",
                    "expected one patient's id or Patient/<id>; find it with Patient?identifier= first");
    }
    if (search.results.person && *search.results.person != *id) {
      return refuse(ErrorCode::invalid, "value", "one patient at a time");
    }
    search.results.person = *id;
    return true;
  }

  bool ids(const std::string& value, FhirSearch& search) {
    auto list = split(value, ',', true);
    if (list.size() > query::ids_per_search) {
      return refuse(ErrorCode::too_costly, "value",
                    "at most " + std::to_string(query::ids_per_search) + " ids in one search");
    }
    // A card number typed as an id must not come back in a link.
    if (kind_.kind != ViewKind::facility) {
      for (const auto& id : list) {
        search.personal = search.personal || !ReportId::from_hex(std::string_view(id).substr(0, 32));
      }
    }
    search.results.ids = search.persons.ids = search.facilities.ids = std::move(list);
    return true;
  }

  bool dates(const std::string& value, query::AllOfAny<TimeFilter>& into) {
    static constexpr std::pair<std::string_view, Compare> prefixes[] = {
        {"eq", Compare::eq}, {"ne", Compare::ne}, {"lt", Compare::lt}, {"le", Compare::le},
        {"gt", Compare::gt}, {"ge", Compare::ge}, {"sa", Compare::sa}, {"eb", Compare::eb}};
    std::vector<TimeFilter> any;
    for (const auto& each : split(value, ',', true)) {
      TimeFilter filter;
      std::string_view text = each;
      for (const auto& [prefix, compare] : prefixes) {
        if (!text.starts_with(prefix)) continue;
        filter.compare = compare;
        text.remove_prefix(prefix.size());
        break;
      }
      filter.text = text;
      // "+08:00" typed into an address arrives as a space.
      if (const auto space = filter.text.find(' '); space != std::string::npos && space > 10) filter.text[space] = '+';
      const auto span = parse_iso(filter.text);
      if (!span) {
        return refuse(ErrorCode::invalid, "value",
                      "expected a date or time such as ge2026-01-02 or lt2026-01-02T08:00:00+08:00");
      }
      filter.span = *span;
      any.push_back(std::move(filter));
    }
    into.push_back(std::move(any));
    return true;
  }

  static Token token(std::string_view text) {
    auto parts = split(text, '|', true);
    if (parts.size() == 1) return {std::nullopt, std::move(parts[0])};
    return {std::move(parts[0]), std::move(parts[1])};
  }

  bool tokens(const std::string& value, query::AllOfAny<Token>& into) {
    std::vector<Token> any;
    for (const auto& each : split(value, ',', false)) any.push_back(token(each));
    into.push_back(std::move(any));
    return true;
  }

  static std::vector<query::NameFilter> names(const std::string& value, const std::string& modifier) {
    using Mode = query::NameFilter::Mode;
    std::vector<query::NameFilter> any;
    for (auto& each : split(value, ',', true)) {
      any.push_back({modifier == "exact"      ? Mode::exact
                     : modifier == "contains" ? Mode::contains
                                              : Mode::starts,
                     std::move(each)});
    }
    return any;
  }

  bool person(const std::string& name, const std::string& modifier, const std::string& value, FhirSearch& search) {
    search.personal = true;
    if (name == "identifier") {
      if (!search.persons.identifiers.empty()) {
        return refuse(ErrorCode::invalid, "value", "identifier can be given once; separate several by commas");
      }
      for (const auto& each : split(value, ',', false)) {
        Token one = token(each);
        if (one.value.empty())
          return refuse(ErrorCode::invalid, "value", "an identifier needs its value: system|value");
        search.persons.identifiers.push_back(std::move(one));
      }
      if (search.persons.identifiers.size() > 20) {
        return refuse(ErrorCode::too_costly, "value", "at most 20 identifiers in one search");
      }
      return true;
    }
    if (name == "birthdate") return dates(value, search.persons.births);
    if (name == "gender") {
      for (const auto& each : split(value, ',', true)) {
        bool found = false;
        for (auto sex : {model::Sex::unknown, model::Sex::male, model::Sex::female, model::Sex::other}) {
          if (model::to_string(sex) != each) continue;
          search.persons.sexes.push_back(sex);
          found = true;
        }
        if (!found) return refuse(ErrorCode::invalid, "value", "gender is male, female, other or unknown");
      }
      return true;
    }
    search.persons.names.push_back(names(value, modifier));
    return true;
  }

  bool facility(const std::string& name, const std::string& modifier, const std::string& value, FhirSearch& search) {
    if (name == "identifier") {
      for (const auto& each : split(value, ',', false)) search.facilities.identifiers.push_back(token(each));
      return true;
    }
    search.facilities.names = names(value, modifier);
    return true;
  }

  const FhirKind& kind_;
  std::string_view operation_;
  std::set<std::string> used_;
  std::string where_;
  std::string_view reason_;
  Error error_;
};

}  // namespace

std::string_view reference_id(std::string_view reference, std::string_view type) {
  const auto slash = reference.rfind('/');
  if (slash == std::string_view::npos) return reference;
  const auto path = reference.substr(0, slash);
  const bool fits =
      path == type || (path.size() > type.size() && path.ends_with(type) && path[path.size() - type.size() - 1] == '/');
  return fits ? reference.substr(slash + 1) : std::string_view();
}

std::string write_query(const Parameters& parameters) {
  std::string text;
  const auto encode = [&](std::string_view part) {
    for (char c : part) {
      const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                         std::string_view("-._~:/|,$").find(c) != std::string_view::npos;
      if (plain) {
        text.push_back(c);
      } else {
        text.append("%").append(to_hex({&c, 1}));
      }
    }
  };
  for (const auto& [name, value] : parameters) {
    if (!text.empty()) text.push_back('&');
    encode(name);
    text.push_back('=');
    encode(value);
  }
  return text;
}

tl::expected<FhirSearch, FhirProblem> read_search(const FhirKind& kind, const Parameters& parameters, bool lenient,
                                                  std::string_view operation) {
  FhirSearch search;
  search.results.kind = kind.kind;
  Reader reader(kind, operation);
  for (const auto& [name, value] : parameters) {
    if (reader.read(name, value, search)) {
      search.kept.emplace_back(name, value);
      continue;
    }
    if (lenient && !reader.fatal()) continue;
    return tl::unexpected<FhirProblem>(reader.problem());
  }
  search.used = reader.used();
  search.results.count_only = search.persons.count_only = search.facilities.count_only = search.count_only;
  return search;
}

}  // namespace hutong::api
