#include "adapters/api/fhir_subscription.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <memory>

#include "adapters/api/client_facilities.h"
#include "adapters/api/fhir_search.h"
#include "adapters/api/fhir_told.h"
#include "adapters/api/json_tree.h"
#include "adapters/api/operate_json.h"
#include "adapters/api/router.h"
#include "adapters/api/router_fault.h"
#include "broker/base/hash.h"
#include "broker/model/referral.h"

namespace hutong::api {
namespace {

using access::Action;
using model::DeclaredState;
using model::PayloadKind;
using model::SubscriptionDeclared;

constexpr std::size_t subscriptions_per_client = 100;
constexpr std::size_t words_bytes = 2'000;
constexpr std::size_t events_shown = 20;
constexpr std::string_view backport = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/";
constexpr std::string_view loinc = "http://loinc.org|";

constexpr port::Offer::Parameter search_parameters[] = {
    {"_id", "token", "one id"},
    {"status", "token", "requested, active, error or off"},
};

// What is wrong with what was sent, and the element.
struct Problem {
  std::string where, message;
};
template <class Value>
using Read = tl::expected<Value, Problem>;

tl::unexpected<Problem> problem(std::string where, std::string message) {
  return tl::unexpected(Problem{std::move(where), std::move(message)});
}

std::string content_of(PayloadKind payload) {
  return payload == PayloadKind::fhir ? "full-resource" : payload == PayloadKind::id_only ? "id-only" : "empty";
}

std::optional<PayloadKind> payload_of(std::string_view content) {
  for (const auto each : {PayloadKind::fhir, PayloadKind::id_only, PayloadKind::empty}) {
    if (content_of(each) == content) return each;
  }
  return std::nullopt;
}

// --- criteria ---

struct Criterion {
  std::string_view type;
  std::vector<std::string> kinds;
  std::string parameters;  // that are known, for who asked for another
};

const std::vector<Criterion>& criteria_known() {
  static const std::vector<Criterion> known{
      {"Observation", {"result.reported", "exam.reported"}, "code (LOINC), interpretation=LL,HH,AA"},
      {"DiagnosticReport", {"result.reported", "exam.reported"}, "code (LOINC), category=LAB or RAD"},
      {"ServiceRequest", {"order.placed"}, "code (LOINC)"},
      {"Encounter", {"encounter.changed"}, "none"},
      {"Patient",
       {"patient.updated", "patient.merged", "patient.linked", "patient.unlinked", "identity.linked", "identity.merged",
        "identity.split", "identity.undone"},
       "none"},
      {"Task", {std::string(model::referral_answered_kind)}, "owner or requester=Organization/CODE"}};
  return known;
}

std::vector<std::string> split(std::string_view value) {
  std::vector<std::string> all;
  while (!value.empty()) {
    const auto one = value.substr(0, value.find(','));
    value.remove_prefix(std::min(value.size(), one.size() + 1));
    if (!one.empty()) all.emplace_back(one);
  }
  return all;
}

bool is_loinc(std::string_view code) {
  return code.size() >= 3 && code.size() <= 10 && code[code.size() - 2] == '-' &&
         std::all_of(code.begin(), code.end() - 2, [](char c) { return c >= '0' && c <= '9'; });
}

// `mine`: in whose name the client may act; none: anybody's.
Read<model::SubscriptionFilter> read_criteria(const std::string& criteria, const std::vector<std::string>& mine,
                                              const model::FacilityDirectory& facilities) {
  const auto mark = std::min(criteria.find('?'), criteria.size());
  const auto type = criteria.substr(0, mark);
  const auto& known = criteria_known();
  const auto found = std::find_if(known.begin(), known.end(), [&](const auto& each) { return each.type == type; });
  if (found == known.end()) {
    return problem("criteria",
                   "expected Observation, DiagnosticReport, ServiceRequest, Encounter, Patient or Task, with \"?\" and "
                   "what of them; topics are not supported");
  }
  const auto query = read_query(std::string_view(criteria).substr(std::min(mark + 1, criteria.size())));
  if (!query) return problem("criteria", query.error().message);
  model::SubscriptionFilter filter;
  filter.kinds = found->kinds;
  for (const auto& [name, value] : *query) {
    const auto values = split(value);
    const auto unknown = [&] {
      return problem("criteria",
                     "\"" + name + "\" of " + type + " is not supported here; supported: " + found->parameters);
    };
    if (values.empty()) return problem("criteria", "\"" + name + "\" has no value");
    const bool coded = type == "Observation" || type == "DiagnosticReport" || type == "ServiceRequest";
    if (name == "code" && coded) {
      for (std::string_view each : values) {
        if (each.starts_with(loinc)) each.remove_prefix(loinc.size());
        if (!is_loinc(each)) return problem("criteria", "code: expected LOINC, such as http://loinc.org|2823-3");
        filter.items.emplace_back(each);
      }
    } else if (name == "interpretation" && type == "Observation") {
      for (const auto& each : values) {
        const auto code = each.substr(each.find('|') == std::string::npos ? 0 : each.find('|') + 1);
        if (model::flag_said(code) != model::Flag::critical)
          return problem("criteria", "interpretation: expected LL, HH or AA (critical values)");
      }
      filter.flag = model::Flag::critical;
    } else if (name == "category" && type == "DiagnosticReport") {
      const auto code = value.substr(value.find('|') == std::string::npos ? 0 : value.find('|') + 1);
      if (code != "LAB" && code != "RAD") return problem("criteria", "category: expected LAB or RAD");
      filter.kinds = {code == "LAB" ? "result.reported" : "exam.reported"};
    } else if ((name == "owner" || name == "requester") && type == "Task") {
      if (!filter.parties.empty()) return problem("criteria", "owner or requester, not both");
      for (const auto& each : values) {
        const std::string code(reference_id(each, "Organization"));
        if (!facilities.find(code)) return problem("criteria", name + ": no facility has this code");
        filter.parties.push_back(code);
      }
      filter.as = name == "owner" ? model::AsParty::receiver : model::AsParty::sender;
    } else {
      return unknown();
    }
  }
  if (type == "Task") {
    if (filter.parties.empty()) filter.parties = mine;  // its own, as either
    if (filter.parties.empty()) return problem("criteria", "expected Task?owner= or requester=Organization/CODE");
    for (const auto& each : filter.parties) {
      if (!mine.empty() && std::find(mine.begin(), mine.end(), each) == mine.end())
        return problem("criteria", "the client may not act for this facility: " + each);
    }
  }
  return filter;
}

// --- the resource ---

// A Subscription that a client has sent: what of it changes.
Read<SubscriptionDeclared> read_resource(const JsonTree& sent, SubscriptionDeclared into,
                                         const std::vector<std::string>& mine,
                                         const model::FacilityDirectory& facilities, Timestamp now) {
  if (sent["contact"].kind() != JsonTree::Kind::null)
    return problem("contact", "is not supported: names and numbers of people are not kept in the log");
  into.end.reset();
  if (sent["end"].kind() != JsonTree::Kind::null) {
    const auto& end = sent["end"].text();
    const auto read = end.find('T') == std::string::npos ? std::nullopt : parse_iso(end);
    if (!read) return problem("end", "expected an instant, such as 2030-01-01T00:00:00+08:00");
    if (read->first <= now) return problem("end", "is over already");
    into.end = read->first;
  }
  const auto& status = sent["status"].text();
  if (!status.empty() && status != "requested" && status != "active" && status != "off")
    return problem("status", "expected requested (or off)");
  const auto& channel = sent["channel"];
  if (channel["type"].text() != "rest-hook") return problem("channel.type", "only rest-hook is supported");
  if (!channel["header"].elements().empty()) {
    return problem("channel.header",
                   "is not supported: secrets are not kept in the log; use an endpoint that tells itself, or a "
                   "subscription of the installation (docs/delivery.md)");
  }
  into.endpoint = channel["endpoint"].text();
  into.criteria = sent["criteria"].text();
  into.reason = sent["reason"].text();
  for (const auto& [name, text] : {std::pair("channel.endpoint", &into.endpoint), std::pair("criteria", &into.criteria),
                                   std::pair("reason", &into.reason)}) {
    const bool good = text->size() <= words_bytes && std::none_of(text->begin(), text->end(), [](char c) {
                        return static_cast<unsigned char>(c) < ' ';
                      });
    if (!good) return problem(name, "is too long, or has control characters");
  }
  const auto& mime = channel["payload"].text();
  if (!mime.empty() && mime != "application/fhir+json" && mime != "application/json")
    return problem("channel.payload", "only application/fhir+json is supported");
  into.payload = mime.empty() ? PayloadKind::empty : PayloadKind::fhir;
  for (const auto& extension : channel["_payload"]["extension"].elements()) {
    if (extension["url"].text() != std::string(backport) + "backport-payload-content") continue;
    const auto content = payload_of(extension["valueCode"].text());
    if (!content) return problem("channel.payload", "expected the content empty, id-only or full-resource");
    into.payload = *content;
  }
  auto filter = read_criteria(into.criteria, mine, facilities);
  if (!filter) return tl::unexpected(filter.error());
  into.filter = std::move(*filter);
  into.error.clear();
  into.state = status == "off" ? DeclaredState::off : DeclaredState::requested;
  return into;
}

void write(JsonText& json, const SubscriptionDeclared& one) {
  json.begin_object().add("resourceType", "Subscription").add("id", one.subscription);
  json.begin_object("meta").add("versionId", std::to_string(one.version)).add("lastUpdated", one.at);
  json.begin_array("profile").add({}, std::string(backport) + "backport-subscription").end_array().end_object();
  json.add("status", to_string(one.state));
  json.add("reason", one.reason.empty() ? std::string_view("-") : std::string_view(one.reason));
  json.add("criteria", one.criteria);
  if (one.end) json.add("end", *one.end);
  if (!one.error.empty()) json.add("error", one.error);
  json.begin_object("channel").add("type", "rest-hook").add("endpoint", one.endpoint);
  json.add("payload", "application/fhir+json").begin_object("_payload").begin_array("extension");
  json.begin_object().add("url", std::string(backport) + "backport-payload-content");
  json.add("valueCode", content_of(one.payload)).end_object();
  json.end_array().end_object().end_object().end_object();
}

// The parameters of a status, after the backport; what follows may add to them.
void begin_status(JsonText& json, const SubscriptionDeclared& one, const std::string& base, std::string_view type,
                  std::uint64_t events, const std::string& trouble) {
  const auto put = [&](std::string_view name, std::string_view member, std::string_view value) {
    json.begin_object().add("name", name).add(member, value).end_object();
  };
  json.begin_object().add("resourceType", "Parameters").begin_object("meta").begin_array("profile");
  json.add({}, std::string(backport) + "backport-subscription-status-r4").end_array().end_object();
  json.begin_array("parameter");
  json.begin_object().add("name", "subscription").begin_object("valueReference");
  json.add("reference", base + "/Subscription/" + one.subscription).end_object().end_object();
  put("status", "valueCode", to_string(one.state));
  put("type", "valueCode", type);
  put("events-since-subscription-start", "valueString", std::to_string(events));
  if (const auto& error = one.error.empty() ? trouble : one.error; !error.empty()) {
    json.begin_object().add("name", "error").begin_object("valueCodeableConcept");
    json.add("text", error).end_object().end_object();
  }
}

// --- $events ---

struct EventsAsked {
  std::uint64_t since = 0, until = std::numeric_limits<std::int64_t>::max();
  std::optional<PayloadKind> content;
};

Read<EventsAsked> read_events_asked(const Request& request) {
  EventsAsked asked;
  for (const auto& [name, value] : request.query) {
    if (name == "eventsSinceNumber" || name == "eventsUntilNumber") {
      std::int64_t number = -1;
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
      if (error != std::errc() || end != value.data() + value.size() || number < 0)
        return problem(name, name + ": expected a number");
      (name == "eventsSinceNumber" ? asked.since : asked.until) = static_cast<std::uint64_t>(number);
    } else if (name == "content") {
      asked.content = payload_of(value);
      if (!asked.content) return problem(name, "content: expected empty, id-only or full-resource");
    } else if (name != "_format" && name != "_pretty") {
      return problem(name, name + ": not supported here; supported: eventsSinceNumber, eventsUntilNumber, content");
    }
  }
  return asked;
}

class SubscriptionService {
 public:
  explicit SubscriptionService(FhirSubscriptionDeps deps) : deps_(std::move(deps)) {}

