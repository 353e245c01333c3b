#include "broker/app/running.h"

#include <fmt/format.h>
#include <sched.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_future.hpp>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <mutex>
#include <thread>

#include "adapters/api/care.h"
#include "adapters/api/critical_values.h"
#include "adapters/api/fhir.h"
#include "adapters/api/fhir_referral.h"
#include "adapters/api/fhir_subscription.h"
#include "adapters/api/oauth.h"
#include "adapters/api/operate.h"
#include "adapters/api/recognition.h"
#include "adapters/api/referral.h"
#include "adapters/api/server.h"
#include "adapters/api/static_files.h"
#include "adapters/format/fhir/fhir_rendering.h"
#include "adapters/format/hl7v2/hl7v2.h"
#include "adapters/metrics/prometheus_metrics.h"
#include "adapters/source/kafka/kafka_source.h"
#include "adapters/source/mllp/mllp_source.h"
#include "broker/access/audit_chain.h"
#include "broker/access/sessions.h"
#include "broker/access/sign_in.h"
#include "broker/access/token.h"
#include "broker/app/alerts.h"
#include "broker/app/clients.h"
#include "broker/app/control.h"
#include "broker/app/data_folder.h"
#include "broker/app/engines.h"
#include "broker/app/kafka_brokers.h"
#include "broker/app/logging.h"
#include "broker/app/rules.h"
#include "broker/app/subscriptions.h"
#include "broker/app/version.h"
#include "broker/base/thread.h"
#include "broker/pipeline/alert_desk.h"
#include "broker/pipeline/delivery_desk.h"
#include "broker/pipeline/duty_desk.h"
#include "broker/pipeline/projector.h"
#include "broker/pipeline/recent_refusals.h"
#include "broker/port/scope.h"
#include "broker/query/care.h"
#include "broker/query/clinical.h"
#include "broker/query/criticals.h"
#include "broker/query/decision_desk.h"
#include "broker/query/operations.h"
#include "broker/query/placed_orders.h"
#include "broker/query/recognition.h"
#include "broker/query/referrals.h"
#include "broker/query/rows.h"

namespace hutong::app {
namespace fs = std::filesystem;
namespace {

// One thread and what lives on it.
struct Shard {
  net::io_context io{1};
  net::executor_work_guard<net::io_context::executor_type> work{io.get_executor()};
  std::unique_ptr<pipeline::Intake> intake;
  std::unique_ptr<mllp::MllpSource> mllp;
  std::thread thread;
};

// An intake belongs to one thread; an HTTP handler asks for that of the shard it runs on.
thread_local pipeline::Intake* this_shards_intake = nullptr;

template <class T>
T opened(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}

// Cores that this process may run on: a container's or taskset's share, not the machine's.
unsigned usable_cores() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  if (sched_getaffinity(0, sizeof cores, &cores) != 0) return std::max(1U, std::thread::hardware_concurrency());
  return static_cast<unsigned>(std::max(1, CPU_COUNT(&cores)));
}

std::uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t total = 0, resident = 0;
  statm >> total >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

constexpr const char* clock_alarm =
    "the wall clock was set by more than a minute: referrals and critical values go on by the machine's ticks; put it right, or restart";

mllp::SourceOptions mllp_options(const Config& config) {
  mllp::SourceOptions options;
  options.address = config.mllp.listen.address;
  options.port = config.mllp.listen.port;
  options.idle_timeout = config.mllp.idle_timeout;
  options.frame_deadline = config.mllp.frame_deadline;
  options.connections = config.mllp.connections;
  options.connections_per_peer = config.mllp.connections_per_peer;
  options.inflight_bytes = config.mllp.inflight_bytes;
  options.tls = config.mllp.tls.enabled();
  options.certificate_file = config.mllp.tls.certificate;
  options.private_key_file = config.mllp.tls.key;
  options.client_authority_file = config.mllp.tls.client_authority;
  return options;
}

}  // namespace

struct Running::State {
  explicit State(Config given) : config(std::move(given)), folder{config.data}, mllp_source(mllp_options(config)), admission(mllp_source) {}

  void open();
  void wire();
  void wire_delivery();
  void wire_alerts();
  void hold_store_against_log();
  Timestamp newest_in_log();
  void listen();
  void announce();
  void start_threads();
  void stop();
  port::StatusView status();
  std::string disk_warning() const;
  std::string log_alarm() const;
  net::awaitable<void> housekeeping();
  std::shared_ptr<const model::FacilityDirectory> facilities() const { return rules.load()->facilities; }

