#include "broker/app/offline.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include "adapters/api/operate.h"
#include "adapters/api/router.h"
#include "adapters/metrics/prometheus_metrics.h"
#include "broker/access/audit_chain.h"
#include "broker/app/clients.h"
#include "broker/app/data_folder.h"
#include "broker/app/engines.h"
#include "broker/app/local_json.h"
#include "broker/app/rules.h"

namespace hutong::app {
namespace {

// No broker runs: what only a running one can do is refused.
class NoControl final : public port::Control {
 public:
  port::StatusView status() override { return {}; }
  net::awaitable<Result<port::Reply>> retry_quarantined(std::string, std::string) override { co_return refusal(); }
  net::awaitable<Result<Renormalized>> renormalize(std::uint64_t, std::string) override { co_return refusal(); }
  net::awaitable<Result<std::string>> backup(std::string) override { co_return refusal(); }
  net::awaitable<Result<port::IdentityVerdict>> decide_identity(port::IdentityCommand) override { co_return refusal(); }
  Result<void> reload() override { return refusal(); }

 private:
  static tl::unexpected<Error> refusal() { return fail(ErrorCode::unavailable, "start the broker: hutong serve"); }
};

class NoInbox final : public port::Inbox {
 public:
  net::awaitable<std::vector<port::Reply>> accept(const port::Peer&, std::span<const port::Frame>) override {
    co_return std::vector<port::Reply>();
  }
};

}  // namespace

Result<std::string> offline_answer(const Config& config, std::string_view method, std::string_view target) {
  const DataFolder folder{config.data};
  folder.prepare();
  const auto rules = read_rules(config);
  const Clock& clock = system_clock();
  auto opened = open_log(config, folder);
  if (!opened) return tl::unexpected(opened.error());
  auto& log = *opened->log;
  auto store = open_store(config, folder);
  if (!store) return tl::unexpected(store.error());

  const auto key = folder.signing_key();
  access::AuditOptions audit_options;
  audit_options.directory = folder.audit();
  access::AuditChain audit(audit_options, key, clock);
  access::Gate gate(audit, clock);
  access::Sessions sessions(clock);
  access::SignIns sign_ins(folder.keys() / "sign-ins");
  const auto clients = registered_clients(config);
  PrometheusMetrics metrics;
  query::Operations operations(log, **store, [&] { return rules->facilities; });
  NoControl control;
  NoInbox inbox;
  api::Live live(control, metrics, operations, gate, clock);
  api::Router router(api::operate_routes({control, [&]() -> port::Inbox& { return inbox; }, operations, metrics, gate,
                                          sessions, sign_ins, clients, live, clock}));

  auto address = api::read_address(target);
  if (!address) return tl::unexpected(address.error());
  const auto match = router.find(method, address->segments);
  if (!match.route) return fail(ErrorCode::internal, "no such route: " + std::string(target));
  api::Request request;
  request.method = method;
  request.path = address->path;
  request.query = address->query;
  request.captures = match.captures;
  request.principal = access::Principal{"local-operator", {"hutong/operate", "hutong/identity"}, ""};
  request.peer = "unix";
  net::io_context io(1);
  auto answer = net::co_spawn(io, match.route->handler(request), net::use_future);
  io.run();
  const auto response = answer.get();
  audit.close();
  if (response.status >= 300) return fail(ErrorCode::invalid, error_message(response.body));
  return response.body;
}

}  // namespace hutong::app