  net::awaitable<Response> create(const Request& request) {
    auto permit = co_await permit_for(request, Action::create, "");
    if (!permit) co_return failed(permit.error());
    const auto sent = JsonTree::read(request.body);
    if (!sent) co_return failed(sent.error());
    auto all = co_await own(request);
    if (!all) co_return failed(all.error());
    if (all->size() >= subscriptions_per_client)
      co_return failed({ErrorCode::conflict, "a client has 100 subscriptions at most; delete one first"});
    SubscriptionDeclared fresh;
    fresh.subscription = to_hex(random_bytes(16));
    fresh.version = 0;
    fresh.client = request.principal->client;
    co_return co_await declare(request, *sent, std::move(fresh), 201);
  }

  net::awaitable<Response> update(const Request& request) {
    auto permit = co_await permit_for(request, Action::update, request.captures.at(0));
    if (!permit) co_return failed(permit.error());
    const auto sent = JsonTree::read(request.body);
    if (!sent) co_return failed(sent.error());
    if ((*sent)["id"].text() != request.captures.at(0))
      co_return failed({ErrorCode::invalid, "id: the Subscription's must be that of the address"}, "id");
    auto stands = co_await find(request);
    if (!stands) co_return failed(stands.error());
    if (const auto match = request.header("if-match");
        !match.empty() && match != etag_of(*stands) && match != etag_of(*stands).substr(2))
      co_return document(412, deps_.rendering.outcome(ErrorCode::conflict, "it has changed; read it again", ""));
    co_return co_await declare(request, *sent, std::move(*stands), 200);
  }

