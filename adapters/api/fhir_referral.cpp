#include "adapters/api/fhir_referral.h"

#include <algorithm>
#include <charconv>
#include <memory>

#include "adapters/api/client_facilities.h"
#include "adapters/api/fhir_referral_read.h"
#include "adapters/api/fhir_search.h"
#include "adapters/api/referral_handlers.h"
#include "adapters/api/router.h"
#include "adapters/api/router_fault.h"
#include "broker/model/referral_view.h"
#include "broker/query/page_token.h"
#include "broker/referral/view.h"
#include "broker/referral/words.h"

namespace hutong::api {
namespace {

using access::Action;
using model::ReferralAction;
using model::ReferralCommand;
using port::ReferralPart;

constexpr std::string_view date_rule =
    "prefixes ge gt le lt eq; may be repeated. A time without zone is read as +08:00";

constexpr port::Offer::Parameter task_parameters[] = {
    {"_id", "token", "up to 200 ids"},
    {"owner", "reference", "Organization/<code>: the receiver"},
    {"requester", "reference", "Organization/<code>: the sender"},
    {"status", "token", "Task.status; several with commas"},
    {"business-status", "token", "of /fhir/CodeSystem/referral-state; several with commas"},
    {"patient", "reference", "Patient/<id>"},
    {"focus", "reference", "ServiceRequest/<id>"},
    {"authored-on", "date", date_rule},
    {"direction", "token", "up, down or level"},
    {"overdue", "token", "true: who is waited for should have acted by now"},
};

model::ReferralView view_of(const query::Referrals& referrals, const query::ShownReferral& shown) {
  return referral::view_of(shown.referral, *referrals.rules().facilities, shown.updated, shown.due);
}

std::string etag_of(std::uint64_t version) {
  return "W/\"" + std::to_string(version) + "\"";
}

struct Search {
  query::LedgerSearch ledger;
  std::vector<ReferralId> ids;
  bool by_id = false, with_request = false;
  Parameters kept;
};

class TaskService {
 public:
  explicit TaskService(FhirReferralDeps deps) : deps_(std::move(deps)), pages_(deps_.page_secret) {}

  net::awaitable<Response> read(const Request& request, ReferralPart part) {
    const auto id = ReferralId::from_hex(request.captures.at(0));
    auto permit = co_await permit_for(request, Action::read, part, id ? id->hex() : "");
    if (!permit) co_return failed(permit.error());
    const auto shown = id ? co_await referrals().read(*permit, *id, own(request))
                          : fail(ErrorCode::not_found, "a referral's id has 32 hexadecimal digits");
    if (!shown) co_return failed(shown.error());
    if (request.captures.size() > 1 && request.captures[1] != std::to_string(shown->referral.version))
      co_return failed(
          {ErrorCode::not_found, "only the current version is kept; its steps stand in /api/v1/referrals"});
    co_return one(*shown, part, 200);
  }

  // nullopt: no referral has this id.
  net::awaitable<std::optional<Response>> read_request_part(const Request& request) {
    const auto id = ReferralId::from_hex(request.captures.at(0));
    if (!id || !request.principal || !request.principal->has("system/ServiceRequest.r")) co_return std::nullopt;
    if (!co_await referrals().is_referral(*id)) co_return std::nullopt;
    co_return co_await read(request, ReferralPart::request);
  }

