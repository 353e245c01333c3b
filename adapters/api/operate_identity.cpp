// Stewardship: the questions that matching leaves, a person with all its local patients, and a steward's decisions.
// Patient numbers travel in bodies, never in an address.
#include "adapters/api/operate_handlers.h"
#include "adapters/api/operate_json.h"
#include "broker/access/flat_object.h"
#include "broker/base/limits.h"
#include "broker/model/record.h"

namespace hutong::api {
namespace {

using Kind = port::IdentityCommand::Kind;

// "FACILITY/NUMBER": a facility's code has no slash.
std::optional<std::pair<std::string, std::string>> local_patient(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos || slash == 0 || slash + 1 == text.size()) return std::nullopt;
  return std::pair(std::string(text.substr(0, slash)), std::string(text.substr(slash + 1)));
}

std::optional<Kind> kind_of(std::string_view text) {
  if (text == "link") return Kind::link;
  if (text == "merge") return Kind::merge;
  if (text == "unlink") return Kind::unlink;
  if (text == "split") return Kind::split;
  if (text == "separate") return Kind::separate;
  if (text == "undo") return Kind::undo;
  return std::nullopt;
}

// The audit's word for whose data is read or decided about: the person that the local patient first was.
std::string subject_of(const std::pair<std::string, std::string>& local) {
  return model::first_person_id(local.first, local.second).hex();
}

std::string text_in(const access::FlatObject& body, std::string_view name) {
  const std::string* text = body.text(name);
  return text ? *text : std::string();
}

}  // namespace

Answering identity_questions(const OperateDeps& deps, const Request& request) {
  const auto limit = whole_number(request, "limit", 1, limits::page_items_max);
  if (!limit) co_return fault(request.path, limit.error());
  auto permit = co_await permit_for(deps, request, "identity/questions");
  if (!permit) co_return fault(request.path, permit.error());
  auto found = co_await deps.operations.identity_questions(*permit, std::string(request.parameter("after")),
                                                           limit->value_or(limits::page_items_default));
  if (!found) co_return fault(request.path, found.error());
  JsonText json;
  json.begin_object().begin_array("questions");
  for (const auto& question : found->questions) json.add_document({}, question.document);
  json.end_array();
  if (!found->next.empty()) json.add("next", found->next);
  json.end_object();
  co_return json_response(json.take());
}

Answering identity_person(const OperateDeps& deps, const Request& request) {
  const auto body = access::FlatObject::read(request.body);
  const auto local = body ? local_patient(text_in(*body, "patient")) : std::nullopt;
  auto permit = co_await permit_for(deps, request, "identity/person", local ? subject_of(*local) : "");
  if (!permit) co_return fault(request.path, permit.error());
  if (!local) co_return fault(request.path, 400, "invalid", "the body must be {\"patient\":\"FACILITY/NUMBER\"}");
  auto found = co_await deps.operations.identity_person(*permit, local->first, local->second, text_in(*body, "after"));
  if (!found) co_return fault(request.path, found.error());
  JsonText json;
  json.begin_object()
      .add("person", found->person)
      .add("memberCount", static_cast<std::uint64_t>(found->member_count))
      .begin_array("members");
  for (const auto& member : found->members) {
    json.begin_object()
        .add("facility", member.facility)
        .add("number", member.number)
        .add_document("subject", member.subject)
        .end_object();
  }
  json.end_array().begin_array("decisions");
  for (const auto& decision : found->decisions) json.add_document({}, decision);
  json.end_array();
  if (!found->next.empty()) json.add("next", found->next);
  json.end_object();
  co_return json_response(json.take());
}

Answering decide_identity(const OperateDeps& deps, const Request& request) {
  const auto body = access::FlatObject::read(request.body);
  const auto kind = body ? kind_of(text_in(*body, "kind")) : std::nullopt;
  port::IdentityCommand command;
  std::string subjects;
  bool good = true;
  const std::string patients = body ? text_in(*body, "patients") : std::string();
  for (std::string_view rest = patients; !rest.empty();) {
    const auto one = rest.substr(0, rest.find(' '));
    rest.remove_prefix(std::min(rest.size(), one.size() + 1));
    if (one.empty()) continue;
    const auto local = local_patient(one);
    good = good && local;
    if (!local) continue;
    subjects += (subjects.empty() ? "" : ",") + subject_of(*local);
    command.patients.push_back(*local);
  }
  auto permit = co_await permit_for(deps, request, "identity/decide", std::move(subjects));
  if (!permit) co_return fault(request.path, permit.error());
  if (!kind) {
    co_return fault(request.path, 400, "invalid",
                    "the body must be {\"kind\":\"link\",\"patients\":\"FACILITY/NUMBER "
                    "FACILITY/NUMBER\",\"by\":\"who\",\"note\":\"why\"}; kinds: "
                    "link, merge, unlink, split, separate, undo (with \"decision\":\"ID\" instead of patients)");
  }
  if (!good) co_return fault(request.path, 400, "invalid", "patients: each is FACILITY/NUMBER");
  command.kind = *kind;
  command.decision = text_in(*body, "decision");
  command.note = text_in(*body, "note");
  command.by = text_in(*body, "by");
  command.client = request.principal->client;
  auto verdict = co_await deps.control.decide_identity(std::move(command));
  if (!verdict) co_return fault(request.path, verdict.error());
  JsonText json;
  json.begin_object().add("decision", verdict->decision).add("applied", verdict->applied).end_object();
  auto response = json_response(json.take());
  if (!verdict->applied) response.status = 202;
  co_return response;
}

}  // namespace hutong::api
