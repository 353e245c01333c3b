// The handlers behind recognition_routes, one file per door. Only for recognition*.cpp, decision_page.cpp,
// cds_hooks.cpp.
#pragma once

#include "adapters/api/json_tree.h"
#include "adapters/api/operate_json.h"
#include "adapters/api/recognition.h"
#include "adapters/api/router_fault.h"

namespace hutong::api {

using RecognitionAnswer = net::awaitable<Response>;

// "AMB", "门诊", "outpatient" …: v3 ActCode, or the words that systems send. nullopt: none of them; "" is unknown.
std::optional<model::EncounterClass> encounter_of(std::string_view text);
// Errors: forbidden, where the client may not order or ask in this facility's name ([clients.NAME] facilities).
Result<void> acts_for(const RecognitionDeps& deps, const Request& request, const std::string& facility);
// Where the link of a decision page leads.
std::string page_link(const RecognitionDeps& deps, const Request& request, const std::string& ticket);

// The permit to look for a patient's results, with its audit record.
net::awaitable<Result<access::Permit>> recognition_permit(const RecognitionDeps& deps, const Request& request,
                                                          std::string parameters);
// The answer where nothing has to be read for it, such as a question that does not read: for who may ask, with its
// audit record.
net::awaitable<Response> answer_unread(const RecognitionDeps& deps, const Request& request, Response answer);
// Judges, records, and audits whose results were looked at: all on disk when it resumes, after one wait for it. The
// ticket of its page is "" where there is nothing to decide.
struct Told {
  query::JudgedOrder order;
  std::string ticket;
};
net::awaitable<Result<Told>> tell(const RecognitionDeps& deps, const Request& request, query::AskedOrder asked,
                                  std::string lang);

// recognition_check.cpp
RecognitionAnswer check_recognition(const RecognitionDeps& deps, const Request& request);
// recognition_statistics.cpp
RecognitionAnswer recognition_statistics(const RecognitionDeps& deps, const Request& request);
RecognitionAnswer recognition_notices(const RecognitionDeps& deps, const Request& request);
// decision_page.cpp
RecognitionAnswer decision_shell(const RecognitionDeps& deps, const Request& request);
RecognitionAnswer decision_step(const RecognitionDeps& deps, const Request& request);
RecognitionAnswer decision_end(const RecognitionDeps& deps, const Request& request);
RecognitionAnswer decision_style(const RecognitionDeps& deps, const Request& request);
// cds_hooks.cpp
RecognitionAnswer cds_discovery(const RecognitionDeps& deps, const Request& request);
RecognitionAnswer cds_service(const RecognitionDeps& deps, const Request& request);
RecognitionAnswer cds_feedback(const RecognitionDeps& deps, const Request& request);

}  // namespace hutong::api