  net::awaitable<Response> search(const Request& request) {
    auto parameters = parameters_of(request);
    if (!parameters) co_return failed(parameters.error());
    auto asked = read_search(request, parameters->first);
    if (!asked) co_return failed(asked.error());
    auto permit = co_await permit_for(request, Action::search, ReferralPart::task,
                                      asked->ledger.person ? asked->ledger.person->hex() : "");
    if (!permit) co_return failed(permit.error());
    if (asked->with_request && !request.principal->has("system/ServiceRequest.r"))
      co_return failed({ErrorCode::forbidden, "including ServiceRequest needs the scope system/ServiceRequest.r"});
    query::Ledger found;
    if (asked->by_id) {
      for (const auto& id : asked->ids) {
        auto shown = co_await referrals().read(*permit, id, own(request));
        if (!shown && shown.error().code == ErrorCode::not_found) continue;
        if (!shown) co_return failed(shown.error());
        found.found.push_back(std::move(*shown));
      }
    } else {
      asked->ledger.position = parameters->second;
      auto ledger = co_await referrals().ledger(*permit, asked->ledger);
      if (!ledger) co_return failed(ledger.error());
      found = std::move(*ledger);
    }
    std::vector<model::ReferralView> views;
    for (const auto& shown : found.found) views.push_back(view_of(referrals(), shown));
    std::vector<port::ReferralEntry> entries;
    for (const auto& view : views) entries.push_back({&view, ReferralPart::task, "match", {}});
    if (asked->with_request) {
      for (const auto& view : views) entries.push_back({&view, ReferralPart::request, "include", {}});
    }
    const std::string service = base(request), url = service + "/Task";
    const auto query = write_query(asked->kept);
    port::ReferralSheaf sheaf{"searchset", service, entries, std::nullopt, {}};
    if (parameters->second.empty() && found.next.empty()) sheaf.total = views.size();
    sheaf.links.emplace_back("self", url + (query.empty() ? "" : "?") + query);
    if (!found.next.empty())
      sheaf.links.emplace_back("next", url + "?_cursor=" + pages_.seal("Task\n" + query + "\n" + found.next));
    auto response = document(200, deps_.rendering.referrals(sheaf));
    response.headers.emplace_back("X-Hutong-Offset", std::to_string(found.offset));
    co_return response;
  }

  // POST Task: its ServiceRequest contained, or one that was asked for before.
  net::awaitable<Response> create_task(const Request& request) {
    auto permit = co_await permit_for(request, Action::create, ReferralPart::task, "");
    if (!permit) co_return failed(permit.error());
    const auto task = JsonTree::read(request.body);
    if (!task) co_return failed(task.error());
    if (auto typed = is_typed(*task, "Task"); !typed) co_return failed(typed.error());
    const auto& focus = (*task)["focus"]["reference"].text();
    const JsonTree* inside = nullptr;
    for (const auto& each : (*task)["contained"].elements()) {
      if (!focus.empty() && focus == "#" + each["id"].text()) inside = &each;
    }
    if (!inside) {
      const auto id = ReferralId::from_hex(reference_id(focus, "ServiceRequest"));
      if (!id) {
        co_return failed(
            {ErrorCode::invalid,
             "focus: expected \"#id\" of a contained ServiceRequest, or ServiceRequest/<id> of one that was "
             "created; or send both as a transaction"});
      }
      const auto shown = co_await referrals().read(*permit, *id, own(request));
      if (!shown) co_return failed(shown.error());
      co_return one(*shown, ReferralPart::task, 200);  // creating the ServiceRequest has made it
    }
    co_return co_await ask(request, *permit, *inside, *task, ReferralPart::task, "");
  }

  net::awaitable<Response> create_request(const Request& request) {
    auto permit = co_await permit_for(request, Action::create, ReferralPart::request, "");
    if (!permit) co_return failed(permit.error());
    const auto asked = JsonTree::read(request.body);
    if (!asked) co_return failed(asked.error());
    if (auto typed = is_typed(*asked, "ServiceRequest"); !typed) co_return failed(typed.error());
    static const JsonTree none;
    co_return co_await ask(request, *permit, *asked, none, ReferralPart::request, "");
  }

  // A transaction of one ServiceRequest and its Task.
  net::awaitable<Response> transaction(const Request& request) {
    auto permit = co_await permit_for(request, Action::create, ReferralPart::task, "");
    if (!permit) co_return failed(permit.error());
    const auto bundle = JsonTree::read(request.body);
    if (!bundle) co_return failed(bundle.error());
    if (auto typed = is_typed(*bundle, "Bundle"); !typed) co_return failed(typed.error());
    const JsonTree *asked = nullptr, *task = nullptr;
    std::string url;
    bool good = (*bundle)["type"].text() == "transaction" && (*bundle)["entry"].elements().size() == 2;
    for (const auto& entry : (*bundle)["entry"].elements()) {
      const auto& resource = entry["resource"];
      const auto& type = resource["resourceType"].text();
      good = good && entry["request"]["method"].text() == "POST" && entry["request"]["url"].text() == type;
      if (type == "ServiceRequest") {
        asked = &resource;
        url = entry["fullUrl"].text();
      }
      if (type == "Task") task = &resource;
    }
    good = good && asked && task && !url.empty() && (*task)["focus"]["reference"].text() == url;
    if (!good) {
      co_return failed({ErrorCode::invalid,
                        "a transaction here is one ServiceRequest and one Task, both by POST, the Task's focus the "
                        "ServiceRequest's fullUrl"});
    }
    co_return co_await ask(request, *permit, *asked, *task, std::nullopt, (*bundle)["identifier"]["value"].text());
  }