  Config config;
  DataFolder folder;
  const Clock& clock = system_clock();
  Timestamp started = clock.now();
  PrometheusMetrics metrics;
  pipeline::CurrentRules rules;
  std::unique_ptr<port::Log> log;
  std::function<Result<void>(const fs::path&)> copy_log;  // as OpenedLog::copy_to
  std::unique_ptr<port::Store> store;
  std::string identifier_key;
  std::optional<access::SigningKey> key;
  const access::ClientRegistry clients = registered_clients(config);
  std::unique_ptr<access::AuditChain> audit;
  std::unique_ptr<access::Gate> gate;
  std::unique_ptr<access::TokenVerifier> tokens;
  std::unique_ptr<access::TokenMint> mint;
  std::unique_ptr<access::ClientAssertions> assertions;
  std::unique_ptr<access::Sessions> sessions;
  std::unique_ptr<access::SignIns> sign_ins;
  std::unique_ptr<api::Authenticator> authenticator;
  std::unique_ptr<query::Clinical> clinical;
  std::unique_ptr<query::Operations> operations;
  std::unique_ptr<query::Recognition> recognition;
  std::unique_ptr<query::DecisionDesk> desk;
  std::unique_ptr<query::PlacedOrders> placed_orders;
  std::unique_ptr<pipeline::RecordedTime> time;
  std::unique_ptr<pipeline::DutyDesk> duty;
  std::unique_ptr<pipeline::AlertDesk> alerts;
  std::unique_ptr<query::Referrals> referrals;
  std::unique_ptr<query::Criticals> criticals;
  std::unique_ptr<query::Care> care;
  fhir::FhirRendering rendering;
  hl7v2::Hl7v2 format;
  pipeline::RecentControls recent;
  pipeline::RecentRefusals refusals;
  mllp::SourceOptions mllp_source;
  mllp::Admission admission;
  std::vector<std::unique_ptr<Shard>> shards;
  std::vector<std::unique_ptr<kafka_source::KafkaSource>> kafka_sources;
  net::io_context projector_io{1};
  std::unique_ptr<pipeline::Projector> projector;
  std::thread projector_thread;
  net::io_context orders_io{1};
  std::thread orders_thread;
  net::io_context delivery_io{1};
  sse::EventDesk event_desk{[this] { return delivery->subscriptions(); }};
  std::unique_ptr<pipeline::Delivery> delivery;
  std::unique_ptr<pipeline::DeliveryDesk> delivery_desk;
  std::thread delivery_thread;
  net::io_context duty_io{1};
  std::thread duty_thread;
  std::unique_ptr<BrokerControl> control;
  std::unique_ptr<api::Live> live;
  std::unique_ptr<api::Server> server;
  port::Scope scope{[](std::string_view name, std::string_view what) {
    log_event("error", std::string(name) + ": " + std::string(what));
  }};
  std::atomic<bool> stopping{false};
  std::atomic<std::uint64_t> disk_free{0}, disk_total{0};
  std::atomic<double> days_left{-1};
  std::mutex store_trouble_mutex;
  std::string store_trouble;  // as housekeeping last found it; "" none
};

void Running::State::open() {
  start_logging(config.log_level);
  folder.prepare();
  rules.store(read_rules(config));
  key = folder.signing_key();
  identifier_key = folder.identifier_key();

  auto log_opened = opened(open_log(config, folder));
  log = std::move(log_opened.log);
  copy_log = std::move(log_opened.copy_to);
  if (const auto alarm = log_alarm(); !alarm.empty()) log_event("warning", alarm);
  store = opened(open_store(config, folder));

  access::AuditOptions audit_options;
  audit_options.directory = folder.audit();
  audit = std::make_unique<access::AuditChain>(audit_options, *key, clock);
  gate = std::make_unique<access::Gate>(*audit, clock);
  tokens = std::make_unique<access::TokenVerifier>(*key, clients);
  mint = std::make_unique<access::TokenMint>(*key, clients);
  assertions = std::make_unique<access::ClientAssertions>(clients, folder.keys() / "assertions");
  sessions = std::make_unique<access::Sessions>(clock);
  sign_ins = std::make_unique<access::SignIns>(folder.keys() / "sign-ins");
  authenticator = std::make_unique<api::Authenticator>(*tokens, *sessions, *gate, clock);
}

