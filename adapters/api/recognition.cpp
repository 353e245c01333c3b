#include "adapters/api/recognition.h"

#include <algorithm>
#include <memory>

#include "adapters/api/client_facilities.h"
#include "adapters/api/recognition_handlers.h"

namespace hutong::api {

std::optional<model::EncounterClass> encounter_of(std::string_view text) {
  using enum model::EncounterClass;
  static constexpr std::pair<std::string_view, model::EncounterClass> names[] = {{"", unknown},
                                                                                 {"AMB", outpatient},
                                                                                 {"outpatient", outpatient},
                                                                                 {"门诊", outpatient},
                                                                                 {"EMER", emergency},
                                                                                 {"emergency", emergency},
                                                                                 {"急诊", emergency},
                                                                                 {"IMP", inpatient},
                                                                                 {"ACUTE", inpatient},
                                                                                 {"NONAC", inpatient},
                                                                                 {"inpatient", inpatient},
                                                                                 {"住院", inpatient},
                                                                                 {"OBSENC", observation},
                                                                                 {"HH", home},
                                                                                 {"VR", virtual_visit}};
  for (const auto& [name, kind] : names) {
    if (text == name) return kind;
  }
  return std::nullopt;
}

Result<void> acts_for(const RecognitionDeps& deps, const Request& request, const std::string& facility) {
  return acts_for(deps.clients, request, facility);
}

std::string page_link(const RecognitionDeps& deps, const Request& request, const std::string& ticket) {
  return (deps.own_url.empty() ? request.base_url : deps.own_url) + "/d/" + ticket;
}

net::awaitable<Result<access::Permit>> recognition_permit(const RecognitionDeps& deps, const Request& request,
                                                          std::string parameters) {
  if (!request.principal) co_return fail(ErrorCode::forbidden, "this needs a token with the scope system/*.rs");
  access::Demand demand{access::Action::search,
                        "Observation",
                        "",
                        std::move(parameters),
                        std::string(request.header("x-purpose-of-use")),
                        request.peer};
  co_return co_await deps.gate.decide(*request.principal, std::move(demand));
}

net::awaitable<Response> answer_unread(const RecognitionDeps& deps, const Request& request, Response answer) {
  const auto permit = co_await recognition_permit(deps, request, "recognition-check");
  co_return permit ? std::move(answer) : fault(request.path, permit.error());
}

net::awaitable<Result<Told>> tell(const RecognitionDeps& deps, const Request& request, query::AskedOrder asked,
                                  std::string lang) {
  const bool past = asked.as_of.has_value();  // a question about the past: nothing happened
  auto demand = query::demand_of(asked, access::Action::search, "Observation", "", "recognition-check", request.peer);
  // Whose results they are is known only when they are found.
  const auto judge = [&](const access::Permit& permit,
                         std::vector<std::string>& subjects) -> net::awaitable<Result<query::JudgedOrder>> {
    if (auto may = acts_for(deps, request, asked.facility); !may) co_return tl::unexpected<Error>(may.error());
    auto order = co_await deps.recognition.judge(permit, std::move(asked));
    for (std::size_t i = 0; order && i < order->persons.size(); ++i) subjects.push_back(order->persons[i].hex());
    co_return order;
  };
  const auto record = [&](query::JudgedOrder& order) -> net::awaitable<Result<void>> {
    if (past) co_return Result<void>();
    co_return co_await deps.recognition.record(order);
  };
  auto judged = co_await deps.gate.look<query::JudgedOrder>(*request.principal, std::move(demand), judge, record);
  if (!judged) co_return tl::unexpected<Error>(judged.error());
  Told told{std::move(*judged), {}};
  if (!past && told.order.interrupts()) {
    // Too many open pages cost a reminder, not the answer.
    if (auto ticket = deps.desk.issue(told.order, *request.principal, std::move(lang)))
      told.ticket = std::move(*ticket);
  }
  co_return told;
}

std::vector<Route> recognition_routes(RecognitionDeps given) {
  const auto deps = std::make_shared<const RecognitionDeps>(std::move(given));
  using Function = RecognitionAnswer (*)(const RecognitionDeps&, const Request&);
  const auto with = [&](Function function) {
    return [deps, function](const Request& request) { return function(*deps, request); };
  };
  const std::string anyone, clinical = "system/Observation.s";
  constexpr std::size_t form_bytes = 16 * 1024;
  return {
      {"POST", "/api/v1/recognition/check", clinical, with(check_recognition)},
      {"GET", "/api/v1/recognition/statistics", "hutong/operate", with(recognition_statistics)},
      {"GET", "/api/v1/recognition/notices", clinical, with(recognition_notices)},
      {"GET", "/d/{ticket}", anyone, with(decision_shell)},
      {"POST", "/d/v", anyone, with(decision_step), form_bytes},
      {"POST", "/d/done", anyone, with(decision_step), form_bytes},
      {"GET", "/d/done", anyone, with(decision_end)},
      {"GET", "/d/page.css", anyone, with(decision_style)},
      {"GET", "/cds-services", anyone, with(cds_discovery)},
      {"POST", "/cds-services/mutual-recognition", clinical, with(cds_service)},
      {"POST", "/cds-services/mutual-recognition/feedback", clinical, with(cds_feedback)},
  };
}

}  // namespace hutong::api