  net::awaitable<Response> put_task(const Request& request) {
    const auto id = ReferralId::from_hex(request.captures.at(0));
    auto permit = co_await permit_for(request, Action::update, ReferralPart::task, id ? id->hex() : "");
    if (!permit) co_return failed(permit.error());
    const auto task = JsonTree::read(request.body);
    if (!task) co_return failed(task.error());
    if (auto typed = is_typed(*task, "Task"); !typed) co_return failed(typed.error());
    if (!id || (*task)["id"].text() != id->hex())
      co_return failed(
          {ErrorCode::invalid, "id: the Task's must be that of the address; a new one is created by POST"});
    const auto version = expected_version(request);
    if (!version) co_return failed(version.error());
    const auto shown = co_await referrals().read(*permit, *id, own(request));
    if (!shown) co_return failed(shown.error());
    const bool old = *version && **version != shown->referral.version;
    if (old && co_await stands_already(*permit, *task, shown->referral, **version, own(request)))
      co_return one(*shown, ReferralPart::task, 200);
    auto change = read_change(*task, shown->referral);
    if (!change) co_return failed(change.error());
    if (!*change) {
      if (old) co_return document(412, outcome("The referral has changed since you read it; read it again."));
      co_return one(*shown, ReferralPart::task, 200);
    }
    auto command = std::move(**change);
    command.version = *version;
    command.client = request.principal->client;
    command.facility = speaker(command.action, shown->referral, own(request));
    command.practitioner = std::string(request.header("x-hutong-practitioner"));
    command.id = command_id(request, command, referrals().now());
    if (auto good = co_await referrals().check_documents(*permit, command); !good) co_return not_named(good.error());
    const auto verdict = co_await referrals().command(*permit, std::move(command));
    if (!verdict) co_return failed(verdict.error());
    co_return co_await answered(request, *permit, *verdict, ReferralPart::task);
  }

  net::awaitable<Response> code_systems(const Request& request) const {
    const auto lists = code_lists();
    if (request.captures.empty()) {
      std::string bundle =
          "{\"resourceType\":\"Bundle\",\"type\":\"searchset\",\"total\":" + std::to_string(lists.size()) +
          ",\"entry\":[";
      const auto url = request.parameter("url");
      bool first = true;
      for (const auto& list : lists) {
        if (!url.empty() && url != list.url) continue;
        bundle += std::string(first ? "" : ",") + "{\"resource\":" + deps_.rendering.codes(list) +
                  ",\"search\":{\"mode\":\"match\"}}";
        first = false;
      }
      co_return document(200, bundle + "]}");
    }
    for (const auto& list : lists) {
      if (list.id == request.captures[0]) co_return document(200, deps_.rendering.codes(list));
    }
    co_return failed({ErrorCode::not_found,
                      "code systems here: referral-state, referral-direction, referral-choice, "
                      "referral-detail"});
  }

 private:
  query::Referrals& referrals() const { return deps_.referral.referrals; }
  std::vector<std::string> own(const Request& request) const { return facilities_of(deps_.referral.clients, request); }
  static std::string base(const Request& request) { return request.base_url + "/fhir"; }

  net::awaitable<Result<access::Permit>> permit_for(const Request& request, Action action, ReferralPart part,
                                                    std::string subject) {
    return referral_permit(deps_.referral, request, action, part == ReferralPart::task ? "Task" : "ServiceRequest",
                           std::move(subject), "referral");
  }