void Running::State::wire() {
  const unsigned count = config.shards ? config.shards : usable_cores();
  pipeline::IntakeOptions intake;
  intake.append_deadline = config.mllp.append_deadline;
  if (config.store.kind == StoreKind::postgres) intake.store_patience = std::chrono::seconds(1);
  intake.refusals = &refusals;
  for (unsigned i = 0; i < count; ++i) {
    auto shard = std::make_unique<Shard>();
    shard->intake = std::make_unique<pipeline::Intake>(*log, *store, format, rules, recent, metrics, clock, intake);
    shard->mllp = std::make_unique<mllp::MllpSource>(
        shard->io, mllp_source, admission, *shard->intake, metrics, clock,
        [this](std::string_view fingerprint, std::string_view name) { return facilities()->by_certificate(fingerprint, name); },
        [](std::string_view level, std::string message) { log_event(level, message); });
    shards.push_back(std::move(shard));
  }

  check_sources(config, *facilities());
  check_alerts(config, *facilities());
  for (const auto& one : config.kafka_sources) {
    kafka_sources.push_back(std::make_unique<kafka_source::KafkaSource>(
        kafka_source::KafkaSourceOptions{one.name, one.bootstrap, one.topic, one.group, one.facility, one.settings},
        kafka_source::KafkaSourceDeps{shards.front()->io.get_executor(), []() -> port::Inbox& { return *this_shards_intake; },
                                      [this] { return facilities(); }, metrics, clock,
                                      [](std::string_view level, std::string what) { log_event(level, std::move(what)); }}));
  }

  pipeline::ProjectorOptions projection;
  projection.hmac_key = identifier_key;
  projection.weights = read_identity_weights(config);
  projection.rules = [this] { return rules.load(); };
  // Brokers that share a store each have a projector; one of them writes.
  if (config.store.kind == StoreKind::postgres) {
    projection.take_over = std::chrono::seconds(2);
    // Nobody else has this folder (its lock), and a host's name is its own.
    const auto name = PartsHash().add(broker_name(config)).add(fs::canonical(folder.root).string()).finish();
    projection.name = to_hex(as_view(name).substr(0, 8));
  }
  projection.on_projected = [this](port::Partition partition, port::Offset next) {
    if (partition.topic == port::Topic::events) recent.projected_below(partition, next);
    delivery->projected(partition, next);
  };
  projection.on_turn = [](bool ours) {
    log_event("info", ours ? "projector: this broker's writes the views" : "projector: another broker's writes the views, this one stands by");
  };
  projection.on_trouble = [](std::string_view what) {
    log_event(what.empty() ? "info" : "error", what.empty() ? std::string("projector: goes on") : "projector: " + std::string(what));
  };
  projector = std::make_unique<pipeline::Projector>(*log, *store, metrics, clock, projection);

  wire_delivery();

  const auto directory = [this] { return facilities(); };
  clinical = std::make_unique<query::Clinical>(
      *store, identifier_key, directory, log->partitions(port::Topic::events), projection.weights,
      [this](std::string_view number) { return rules.load()->normalizer->terminology().is_placeholder(number); });
  operations = std::make_unique<query::Operations>(*log, *store, directory,
                                                   [this](std::string_view facility, std::string_view raw_hash) {
                                                     const auto count = refusals.count(facility, raw_hash);
                                                     return query::Repetition{count.times, count.last};
                                                   });
  const auto recognition_rules = [this] {
    const auto current = rules.load();
    return query::RecognitionRules{current->catalogue, current->facilities,
                                   std::shared_ptr<const terminology::Terminology>(current->normalizer, &current->normalizer->terminology()),
                                   config.zone_minutes};
  };
  recognition = std::make_unique<query::Recognition>(*store, *log, *clinical, recognition_rules, clock);
  placed_orders = std::make_unique<query::PlacedOrders>(*store, *log, *recognition, [this] { return projector->ours(); });
  desk = std::make_unique<query::DecisionDesk>(*recognition, *gate, clock);
  time = std::make_unique<pipeline::RecordedTime>(clock, newest_in_log());
  duty = std::make_unique<pipeline::DutyDesk>(*log, *store, rules, *time, [this] { return projector->ours(); });
  wire_alerts();
  const auto referral_rules = [this] {
    const auto current = rules.load();
    return query::ReferralRules{current->referral, current->facilities, current->catalogue};
  };
  const auto now = [this] { return time->now(); };
  referrals = std::make_unique<query::Referrals>(*store, *log, *clinical, referral_rules, now);
  criticals = std::make_unique<query::Criticals>(*store, *log, [this] { return rules.load()->critical; }, now);
  care = std::make_unique<query::Care>(*store, *log, now);
  const auto inbox = []() -> port::Inbox& { return *this_shards_intake; };
  control = std::make_unique<BrokerControl>(config, *log, copy_log, *store, format, rules, inbox, identifier_key, clock,
                                            [this] { return status(); },
                                            [this](std::vector<model::Subscription> all) { delivery->reload(std::move(all)); });
  live = std::make_unique<api::Live>(*control, metrics, *operations, *gate, clock);

  api::OperateDeps operate{*control, inbox, *operations, metrics, *gate, *sessions, *sign_ins, clients, *live, clock,
                           config.http.tls.enabled(), delivery_desk.get(), &event_desk, alerts.get()};
  auto routes = api::operate_routes(operate);
  const api::FhirReferralDeps fhir_referral{{*referrals, *gate, clients}, rendering, identifier_key};
  api::FhirDeps fhir{*clinical, *gate, rendering, std::string(version), identifier_key, api::read_referral_request(fhir_referral),
                     api::read_grant(fhir_referral)};
  for (auto& route : api::fhir_routes(fhir)) routes.push_back(std::move(route));
  for (auto& route : api::fhir_referral_routes(fhir_referral)) routes.push_back(std::move(route));
  const api::FhirSubscriptionDeps subscribing{*delivery_desk, *gate, clients, rendering, directory, clock,
                                              [this](const std::string& endpoint) { return may_go_to(endpoint, config); },
                                              [this](const auto& one, const auto& principal) { return may_be_told(one, principal, clients); }};
  for (auto& route : api::fhir_subscription_routes(subscribing)) routes.push_back(std::move(route));
  api::OauthDeps oauth{*assertions, *mint, *gate, *authenticator, clock, config.http.public_url};
  for (auto& route : api::oauth_routes(oauth)) routes.push_back(std::move(route));
  for (auto& route : api::recognition_routes({*recognition, *desk, *gate, clients, config.http.own_url})) routes.push_back(std::move(route));
  for (auto& route : api::referral_routes({*referrals, *gate, clients})) routes.push_back(std::move(route));
  for (auto& route : api::critical_routes({*criticals, *gate, clients})) routes.push_back(std::move(route));
  for (auto& route : api::care_routes({*care, *gate, clients, [this] { return rules.load()->referral; }})) routes.push_back(std::move(route));
  for (auto& route : api::static_routes()) routes.push_back(std::move(route));

  api::ServerOptions options;
  options.address = config.http.listen.address;
  options.port = config.http.listen.port;
  options.certificate = config.http.tls.certificate;
  options.key = config.http.tls.key;
  options.socket = folder.socket();
  options.public_url = config.http.public_url;
  options.on_event = [](std::string_view level, std::string message) { log_event(level, message); };
  server = std::make_unique<api::Server>(options, std::move(routes), *authenticator, metrics);
}

