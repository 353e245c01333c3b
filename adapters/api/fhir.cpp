#include "adapters/api/fhir.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <memory>

#include "adapters/api/fhir_search.h"
#include "adapters/api/router.h"
#include "adapters/api/router_fault.h"
#include "broker/query/page_token.h"

namespace hutong::api {
namespace {

using access::Action;
using access::Demand;
using model::View;
using model::ViewKind;

constexpr std::size_t parameters_bytes_max = 2 * 1024;  // they travel in the paging link
constexpr char page_separator = '\n';

bool is_json(std::string_view format) {
  return format == "json" || format == "application/json" || format == "application/fhir+json" ||
         format == "application/fhir json" || format == "text/json";  // a "+" in an address is a space
}

// Whether one of the media ranges of an Accept header can be JSON.
bool accepts_json(std::string_view accept) {
  if (accept.empty()) return true;
  while (!accept.empty()) {
    auto range = accept.substr(0, accept.find(','));
    accept.remove_prefix(std::min(accept.size(), range.size() + 1));
    range = range.substr(0, range.find(';'));
    while (!range.empty() && range.front() == ' ') range.remove_prefix(1);
    while (!range.empty() && range.back() == ' ') range.remove_suffix(1);
    if (range == "*/*" || range == "application/*" || range == "application/json" || range == "application/fhir+json" ||
        range == "text/json") {
      return true;
    }
  }
  return false;
}

// RFC 9110 §5.6.7, "Sun, 06 Nov 1994 08:49:37 GMT".
std::string http_date(Timestamp at) {
  static constexpr std::array<const char*, 7> days = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
  static constexpr std::array<const char*, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::string iso = to_iso(at);
  const auto day = static_cast<std::size_t>(((at.micros / 86'400'000'000) % 7 + 7) % 7);
  const int month = (iso[5] - '0') * 10 + iso[6] - '0';
  return std::string(days[day]) + ", " + iso.substr(8, 2) + " " + months[static_cast<std::size_t>(month - 1)] + " " +
         iso.substr(0, 4) + " " + iso.substr(11, 8) + " GMT";
}

bool etag_matches(std::string_view header, std::string_view etag) {
  if (header == "*") return true;
  while (!header.empty()) {
    auto one = header.substr(0, header.find(','));
    header.remove_prefix(std::min(header.size(), one.size() + 1));
    while (!one.empty() && one.front() == ' ') one.remove_prefix(1);
    while (!one.empty() && one.back() == ' ') one.remove_suffix(1);
    if (one == etag || "W/" + std::string(one) == etag) return true;  // weak comparison
  }
  return false;
}

class FhirService : public std::enable_shared_from_this<FhirService> {
 public:
  explicit FhirService(FhirDeps deps) : deps_(std::move(deps)), pages_(deps_.page_secret) {}

  net::awaitable<Response> metadata(const Request& request) const {
    if (auto refused = not_acceptable(request)) co_return *refused;
    co_return document(200, deps_.rendering.offers(fhir_offers(), deps_.version, base_of(request)));
  }

  net::awaitable<Response> read(const FhirKind& kind, const Request& request) {
    if (auto refused = not_acceptable(request)) co_return *refused;
    if (kind.kind == ViewKind::order && deps_.referral_request) {
      if (auto answered = co_await deps_.referral_request(request)) co_return std::move(*answered);
    }
    const std::string id = request.captures.at(0);
    auto permit = co_await decide(request, Action::read, std::string(kind.type), audited_id(id), "",
                                  co_await grant_of(request, kind, id));
    if (!permit) co_return failed(permit.error());
    auto answer = co_await deps_.clinical.read(*permit, kind.kind, id);
    if (!answer) co_return failed(answer.error());
    co_return single(*answer, request);
  }

  net::awaitable<Response> vread(const FhirKind& kind, const Request& request) {
    if (auto refused = not_acceptable(request)) co_return *refused;
    const std::string id = request.captures.at(0), text = request.captures.at(1);
    auto permit = co_await decide(request, Action::read, std::string(kind.type), audited_id(id), "");
    if (!permit) co_return failed(permit.error());
    std::uint64_t version = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), version);
    if (error != std::errc() || end != text.data() + text.size()) {
      co_return failed({ErrorCode::not_found, "versions are whole numbers; see _history"});
    }
    auto answer = co_await deps_.clinical.version(*permit, kind.kind, id, version);
    if (!answer) co_return failed(answer.error());
    co_return single(*answer, request);
  }

  net::awaitable<Response> history(const FhirKind& kind, const Request& request) {
    if (auto refused = not_acceptable(request)) co_return *refused;
    const std::string id = request.captures.at(0);
    auto permit = co_await decide(request, Action::read, std::string(kind.type), audited_id(id), "");
    if (!permit) co_return failed(permit.error());
    auto answer = co_await deps_.clinical.history(*permit, kind.kind, id);
    if (!answer) co_return failed(answer.error());
    const std::string base = base_of(request);
    port::Sheaf sheaf{.type = "history",
                      .base_url = base,
                      .matches = answer->matches,
                      .includes = {},
                      .total = kind.past_versions ? std::optional(answer->matches.size()) : std::nullopt,
                      .links = {}};
    sheaf.links.emplace_back("self", base + "/" + std::string(kind.type) + "/" + id + "/_history");
    co_return with_offset(document(200, deps_.rendering.many(sheaf)), answer->offset);
  }

  net::awaitable<Response> search(const FhirKind& kind, const Request& request) {
    if (auto refused = not_acceptable(request)) co_return *refused;
    auto page = page_of(kind.type, request);
    if (!page) co_return failed(page.error().error, page.error().where);
    auto asked = read_search(kind, page->parameters, lenient(request));
    if (!asked) co_return failed(asked.error().error, asked.error().where);
    auto& search = *asked;
    page->parameters = search.kept;
    const std::string subject = search.results.person ? search.results.person->hex() : "";
    auto permit = co_await decide(request, Action::search, std::string(kind.type), subject, search.used);
    if (!permit) co_return failed(permit.error());
    if (auto refused = not_included(request, search.included)) co_return *refused;
    Result<query::Answer> answer;
    if (kind.kind == ViewKind::person) {
      search.persons.position = page->position;
      answer = co_await deps_.clinical.persons(*permit, std::move(search.persons));
    } else if (kind.kind == ViewKind::facility) {
      search.facilities.position = page->position;
      answer = co_await deps_.clinical.facilities(*permit, std::move(search.facilities));
    } else {
      search.results.position = page->position;
      answer = co_await deps_.clinical.results(*permit, std::move(search.results));
    }
    if (!answer) co_return failed(answer.error());
    const std::string base = base_of(request);
    const std::string url = base + "/" + std::string(kind.type);
    port::Sheaf sheaf{.type = "searchset",
                      .base_url = base,
                      .matches = answer->matches,
                      .includes = answer->includes,
                      .total = std::nullopt,
                      .links = {}};
    if (search.count_only) {
      sheaf.total = answer->counted;
    } else if (page->position.empty() && answer->next.empty()) {
      sheaf.total = answer->matches.size();
    }
    // What is personal is sealed into the link; the rest is shown, for people who read links.
    const bool sealed = search.personal || !page->position.empty();
    sheaf.links.emplace_back("self", sealed
                                         ? link(url, kind.type, *page, page->position)
                                         : url + (page->parameters.empty() ? "" : "?") + write_query(page->parameters));
    if (!answer->next.empty()) sheaf.links.emplace_back("next", link(url, kind.type, *page, answer->next));
    co_return with_offset(document(200, deps_.rendering.many(sheaf)), answer->offset);
  }

  net::awaitable<Response> everything(const Request& request) {
    if (auto refused = not_acceptable(request)) co_return *refused;
    const std::string id = request.captures.at(0);
    auto page = page_of("Patient/$everything", request);
    if (!page) co_return failed(page.error().error, page.error().where);
    static constexpr FhirKind bare{.type = "Patient",
                                   .kind = ViewKind::person,
                                   .parameters = {},
                                   .includes = {},
                                   .operations = {},
                                   .documentation = {}};
    auto asked = read_search(bare, page->parameters, lenient(request), "everything");
    if (!asked) co_return failed(asked.error().error, asked.error().where);
    auto permit = co_await decide(request, Action::read, "Patient/$everything", audited_id(id), "");
    if (!permit) co_return failed(permit.error());
    const auto person = PersonId::from_hex(id);
    if (!person) co_return failed({ErrorCode::not_found, "nobody is known under this id"});
    auto answer = co_await deps_.clinical.everything(*permit, *person, asked->persons.count, page->position);
    if (!answer) co_return failed(answer.error());
    // A client sees of everything what it may see alone.
    std::erase_if(answer->matches, [&](const View& view) {
      return !request.principal->has("system/" + std::string(fhir_type(view.kind)) + ".r");
    });
    const std::string base = base_of(request), url = base + "/Patient/" + id + "/$everything";
    port::Sheaf sheaf{.type = "searchset",
                      .base_url = base,
                      .matches = answer->matches,
                      .includes = {},
                      .total = std::nullopt,
                      .links = {}};
    if (page->position.empty() && answer->next.empty()) sheaf.total = answer->matches.size();
    sheaf.links.emplace_back("self",
                             page->position.empty() ? url : link(url, "Patient/$everything", *page, page->position));
    if (!answer->next.empty()) sheaf.links.emplace_back("next", link(url, "Patient/$everything", *page, answer->next));
    co_return with_offset(document(200, deps_.rendering.many(sheaf)), answer->offset);
  }

  net::awaitable<Response> match(const Request& request) {
    if (auto refused = not_acceptable(request)) co_return *refused;
    Arena arena;
    auto asked = deps_.rendering.match_question(request.body, arena);
    if (!asked) co_return failed(asked.error());
    auto permit = co_await decide(request, Action::search, "Patient/$match", "", "resource");
    if (!permit) co_return failed(permit.error());
    auto answer = co_await deps_.clinical.match(*permit, asked->subject, asked->count, asked->only_certain);
    if (!answer) co_return failed(answer.error());
    std::vector<port::Grade> grades;
    for (const auto& each : answer->grades) {
      grades.push_back({each.chance, each.certain ? "certain" : each.probable ? "probable" : "possible"});
    }
    const std::string base = base_of(request);
    port::Sheaf sheaf{.type = "searchset",
                      .base_url = base,
                      .matches = answer->matches,
                      .includes = {},
                      .total = answer->matches.size(),
                      .links = {},
                      .grades = grades};
    co_return with_offset(document(200, deps_.rendering.many(sheaf)), answer->offset);
  }

  // ITI-83 (PIXm): the other identifiers of whom one identifier names.
  net::awaitable<Response> cross_references(const Request& request) {
    if (auto refused = not_acceptable(request)) co_return *refused;
    const std::string source(request.parameter("sourceIdentifier"));
    const auto bar = source.find('|');
    if (bar == std::string::npos || bar == 0 || bar + 1 == source.size()) {
      co_return failed({ErrorCode::invalid, "an identifier with its system: SYSTEM|VALUE"}, "sourceIdentifier");
    }
    std::vector<std::string> systems;
    for (const auto& [name, value] : request.query) {
      if (name == "targetSystem") systems.push_back(value);
    }
    auto permit = co_await decide(request, Action::search, "Patient/$ihe-pix", "", "sourceIdentifier,targetSystem");
    if (!permit) co_return failed(permit.error());
    query::PersonSearch search;
    const std::string system = source.substr(0, bar), value = source.substr(bar + 1);
    search.identifiers.push_back({.system = system, .value = value});
    search.count = 2;
    auto answer = co_await deps_.clinical.persons(*permit, std::move(search));
    if (!answer) co_return failed(answer.error());
    if (answer->matches.empty()) {
      co_return failed({ErrorCode::not_found, "nobody is known under this identifier"}, "sourceIdentifier");
    }
    if (answer->matches.size() > 1) {
      co_return failed({ErrorCode::conflict, "more than one person has this identifier; a steward has to decide"},
                       "sourceIdentifier");
    }
    co_return with_offset(
        document(200, deps_.rendering.cross_references(*answer->matches.front().person, system, value, systems)),
        answer->offset);
  }

  net::awaitable<Response> latest(const FhirKind& kind, const Request& request) {
    if (auto refused = not_acceptable(request)) co_return *refused;
    auto asked = read_search(kind, request.query, lenient(request), "lastn");
    if (!asked) co_return failed(asked.error().error, asked.error().where);
    const std::string subject = asked->results.person ? asked->results.person->hex() : "";
    auto permit = co_await decide(request, Action::search, "Observation/$lastn", subject, asked->used);
    if (!permit) co_return failed(permit.error());
    if (auto refused = not_included(request, asked->included)) co_return *refused;
    auto answer = co_await deps_.clinical.latest(*permit, std::move(asked->results), asked->max);
    if (!answer) co_return failed(answer.error());
    const std::string base = base_of(request);
    port::Sheaf sheaf{.type = "searchset",
                      .base_url = base,
                      .matches = answer->matches,
                      .includes = answer->includes,
                      .total = answer->matches.size(),
                      .links = {}};
    sheaf.links.emplace_back("self", base + "/Observation/$lastn?" + write_query(asked->kept));
    co_return with_offset(document(200, deps_.rendering.many(sheaf)), answer->offset);
  }

 private:
  struct Page {
    Parameters parameters;
    std::string position;
  };

  static std::string base_of(const Request& request) { return request.base_url + "/fhir"; }
  // What may stand in an audit record: our own ids. Anything else could be typed by mistake, a card number too.
  static std::string audited_id(const std::string& id) {
    const bool ours = id.size() >= 32 && ReportId::from_hex(std::string_view(id).substr(0, 32)).has_value();
    return ours && id.size() <= 64 ? id : std::string();
  }
  static bool lenient(const Request& request) {
    return request.header("prefer").find("handling=lenient") != std::string_view::npos;
  }

  Response document(int status, std::string body) const {
    return fhir_response(deps_.rendering.content_type(), status, std::move(body));
  }

  static Response with_offset(Response response, port::Offset offset) {
    response.headers.emplace_back("X-Hutong-Offset", std::to_string(offset));
    return response;
  }

  Response failed(const Error& error, std::string_view where = {}) const {
    std::string message = error.message;
    // The parameter's name is the client's text: named only where it is a name.
    const bool plain = where.size() <= 64 && where.find_first_not_of(
                                                 "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                                 "0123456789_-:.$") == std::string_view::npos;
    if (!where.empty()) message = (plain ? std::string(where) : std::string("a parameter")) + ": " + message;
    return document(http_status(error.code), deps_.rendering.outcome(error.code, message, plain ? where : ""));
  }

  std::optional<Response> not_acceptable(const Request& request) const {
    const auto format = request.parameter("_format");
    const bool fine =
        format.empty() ? accepts_json(request.header("accept")) : is_json(format.substr(0, format.find(';')));
    if (fine) return std::nullopt;
    return document(406, deps_.rendering.outcome(ErrorCode::invalid,
                                                 "only JSON is spoken here: ask for application/fhir+json", "_format"));
  }

  std::optional<Response> not_included(const Request& request, const std::vector<std::string>& types) const {
    for (const auto& type : types) {
      const std::string scope = "system/" + type + ".r";
      if (request.principal && request.principal->has(scope)) continue;
      return failed({ErrorCode::forbidden, "including " + type + " needs the scope " + scope});
    }
    return std::nullopt;
  }

  // The parameters of this page: the request's own, or those that its paging link holds.
  tl::expected<Page, FhirProblem> page_of(std::string_view what, const Request& request) const {
    Page page;
    const auto token = request.parameter("_cursor");
    if (token.empty()) {
      page.parameters = request.query;
      if (write_query(page.parameters).size() > parameters_bytes_max) {
        return tl::unexpected<FhirProblem>(
            {{ErrorCode::too_large, "the parameters are longer than 2 KiB; ask for less at once"}, ""});
      }
      return page;
    }
    const auto bad = tl::unexpected<FhirProblem>(
        {{ErrorCode::invalid,
          "this page link is not one of ours or belongs to another search; start from the first page"},
         "_cursor"});
    const auto plain = pages_.open(token);
    if (!plain) return bad;
    std::string_view rest = *plain;
    const auto type = rest.substr(0, rest.find(page_separator));
    if (type != what || type.size() == rest.size()) return bad;
    rest.remove_prefix(type.size() + 1);
    const auto query = rest.substr(0, rest.find(page_separator));
    if (query.size() == rest.size()) return bad;
    auto parameters = read_query(query);
    if (!parameters) return bad;
    page.parameters = std::move(*parameters);
    page.position = rest.substr(query.size() + 1);
    return page;
  }

  std::string link(const std::string& url, std::string_view what, const Page& page, const std::string& position) const {
    std::string plain(what);
    plain.push_back(page_separator);
    plain += write_query(page.parameters);
    plain.push_back(page_separator);
    return url + "?_cursor=" + pages_.seal(plain + position);
  }

  // What is in a report is read by what travels with a referral, too (fhir_referral.h), where the scopes do not reach.
  net::awaitable<std::string> grant_of(const Request& request, const FhirKind& kind, const std::string& id) {
    const bool of_report = kind.kind == ViewKind::report || kind.kind == ViewKind::observation ||
                           kind.kind == ViewKind::study || kind.kind == ViewKind::specimen ||
                           kind.kind == ViewKind::image_access;
    if (!of_report || !deps_.grant || !request.principal || id.size() < 32) co_return std::string();
    const auto& who = *request.principal;
    if (who.has("system/" + std::string(kind.type) + ".r") || !who.has("system/Task.r")) co_return std::string();
    co_return co_await deps_.grant(request, id.substr(0, 32));
  }

  net::awaitable<Result<access::Permit>> decide(const Request& request, Action action, std::string resource,
                                                std::string subject, std::string parameters, std::string grant = {}) {
    if (!request.principal) co_return fail(ErrorCode::forbidden, "send an access token: Authorization: Bearer …");
    Demand demand{.action = action,
                  .resource = std::move(resource),
                  .subject = std::move(subject),
                  .parameters = std::move(parameters),
                  .purpose = std::string(request.header("x-purpose-of-use")),
                  .peer = request.peer,
                  .grant = std::move(grant)};
    co_return co_await deps_.gate.decide(*request.principal, std::move(demand));
  }

  Response single(const query::Answer& answer, const Request& request) const {
    const View& view = answer.matches.front();
    const std::string etag = "W/\"" + std::to_string(model::version_of(view)) + "\"";
    const Timestamp updated = model::updated_of(view);
    const auto known = request.header("if-none-match");
    const bool same = !known.empty() && etag_matches(known, etag);
    Response response = same ? document(304, "") : document(200, deps_.rendering.one(view));
    response.headers.emplace_back("ETag", etag);
    if (updated.micros != 0) response.headers.emplace_back("Last-Modified", http_date(updated));
    return with_offset(std::move(response), answer.offset);
  }

  FhirDeps deps_;
  query::PageToken pages_;
};

}  // namespace

std::vector<Route> fhir_routes(FhirDeps deps) {
  auto service = std::make_shared<FhirService>(std::move(deps));
  std::vector<Route> routes;
  const auto add = [&](std::string method, std::string pattern, Handler handler, std::string scope = "fhir") {
    routes.push_back({std::move(method), std::move(pattern), std::move(scope), std::move(handler)});
  };
  add(
      "GET", "/fhir/metadata", [service](const Request& request) { return service->metadata(request); }, "");
  for (const auto& each : fhir_kinds()) {
    const FhirKind* kind = &each;
    const std::string base = "/fhir/" + std::string(kind->type);
    add("GET", base + "/{id}", [service, kind](const Request& request) { return service->read(*kind, request); });
    const Handler search = [service, kind](const Request& request) { return service->search(*kind, request); };
    add("GET", base, search);
    add("POST", base + "/_search", search);
    add("GET", base + "/{id}/_history/{version}",
        [service, kind](const Request& request) { return service->vread(*kind, request); });
    add("GET", base + "/{id}/_history",
        [service, kind](const Request& request) { return service->history(*kind, request); });
  }
  add("GET", "/fhir/Patient/{id}/$everything",
      [service](const Request& request) { return service->everything(request); });
  add("POST", "/fhir/Patient/$match", [service](const Request& request) { return service->match(request); });
  add("GET", "/fhir/Patient/$ihe-pix",
      [service](const Request& request) { return service->cross_references(request); });
  const FhirKind* observation = find_fhir_kind("Observation");
  add("GET", "/fhir/Observation/$lastn",
      [service, observation](const Request& request) { return service->latest(*observation, request); });
  return routes;
}

}  // namespace hutong::api