  Response document(int status, std::string body) const {
    return fhir_response(deps_.rendering.content_type(), status, std::move(body));
  }
  std::string outcome(std::string_view message, ErrorCode code = ErrorCode::conflict) const {
    return deps_.rendering.outcome(code, message, "");
  }
  Response failed(const Error& error) const {
    return document(http_status(error.code), outcome(error.message, error.code));
  }
  Response not_named(const Error& error) const {
    return error.code == ErrorCode::invalid ? document(422, outcome(error.message, ErrorCode::not_found))
                                            : failed(error);
  }
  static Result<void> is_typed(const JsonTree& resource, std::string_view type) {
    if (resource["resourceType"].text() == type) return {};
    return fail(ErrorCode::invalid, "resourceType: expected " + std::string(type));
  }

  Response one(const query::ShownReferral& shown, ReferralPart part, int status) const {
    auto response = document(status, deps_.rendering.referral(view_of(referrals(), shown), part));
    response.headers.emplace_back("ETag", etag_of(shown.referral.version));
    response.headers.emplace_back("X-Hutong-Offset", std::to_string(shown.offset));
    return response;
  }

  // Asks, and answers with the part that was created; nullopt: both, as the answer to a transaction.
  net::awaitable<Response> ask(const Request& request, const access::Permit& permit, const JsonTree& asked,
                               const JsonTree& task, std::optional<ReferralPart> part, std::string key) {
    auto read = read_request(asked, task, *referrals().rules().facilities);
    if (!read) co_return failed(read.error());
    auto& command = read->command;
    command.client = request.principal->client;
    const auto mine = own(request);
    if (command.facility.empty() && mine.size() == 1) command.facility = mine.front();
    if (command.number.empty()) command.number = std::string(request.header("idempotency-key"));
    if (command.number.empty()) command.number = std::move(key);
    if (command.facility.empty() || command.number.empty()) {
      co_return failed({ErrorCode::invalid,
                        "requester (Organization/<code>) and identifier (the sender's own number of the referral) are "
                        "needed"});
    }
    if (auto may = acts_for(deps_.referral.clients, request, command.facility); !may) co_return failed(may.error());
    auto patient = co_await referrals().patient(permit, std::move(read->patient), command.facility);
    if (!patient) {
      const auto& error = patient.error();
      co_return error.code == ErrorCode::not_found ? document(422, outcome(error.message, ErrorCode::not_found))
                                                   : failed(error);
    }
    command.person = patient->person.hex();
    command.patient_of = patient->facility;
    command.patient = patient->number;
    command.referral = model::referral_id(command.facility, command.number);
    command.id = command_id(request, command, referrals().now());
    if (auto good = co_await referrals().check_documents(permit, command); !good) co_return not_named(good.error());
    const auto verdict = co_await referrals().command(permit, std::move(command));
    if (!verdict) co_return failed(verdict.error());
    co_return co_await answered(request, permit, *verdict, part);
  }

  net::awaitable<Response> answered(const Request& request, const access::Permit& permit, const query::Verdict& found,
                                    std::optional<ReferralPart> part) {
    const auto verdict = told(found);
    if (!verdict.answer) {
      auto response = document(202, deps_.rendering.outcome(ErrorCode::timeout,
                                                            "appended and durable, not decided within two seconds; "
                                                            "Location tells what becomes of it",
                                                            ""));
      response.headers.emplace_back("Location",
                                    request.base_url + "/api/v1/referrals/commands/" + verdict.command.hex());
      co_return response;
    }
    int status = status_of(verdict);
    if (verdict.answer->refusal) {
      const auto why = referral::explain(*verdict.answer);
      co_return document(status,
                         outcome(std::string(to_string(*verdict.answer->refusal)) + ": " + why.en + " " + why.zh,
                                 status == 404 ? ErrorCode::not_found : ErrorCode::conflict));
    }
    const auto shown = co_await referrals().read(permit, verdict.referral, own(request));
    if (!shown) co_return failed(shown.error());
    if (part) {
      auto response = one(*shown, *part, status);
      if (status == 201) {
        response.headers.emplace_back(
            "Location", base(request) + (*part == ReferralPart::task ? "/Task/" : "/ServiceRequest/") +
                            verdict.referral.hex() + "/_history/" + std::to_string(shown->referral.version));
      }
      co_return response;
    }
    const auto view = view_of(referrals(), *shown);
    const std::vector<port::ReferralEntry> entries{{&view, ReferralPart::request, {}, "201 Created"},
                                                   {&view, ReferralPart::task, {}, "201 Created"}};
    const std::string service = base(request);
    co_return document(200, deps_.rendering.referrals({"transaction-response", service, entries, {}, {}}));
  }