// Whoever's projector writes the views delivers, once what was delivered before is known to it.
void Running::State::wire_delivery() {
  pipeline::DeliveryDeps deps{*log,
                              *store,
                              metrics,
                              clock,
                              [this] { return facilities(); },
                              [this](const model::Subscription& one) { return sink_for(one, config, delivery_io.get_executor(), event_desk); },
                              [this](const model::Subscription& one) { return payload_for(one, config); },
                              [this](PersonId id, Arena& arena) { return query::load_person(*store, id, arena); },
                              [this](const model::Subscription& one) { return handshake_for(one, config); },
                              [this](const model::SubscriptionDeclared& one) -> Result<void> {
                                const auto* client = clients.find(one.client);
                                if (!client) return fail(ErrorCode::forbidden, "there is no client \"" + one.client + "\" any more");
                                return may_be_told(one, {client->name, client->scopes, ""}, clients);
                              },
                              [this] { return projector->ours() && projector->caught_up(); },
                              [this] { return projector->confirmed(); },
                              [](std::string_view level, std::string what) { log_event(level, std::move(what)); }};
  delivery = std::make_unique<pipeline::Delivery>(std::move(deps), pipeline::DeliveryOptions(), read_subscriptions(config, *facilities()));
  delivery_desk = std::make_unique<pipeline::DeliveryDesk>(*log, *store, clock, delivery.get(), [this] { return delivery->subscriptions(); },
                                                           [this] { return facilities(); });
}