  net::awaitable<Response> remove(const Request& request) {
    auto permit = co_await permit_for(request, Action::remove, request.captures.at(0));
    if (!permit) co_return failed(permit.error());
    for (int attempt = 1;; ++attempt) {
      auto stands = co_await find(request);
      if (!stands) co_return failed(stands.error());
      stands->state = DeclaredState::deleted;
      stands->error.clear();
      auto deleted = co_await deps_.deliveries.declare(std::move(*stands));
      if (deleted) break;
      // The handshake's outcome may have been first.
      if (deleted.error().code != ErrorCode::conflict || attempt == 3) co_return failed(deleted.error());
    }
    Response response;
    response.status = 204;
    co_return response;
  }

  net::awaitable<Response> read(const Request& request) {
    auto permit = co_await permit_for(request, Action::read, request.captures.at(0));
    if (!permit) co_return failed(permit.error());
    auto stands = co_await find(request);
    if (!stands) co_return failed(stands.error());
    co_return one(*stands, 200);
  }

  net::awaitable<Response> search(const Request& request) {
    auto permit = co_await permit_for(request, Action::search, "");
    if (!permit) co_return failed(permit.error());
    const auto status = request.parameter("status"), id = request.parameter("_id");
    for (const auto& [name, value] : request.query) {
      if (name != "status" && name != "_id" && name != "_format" && name != "_pretty")
        co_return failed({ErrorCode::invalid, name + ": not supported here; supported: _id, status"}, name);
    }
    auto all = co_await own(request);
    if (!all) co_return failed(all.error());
    std::erase_if(*all, [&](const auto& one) {
      return (!status.empty() && status != to_string(one.state)) || (!id.empty() && id != one.subscription);
    });
    const auto base = request.base_url + "/fhir";
    JsonText json;
    json.begin_object().add("resourceType", "Bundle").add("type", "searchset").add("total", all->size());
    json.begin_array("entry");
    for (const auto& each : *all) {
      json.begin_object().add("fullUrl", base + "/Subscription/" + each.subscription);
      JsonText resource;
      write(resource, each);
      json.add_document("resource", resource.take());
      json.begin_object("search").add("mode", "match").end_object().end_object();
    }
    json.end_array().end_object();
    co_return document(200, json.take());
  }