  // Whether what is put for an earlier version was put for it before, and has made the next one.
  net::awaitable<bool> stands_already(const access::Permit& permit, const JsonTree& task,
                                      const referral::Referral& stands, std::uint64_t version,
                                      const std::vector<std::string>& mine) {
    const auto step = std::find_if(stands.steps.begin(), stands.steps.end(),
                                   [&](const auto& each) { return each.version == version + 1; });
    if (step == stands.steps.end() || step == stands.steps.begin()) co_return false;
    if (!mine.empty() && std::find(mine.begin(), mine.end(), step->facility) == mine.end()) co_return false;
    const auto said = co_await referrals().said(permit, step->command);
    co_return said&& says_again(task, *said, std::prev(step)->state, step->state);
  }

  // In whose name a client speaks that puts a Task: the one party that it acts for; of both, the one whose step it is.
  static std::string speaker(ReferralAction action, const referral::Referral& stands,
                             const std::vector<std::string>& mine) {
    std::vector<std::string> parties;
    for (const auto& party : {stands.receiver, stands.sender}) {
      if (mine.empty() || std::find(mine.begin(), mine.end(), party) != mine.end()) parties.push_back(party);
    }
    if (parties.size() == 1) return parties.front();
    return referral::transition(stands.state, action, referral::Role::receiver) ? stands.receiver : stands.sender;
  }

  // The parameters of this page, and where it begins.
  Result<std::pair<Parameters, std::string>> parameters_of(const Request& request) const {
    const auto token = request.parameter("_cursor");
    if (token.empty()) return std::pair(request.query, std::string());
    const auto bad = fail(ErrorCode::invalid, "_cursor: this page link is not one of ours; start from the first page");
    const auto plain = pages_.open(token);
    if (!plain || !plain->starts_with("Task\n")) return bad;
    const auto end = plain->rfind('\n');
    auto query = read_query(std::string_view(*plain).substr(5, end - 5));
    if (!query) return bad;
    return std::pair(std::move(*query), plain->substr(end + 1));
  }