void Running::State::wire_alerts() {
  pipeline::AlertDeps deps{*store,
                           metrics,
                           clock,
                           *time,
                           rules,
                           broker_name(config),
                           [this] { return status(); },
                           [this] { return projector->ours() && projector->caught_up(); },
                           [this] { return delivery->delivering() ? std::optional(delivery->status()) : std::nullopt; },
                           [](std::string_view level, std::string what) { log_event(level, std::move(what)); }};
  alerts = std::make_unique<pipeline::AlertDesk>(std::move(deps), config.alerts.policy,
                                                 alert_targets(config, duty_io.get_executor(), event_desk));
}

// Commands are stamped no earlier than this, whatever the wall clock says.
Timestamp Running::State::newest_in_log() {
  auto asked = net::co_spawn(duty_io, pipeline::newest_recorded(*log), net::use_future);
  duty_io.run();
  duty_io.restart();
  return opened(asked.get());
}

// A store that was made from another log, or is ahead of this one, must not be served: said before anything listens.
void Running::State::hold_store_against_log() {
  auto prepared = net::co_spawn(projector_io, projector->prepare(), net::use_future);
  projector_io.run();
  projector_io.restart();
  if (const auto held = prepared.get(); !held) throw std::runtime_error(held.error().message);
  auto since = net::co_spawn(projector_io, delivery->prepare(), net::use_future);
  projector_io.run();
  projector_io.restart();
  if (const auto known = since.get(); !known) throw std::runtime_error(known.error().message);
}

void Running::State::listen() {
  for (auto& shard : shards) {
    mllp_source.port = shard->mllp->listen();  // port 0 becomes the one that the first shard got
    server->listen(shard->io);
  }
  server->listen_socket(shards.front()->io);
}

// What outside tools wait for: DIR/run/ports.json, and one line with the console's address.
void Running::State::announce() {
  const auto secret = sign_ins->issue("operator", std::chrono::hours(12), clock.now());
  const auto base = config.http.public_url.empty()
                        ? fmt::format("{}://{}:{}", config.http.tls.enabled() ? "https" : "http", config.http.listen.address, server->port())
                        : config.http.public_url;
  fmt::print("hutong {} serves MLLP on {}:{} and HTTP on {}\n", version, config.mllp.listen.address, mllp_source.port, base);
  if (secret) fmt::print("console: {}/#signin={}\n", base, *secret);
  std::fflush(stdout);
  const auto path = folder.run() / "ports.json";
  std::ofstream(path.string() + ".new") << fmt::format("{{\"mllp\":{},\"http\":{},\"pid\":{}}}\n", mllp_source.port, server->port(), getpid());
  fs::rename(path.string() + ".new", path);
}

void Running::State::start_threads() {
  for (auto& shard : shards) {
    shard->mllp->start();
    shard->thread = std::thread([shard = shard.get()] {
      name_this_thread("shard");
      this_shards_intake = shard->intake.get();
      shard->io.run();
    });
  }
  for (auto& source : kafka_sources) source->start();
  scope.spawn(projector_io.get_executor(), "projector", projector->run());
  projector_thread = std::thread([this] {
    name_this_thread("projector");
    // Views may lag behind a burst, acknowledgements must not; but who shares a store has to show that it lives.
    config.store.kind == StoreKind::postgres ? batch_this_thread() : lower_this_thread();
    projector_io.run();
  });
  scope.spawn(delivery_io.get_executor(), "delivery", delivery->run());
  delivery_thread = std::thread([this] {
    name_this_thread("delivery");
    batch_this_thread();  // woken for every answer, and an acknowledgement is more urgent
    delivery_io.run();
  });
  scope.spawn(orders_io.get_executor(), "orders", placed_orders->run([](std::string_view what) {
    log_event(what.empty() ? "info" : "error", what.empty() ? std::string("orders: goes on") : "orders: " + std::string(what));
  }));
  orders_thread = std::thread([this] {
    name_this_thread("orders");
    lower_this_thread();
    orders_io.run();
  });
  scope.spawn(duty_io.get_executor(), "duty desk", duty->run([](std::string_view what) {
    log_event(what.empty() ? "info" : "error", what.empty() ? std::string("duty desk: goes on") : "duty desk: " + std::string(what));
  }));
  scope.spawn(duty_io.get_executor(), "alerts", alerts->watch());
  for (std::size_t i = 0; i < config.alerts.webhooks.size(); ++i) {
    scope.spawn(duty_io.get_executor(), "alerts' webhook", alerts->tell(i));
  }
  duty_thread = std::thread([this] {
    name_this_thread("duty");
    lower_this_thread();
    duty_io.run();
  });
  auto first = shards.front()->io.get_executor();
  scope.spawn(first, "housekeeping", housekeeping());
  scope.spawn(first, "live", live->run());
}