  // How it stands, and the number of its newest event.
  net::awaitable<Response> status(const Request& request) {
    auto permit = co_await permit_for(request, Action::read, request.captures.at(0), "Subscription/$status");
    if (!permit) co_return failed(permit.error());
    auto stands = co_await find(request);
    if (!stands) co_return failed(stands.error());
    auto told = co_await deps_.deliveries.told(model::subscription_of(*stands).name, 0, 0, 0);
    if (!told) co_return failed(told.error());
    const auto base = request.base_url + "/fhir";
    JsonText json;
    json.begin_object().add("resourceType", "Bundle").add("type", "searchset").add("total", std::size_t{1});
    json.begin_array("entry").begin_object();
    json.add("fullUrl", base + "/Subscription/" + stands->subscription + "/$status");
    JsonText parameters;
    begin_status(parameters, *stands, base, "query-status", told->newest, told->trouble);
    parameters.end_array().end_object();
    json.add_document("resource", parameters.take());
    json.begin_object("search").add("mode", "match").end_object().end_object().end_array().end_object();
    co_return document(200, json.take());
  }

  // What it was told and what it will be, by number: each as its receiver gets it, as far as that may still be told.
  net::awaitable<Response> events(const Request& request) {
    auto asked = read_events_asked(request);
    if (!asked) co_return failed({ErrorCode::invalid, asked.error().message}, asked.error().where);
    auto permit = co_await permit_for(request, Action::read, request.captures.at(0), "Subscription/$events");
    if (!permit) co_return failed(permit.error());
    auto stands = co_await find(request);
    if (!stands) co_return failed(stands.error());
    auto shown = *stands;
    shown.payload = asked->content.value_or(stands->payload);
    if (auto may = deps_.may_be_told(shown, *request.principal); !may) co_return failed(may.error());
    const auto subscription = model::subscription_of(shown);
    auto told = co_await deps_.deliveries.told(subscription.name, asked->since, asked->until, events_shown);
    if (!told) co_return failed(told.error());
    const auto base = request.base_url + "/fhir";
    const auto here = base + "/Subscription/" + stands->subscription;
    JsonText status;
    begin_status(status, *stands, base, "query-event", told->newest, told->trouble);
    std::vector<std::string> entries;
    for (const auto& event : told->events) {
      auto body = co_await deps_.deliveries.said(subscription, event);
      // Sensitive by now, or not to be said in FHIR: it has no place here.
      if (!body && body.error().code != ErrorCode::unavailable && body.error().code != ErrorCode::timeout) continue;
      if (!body) co_return failed(body.error());
      if (body->empty()) continue;
      auto notification = read_notification(*body);
      if (!notification) co_return failed(notification.error());
      status.add_document("", notification->event);
      for (auto& entry : notification->entries) entries.push_back(std::move(entry));
    }
    status.end_array().end_object();
    JsonText json;
    json.begin_object().add("resourceType", "Bundle").begin_object("meta").begin_array("profile");
    json.add({}, std::string(backport) + "backport-subscription-notification-r4").end_array().end_object();
    json.add("type", "history");
    if (told->more) {
      Parameters next{{"eventsSinceNumber", std::to_string(told->events.back().number + 1)}};
      for (const auto& [name, value] : request.query) {
        if (name == "eventsUntilNumber" || name == "content") next.emplace_back(name, value);
      }
      json.begin_array("link").begin_object().add("relation", "next");
      json.add("url", here + "/$events?" + write_query(next)).end_object().end_array();
    }
    json.begin_array("entry").begin_object().add("fullUrl", here + "/$status");
    json.add_document("resource", status.take());
    json.begin_object("request").add("method", "GET").add("url", "Subscription/" + stands->subscription + "/$status");
    json.end_object().begin_object("response").add("status", "200").end_object().end_object();
    for (const auto& entry : entries) json.add_document("", entry);
    json.end_array().end_object();
    co_return document(200, json.take());
  }