  Result<Search> read_search(const Request& request, const Parameters& parameters) const {
    Search search;
    std::string owner, requester;
    for (const auto& [full, value] : parameters) {
      const auto name = full.substr(0, full.find(':'));
      if (name == "_format" || name == "_pretty" || value.empty()) continue;
      const auto mistake = [&](const std::string& expected) {
        return fail(ErrorCode::invalid, std::string(name) + ": expected " + expected);
      };
      std::vector<std::string> values;
      for (std::string_view rest = value; !rest.empty();) {
        const auto one = rest.substr(0, rest.find(','));
        rest.remove_prefix(std::min(rest.size(), one.size() + 1));
        values.emplace_back(one.substr(one.find('|') == std::string_view::npos ? 0 : one.find('|') + 1));
      }
      auto& ledger = search.ledger;
      if (name == "_id" || name == "focus") {
        search.by_id = true;
        for (const auto& each : values) {
          if (const auto id = ReferralId::from_hex(reference_id(each, name == "_id" ? "Task" : "ServiceRequest")))
            search.ids.push_back(*id);
        }
        if (search.ids.size() > query::ids_per_search) return mistake("at most 200 ids in one search");
      } else if (name == "owner") {
        owner = reference_id(value, "Organization");
      } else if (name == "requester") {
        requester = reference_id(value, "Organization");
      } else if (name == "status") {
        for (const auto& each : values) {
          const auto states = states_of_status(each);
          if (states.empty()) return mistake("a Task.status");
          ledger.states.insert(ledger.states.end(), states.begin(), states.end());
        }
      } else if (name == "business-status") {
        for (const auto& each : values) {
          const auto state = model::referral_state_of(each);
          if (!state) return mistake("a code of /fhir/CodeSystem/referral-state");
          ledger.states.push_back(*state);
        }
      } else if (name == "direction") {
        const auto direction = model::direction_of(values.front());
        if (!direction) return mistake("up, down or level");
        ledger.direction = *direction;
      } else if (name == "overdue") {
        if (value != "true" && value != "false") return mistake("true or false");
        ledger.overdue = value == "true";
      } else if (name == "patient") {
        ledger.person = PersonId::from_hex(reference_id(value, "Patient"));
        if (!ledger.person) return mistake("Patient/<id>");
      } else if (name == "authored-on") {
        if (!read_date(value, ledger)) return mistake("a date such as ge2026-01-02");
      } else if (name == "_count") {
        const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), ledger.limit);
        if (error != std::errc() || end != value.data() + value.size() || ledger.limit == 0 ||
            ledger.limit > limits::page_items_max)
          return mistake("a number from 1 to 1000");
      } else if (name == "_include") {
        if (value != "Task:focus" && value != "Task:focus:ServiceRequest") return mistake("Task:focus");
        search.with_request = true;
      } else if (name == "_sort") {
        if (value != "-authored-on") return mistake("-authored-on (newest first)");
      } else if (request.header("prefer").find("handling=lenient") == std::string_view::npos) {
        return fail(ErrorCode::invalid,
                    "a parameter is not supported here; see /fhir/metadata, or send \"Prefer: "
                    "handling=lenient\"");
      } else {
        continue;
      }
      search.kept.emplace_back(full, value);
    }
    auto& ledger = search.ledger;
    ledger.sender = requester;
    ledger.receiver = owner;
    const auto mine = own(request);
    const auto is_mine = [&](const std::string& facility) {
      return !facility.empty() && std::find(mine.begin(), mine.end(), facility) != mine.end();
    };
    ledger.facility = !owner.empty() ? owner : requester;
    ledger.part = !owner.empty() ? "receiver" : !requester.empty() ? "sender" : "";
    if (!mine.empty() && !is_mine(ledger.facility)) {
      // Of others, what they have with one of ours.
      if (is_mine(requester)) {
        ledger.facility = requester;
        ledger.part = "sender";
      } else if (mine.size() == 1) {
        ledger.facility = mine.front();
        ledger.part = "";
      } else if (!search.by_id) {
        return fail(ErrorCode::invalid, "owner or requester: one of the facilities that this client acts for");
      }
    }
    return search;
  }

  static bool read_date(std::string_view text, query::LedgerSearch& search) {
    std::string_view prefix = "eq";
    for (const std::string_view each : {"eq", "ge", "gt", "le", "lt"}) {
      if (text.starts_with(each)) prefix = each;
    }
    if (text.starts_with(prefix)) text.remove_prefix(2);
    std::string moment(text);
    if (const auto space = moment.find(' '); space != std::string::npos && space > 10) moment[space] = '+';
    const auto span = parse_iso(moment);
    if (!span) return false;
    if (prefix == "ge" || prefix == "eq") search.from = span->first;
    if (prefix == "gt") search.from = span->last;
    if (prefix == "le" || prefix == "eq") search.to = span->last;
    if (prefix == "lt") search.to = span->first;
    return true;
  }