net::awaitable<void> Running::State::housekeeping() {
  net::steady_timer timer(co_await net::this_coro::executor);
  auto& log_bytes = metrics.gauge("hutong_log_bytes", "Bytes of the log on disk");
  auto& store_bytes = metrics.gauge("hutong_store_bytes", "Bytes of the store on disk");
  auto& free_bytes = metrics.gauge("hutong_disk_free_bytes", "Bytes free where the data are");
  auto& days = metrics.gauge("hutong_disk_days_left", "Days until the disk is full at the rate of the last hours; -1 unknown");
  auto& resident = metrics.gauge("hutong_resident_bytes", "Memory of the process");
  std::deque<std::pair<Timestamp, std::uint64_t>> used;  // a sample a minute, of the last day
  bool warned = false, jumped = false;
  auto& clock_jumped = metrics.gauge("hutong_clock_jumped", "1: the wall clock was set by more than a minute and is not followed until the next start");
  while (!stopping) {
    time->now();
    if (time->jumped() != jumped) {
      jumped = time->jumped();
      clock_jumped.set(jumped ? 1 : 0);
      log_event(jumped ? "warning" : "info", jumped ? clock_alarm : "the wall clock agrees with the machine's ticks again");
    }
    struct statvfs disk {};
    if (statvfs(config.data.c_str(), &disk) == 0) {
      disk_free = static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
      disk_total = static_cast<std::uint64_t>(disk.f_blocks) * disk.f_frsize;
    }
    const auto health = log->health();
    const std::uint64_t store_size = store->bytes();
    log_bytes.set(static_cast<double>(health.bytes));
    store_bytes.set(static_cast<double>(store_size));
    free_bytes.set(static_cast<double>(disk_free));
    resident.set(static_cast<double>(resident_bytes()));
    // Asked for its own sake: an idle projector would not notice, and a busy one's trouble may be the log's.
    const auto asked = co_await store->cursor({port::Topic::events, 0});
    {
      const std::lock_guard lock(store_trouble_mutex);
      store_trouble = asked ? "" : asked.error().message;
    }
    const auto now = clock.now();
    if (used.empty() || now - used.back().first >= std::chrono::minutes(1)) {
      // Only what lies on this disk fills it.
      used.emplace_back(now, health.bytes + (config.store.kind == StoreKind::rocksdb ? store_size : 0));
      if (used.size() > 24 * 60) used.pop_front();
      const double seconds = std::chrono::duration<double>(now - used.front().first).count();
      const auto grown = static_cast<double>(used.back().second) - static_cast<double>(used.front().second);
      if (seconds >= 300 && grown > 0) days_left = static_cast<double>(disk_free) / (grown / seconds) / 86'400;
      days.set(days_left);
      if (days_left >= 0 && days_left < config.disk.warn_days_left) {
        if (!warned) {
          log_event("warning", disk_warning());
        }
        warned = true;
      } else {
        warned = false;
      }
    }
    timer.expires_after(std::chrono::seconds(1));
    boost::system::error_code cancelled;
    co_await timer.async_wait(net::redirect_error(net::use_awaitable, cancelled));
  }
}

// Empty: what is acknowledged is safe. Else what was asked for that makes it less so.
std::string Running::State::log_alarm() const {
  if (config.log.kind == LogKind::kafka) {
    return config.log.kafka.unsafe_topics ? "[log.kafka] unsafe_topics = true: acknowledged messages may be lost with one machine, or expire" : "";
  }
  return config.log.unsafe_no_sync ? "[log] unsafe_no_sync = true: acknowledged messages are lost when the power fails" : "";
}

// Empty: there is room for longer than [disk] warn_days_left.
std::string Running::State::disk_warning() const {
  if (days_left < 0 || days_left >= config.disk.warn_days_left) return {};
  return fmt::format("the disk is full in {:.1f} days at today's rate ({} MiB free); add space or move [broker] data", days_left.load(),
                     disk_free >> 20U);
}