 private:
  net::awaitable<Result<access::Permit>> permit_for(const Request& request, Action action, std::string subject,
                                                    std::string resource = "Subscription") {
    if (!request.principal) co_return fail(ErrorCode::forbidden, "this needs a token: run hutong token --client NAME");
    access::Demand demand{
        action,      std::move(resource), std::move(subject), "", std::string(request.header("x-purpose-of-use")),
        request.peer};
    co_return co_await deps_.gate.decide(*request.principal, std::move(demand));
  }

  net::awaitable<Result<std::vector<SubscriptionDeclared>>> own(const Request& request) {
    auto all = co_await deps_.deliveries.declared();
    if (!all) co_return all;
    std::erase_if(*all, [&](const auto& one) { return one.client != request.principal->client; });
    co_return all;
  }

  // Of another client: not there.
  net::awaitable<Result<SubscriptionDeclared>> find(const Request& request) {
    auto found = co_await deps_.deliveries.declared(request.captures.at(0));
    if (!found) co_return tl::unexpected(found.error());
    if (!*found || (**found).client != request.principal->client)
      co_return fail(ErrorCode::not_found, "the client has no such subscription");
    co_return std::move(**found);
  }

  net::awaitable<Response> declare(const Request& request, const JsonTree& sent, SubscriptionDeclared into,
                                   int status) {
    if (sent["resourceType"].text() != "Subscription")
      co_return failed({ErrorCode::invalid, "resourceType: expected Subscription"}, "resourceType");
    const auto mine = facilities_of(deps_.clients, request);
    const auto directory = deps_.facilities();
    auto read = read_resource(sent, std::move(into), mine, *directory, deps_.clock.now());
    if (!read)
      co_return failed({ErrorCode::invalid, read.error().where + ": " + read.error().message}, read.error().where);
    if (auto may = deps_.may_be_told(*read, *request.principal); !may) co_return failed(may.error());
    if (auto may = deps_.may_go_to(read->endpoint); !may) {
      co_return document(422, deps_.rendering.outcome(ErrorCode::forbidden, "channel.endpoint: " + may.error().message,
                                                      "channel.endpoint"));
    }
    auto stands = co_await deps_.deliveries.declare(std::move(*read));
    if (!stands) co_return failed(stands.error());
    auto response = one(*stands, status);
    if (status == 201) {
      response.headers.emplace_back("Location", request.base_url + "/fhir/Subscription/" + stands->subscription +
                                                    "/_history/" + std::to_string(stands->version));
    }
    co_return response;
  }