  static std::vector<port::CodeList> code_lists() {
    port::CodeList states{"referral-state", "ReferralState",        "urn:hutong:referral-state",
                          "转诊状态",       "states of a referral", {}};
    for (std::size_t i = 1; i < model::referral_states; ++i) {
      const auto state = static_cast<model::ReferralState>(i);
      const auto words = referral::words(state);
      states.codes.push_back({to_string(state), words.zh, words.en});
    }
    return {states,
            {"referral-direction",
             "ReferralDirection",
             "urn:hutong:referral-direction",
             "转诊方向",
             "directions of referral",
             {{"up", "上转", "up, to a higher level"},
              {"down", "下转", "down, to a lower level"},
              {"level", "平转", "to the same level"}}},
            {"referral-choice",
             "ReferralChoice",
             "urn:hutong:referral-choice",
             "患者知情选择",
             "the patient's informed choice",
             {{"agreed", "本人同意", "agreed"},
              {"by-guardian", "监护人同意", "agreed by the guardian"},
              {"refused", "拒绝", "refused"},
              {"not-possible", "无法征询（仅限危急）", "nobody could be asked in time (stat only)"}}},
            {"referral-detail",
             "ReferralDetail",
             "urn:hutong:referral-detail",
             "转诊任务的输入与输出",
             "inputs and outputs of a referral's Task",
             {{"choice", "患者知情选择", "the patient's informed choice (input)"},
              {"direction", "转诊方向", "direction (input)"},
              {"outside", "约定关系之外的理由", "why this pair, outside the agreed routes (input)"},
              {"insurance-filing", "医保转诊备案号", "number of the insurance filing (input)"},
              {"report", "检验检查报告", "a report that travels along or comes back"},
              {"document", "文书", "a document that travels along (input)"},
              {"medication", "用药", "a medication that travels along (input)"},
              {"referral-record", "转诊（院）记录", "the referral record (input)"},
              {"slot", "预约时段", "the slot that is kept (output)"},
              {"slot-department", "接诊科室", "department of the slot (output)"},
              {"slot-place", "床位或诊室", "bed, room or clinic of the slot (output)"},
              {"proposed-receiver", "建议改转机构", "whom the receiver that declined proposes (output)"},
              {"treatment-report", "治疗回报", "the report that comes back (output)"}}}};
  }

  FhirReferralDeps deps_;
  query::PageToken pages_;
};

}  // namespace

std::vector<Route> fhir_referral_routes(FhirReferralDeps deps) {
  const auto service = std::make_shared<TaskService>(std::move(deps));
  std::vector<Route> routes;
  const auto add = [&](std::string method, std::string pattern, Handler handler, std::string scope = "fhir") {
    routes.push_back({std::move(method), std::move(pattern), std::move(scope), std::move(handler)});
  };
  const Handler search = [service](const Request& request) { return service->search(request); };
  const Handler read = [service](const Request& request) { return service->read(request, ReferralPart::task); };
  const Handler codes = [service](const Request& request) { return service->code_systems(request); };
  add("GET", "/fhir/Task", search);
  add("POST", "/fhir/Task/_search", search);
  add("POST", "/fhir/Task", [service](const Request& request) { return service->create_task(request); });
  add("GET", "/fhir/Task/{id}", read);
  add("GET", "/fhir/Task/{id}/_history/{version}", read);
  add("PUT", "/fhir/Task/{id}", [service](const Request& request) { return service->put_task(request); });
  add("POST", "/fhir/ServiceRequest", [service](const Request& request) { return service->create_request(request); });
  add("POST", "/fhir", [service](const Request& request) { return service->transaction(request); });
  add("GET", "/fhir/CodeSystem", codes, "");
  add("GET", "/fhir/CodeSystem/{id}", codes, "");
  return routes;
}

ReadRequest read_referral_request(FhirReferralDeps deps) {
  const auto service = std::make_shared<TaskService>(std::move(deps));
  return [service](const Request& request) { return service->read_request_part(request); };
}

ReadGrant read_grant(FhirReferralDeps given) {
  const auto deps = std::make_shared<const FhirReferralDeps>(std::move(given));
  return [deps](const Request& request, std::string report) -> net::awaitable<std::string> {
    const auto held = deps;  // the lambda may be gone when this resumes
    const auto facilities = facilities_of(held->referral.clients, request);
    if (facilities.empty() || !ReportId::from_hex(report)) co_return std::string();
    const auto found = co_await held->referral.referrals.grant(facilities, std::move(report));
    co_return found&&* found ? "referral/" + (*found)->hex() : std::string();
  };
}

port::Offer task_offer() {
  port::Offer offer;
  offer.type = "Task";
  offer.interactions = {"read", "vread", "create", "update", "search-type"};
  offer.parameters.assign(std::begin(task_parameters), std::end(task_parameters));
  offer.includes = {"Task:focus"};
  offer.documentation =
      "How a referral goes; focus is its ServiceRequest, under the same id. A PUT with If-Match and another status, "
      "businessStatus, owner or output is a command: its verdict is the answer's status (200, 409, 412), or 202 with a "
      "Location where it takes longer. restriction.period is by when whoever is waited for must have acted.";
  return offer;
}

}  // namespace hutong::api