port::StatusView Running::State::status() {
  port::StatusView view;
  view.version = version;
  view.schema_version = event_schema_version;
  view.started = started;
  view.now = clock.now();
  const auto health = log->health();
  view.dependencies.push_back({config.log.kind == LogKind::kafka ? "kafka" : "log", health.writable,
                               health.writable ? log_alarm() : health.reason});
  {
    const std::lock_guard lock(store_trouble_mutex);
    view.dependencies.push_back(
        {config.store.kind == StoreKind::postgres ? "postgresql" : "store", store_trouble.empty(), store_trouble});
  }
  const auto trouble = projector->trouble();
  view.dependencies.push_back({"projector", trouble.empty(), trouble});
  const auto audited = audit->health();
  view.dependencies.push_back({"audit", audited.has_value(), audited ? "" : audited.error().message});
  view.dependencies.push_back({"disk", true, disk_warning()});
  view.dependencies.push_back({"clock", true, time->jumped() ? clock_alarm : ""});
  view.projected = projector->projected();
  view.log_end = std::max(view.projected, health.end);
  view.lag_seconds = projector->lag_seconds();
  view.log_bytes = health.bytes;
  view.store_bytes = store->bytes();
  view.disk_free_bytes = disk_free;
  view.disk_total_bytes = disk_total;
  view.disk_days_left = days_left;
  view.connections = admission.connections();
  view.inflight_bytes = admission.inflight_bytes;
  view.resident_bytes = resident_bytes();
  view.mllp_address = fmt::format("{}:{}", config.mllp.listen.address, mllp_source.port);
  view.http_address = fmt::format("{}:{}", config.http.listen.address, server->port());
  view.unknown_senders_accepted = config.mllp.accept_unknown_senders;
  view.plain_beyond_loopback = config.mllp.allow_plain || config.http.allow_plain;
  return view;
}

void Running::State::stop() {
  stopping = true;
  log_event("info", "stopping: no further connections; sessions finish what they have taken");
  live->stop();
  for (auto& shard : shards) shard->mllp->stop_accepting();
  for (auto& source : kafka_sources) source->stop();
  const auto on = [](net::io_context& io, auto work) { return net::co_spawn(io, std::move(work), net::use_future).get(); };
  for (auto& shard : shards) {
    if (!on(shard->io, shard->mllp->drain(std::chrono::seconds(15)))) log_event("warning", "sessions were cut off after 15 s");
  }
  on(shards.front()->io, server->stop(std::chrono::seconds(5)));
  event_desk.stop();
  delivery->stop();
  projector->stop();
  placed_orders->stop();
  duty->stop();
  alerts->stop();
  if (on(shards.front()->io, scope.drained(std::chrono::seconds(10)))) {
    on(shards.front()->io, projector->leave());
  } else {
    log_event("warning", "a task did not end in time");
  }
  on(shards.front()->io, log->close());
  audit->close();
  on(shards.front()->io, store->close());
  for (auto& shard : shards) {
    shard->work.reset();
    shard->io.stop();
    shard->thread.join();
  }
  projector_io.stop();
  projector_thread.join();
  orders_io.stop();
  orders_thread.join();
  delivery_io.stop();
  delivery_thread.join();
  duty_io.stop();
  duty_thread.join();
  std::error_code ignored;
  fs::remove(folder.run() / "ports.json", ignored);
  log_event("info", "stopped");
}

Running::Running(Config config) : state_(std::make_unique<State>(std::move(config))) {
  state_->open();
  state_->wire();
  state_->hold_store_against_log();
  state_->listen();
}

Running::~Running() = default;

int Running::run() {
  auto& s = *state_;
  net::io_context main(1);
  net::signal_set signals(main, SIGINT, SIGTERM, SIGHUP);
  std::signal(SIGPIPE, SIG_IGN);
  s.start_threads();
  s.announce();
  std::function<void()> wait = [&] {
    signals.async_wait([&](boost::system::error_code failed, int signal) {
      if (failed) return;
      if (signal == SIGHUP) {
        static_cast<void>(s.control->reload());
        wait();
      }
    });
  };
  wait();
  main.run();  // ends with the first SIGINT or SIGTERM
  s.stop();
  return 0;
}

}  // namespace hutong::app