  static std::string etag_of(const SubscriptionDeclared& one) { return "W/\"" + std::to_string(one.version) + "\""; }

  Response one(const SubscriptionDeclared& stands, int status) const {
    JsonText json;
    write(json, stands);
    auto response = document(status, json.take());
    response.headers.emplace_back("ETag", etag_of(stands));
    return response;
  }
  Response document(int status, std::string body) const {
    return fhir_response(deps_.rendering.content_type(), status, std::move(body));
  }
  Response failed(const Error& error, std::string_view where = {}) const {
    return document(http_status(error.code), deps_.rendering.outcome(error.code, error.message, where));
  }

  FhirSubscriptionDeps deps_;
};

}  // namespace

std::vector<Route> fhir_subscription_routes(FhirSubscriptionDeps deps) {
  const auto service = std::make_shared<SubscriptionService>(std::move(deps));
  std::vector<Route> routes;
  const auto add = [&](std::string method, std::string pattern, Handler handler) {
    routes.push_back({std::move(method), std::move(pattern), "fhir", std::move(handler)});
  };
  const Handler search = [service](const Request& request) { return service->search(request); };
  add("GET", "/fhir/Subscription", search);
  add("POST", "/fhir/Subscription/_search", search);
  add("POST", "/fhir/Subscription", [service](const Request& request) { return service->create(request); });
  add("GET", "/fhir/Subscription/{id}", [service](const Request& request) { return service->read(request); });
  add("PUT", "/fhir/Subscription/{id}", [service](const Request& request) { return service->update(request); });
  add("DELETE", "/fhir/Subscription/{id}", [service](const Request& request) { return service->remove(request); });
  add("GET", "/fhir/Subscription/{id}/$status", [service](const Request& request) { return service->status(request); });
  add("GET", "/fhir/Subscription/{id}/$events", [service](const Request& request) { return service->events(request); });
  return routes;
}

port::Offer subscription_offer() {
  port::Offer offer;
  offer.type = "Subscription";
  offer.interactions = {"read", "create", "update", "delete", "search-type"};
  offer.parameters.assign(std::begin(search_parameters), std::end(search_parameters));
  offer.operations = {
      {"status", "http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/backport-subscription-status"},
      {"events", "http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/backport-subscription-events"}};
  offer.documentation =
      "One's own. rest-hook only, to an endpoint that the installation allows, which answers a handshake before it is "
      "active. Criteria: Observation, DiagnosticReport, ServiceRequest, Encounter, Patient, Task, with code, "
      "interpretation, category, owner, requester; others are refused by name. $events: eventsSinceNumber, "
      "eventsUntilNumber, content.";
  return offer;
}

}  // namespace hutong::api
