#include "broker/app/control.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "broker/app/logging.h"
#include "broker/app/rules.h"
#include "broker/app/subscriptions.h"
#include "broker/pipeline/quarantine_entry.h"
#include "broker/pipeline/renormalize.h"
#include "broker/port/tables.h"

namespace hutong::app {
namespace fs = std::filesystem;

BrokerControl::BrokerControl(const Config& config, port::Log& log, CopyLog copy_log, port::Store& store,
                             const port::Format& format, pipeline::CurrentRules& rules, std::function<port::Inbox&()> inbox,
                             std::string identifier_key, const Clock& clock,
                             std::function<port::StatusView()> status, OnSubscriptions on_subscriptions)
    : config_(config),
      log_(log),
      copy_log_(std::move(copy_log)),
      store_(store),
      format_(format),
      rules_(rules),
      inbox_(std::move(inbox)),
      clock_(clock),
      status_(std::move(status)),
      on_subscriptions_(std::move(on_subscriptions)),
      steward_(log, store, std::move(identifier_key), clock) {}

BrokerControl::~BrokerControl() {
  slow_.stop();
  slow_.join();
}

net::awaitable<Result<port::Reply>> BrokerControl::retry_quarantined(std::string facility, std::string raw_hash_hex) {
  const std::string raw_hash = from_hex(raw_hash_hex).value_or("");
  auto row = co_await store_.get(port::tables::quarantine, {facility, raw_hash});
  if (!row) co_return tl::unexpected(row.error());
  if (!row->has_value()) co_return fail(ErrorCode::not_found, "no such message in quarantine; see: hutong quarantine list");
  const auto offset = static_cast<port::Offset>(std::get<std::int64_t>((**row)[2]));
  port::ReadLimit one;
  one.records = 1;
  auto slice = co_await log_.read({port::Topic::quarantine, 0}, offset, one);
  if (!slice) co_return tl::unexpected(slice.error());
  if (slice->records.empty()) co_return fail(ErrorCode::corrupt, "the quarantine row points behind the log's end; run hutong rebuild");
  const auto& stored = slice->records.front().record;
  const auto entry = pipeline::read_quarantine_entry(stored.json);
  if (!entry) co_return tl::unexpected(entry.error());
  if (entry->length > stored.raw.size()) {
    co_return fail(ErrorCode::invalid, "only the beginning of this message was kept (it was longer than 16 MiB); the sender must send it anew");
  }
  port::Peer peer;
  peer.protocol = "retry";
  peer.connection = "operator";
  peer.trusted_network = true;
  const port::Frame frame{stored.raw, clock_.now(), 0, {}};
  auto replies = co_await inbox_().accept(peer, std::span(&frame, 1));
  auto& reply = replies.front();
  if (reply.answer == model::Answer::try_again) co_return fail(ErrorCode::unavailable, "the log is not available; try again");
  pipeline::QuarantineOutcome outcome;
  outcome.facility = facility;
  outcome.raw_hash = raw_hash_hex;
  outcome.retried = reply.records.empty() ? "refused" : "accepted";
  outcome.at = clock_.now();
  port::Record record;
  PartsHash hash;
  record.id = RecordId(hash.add("outcome").add(facility).add(raw_hash).add(std::to_string(outcome.at.micros)).finish());
  record.key = facility + "/" + raw_hash_hex;
  record.kinds = std::string(pipeline::quarantine_outcome_kind);
  record.json = pipeline::write(outcome);
  std::vector<port::Record> batch;
  batch.push_back(std::move(record));
  auto appended = co_await log_.append(port::Topic::quarantine, std::move(batch));
  if (!appended) co_return tl::unexpected(appended.error());
  co_return std::move(reply);
}

net::awaitable<Result<port::Control::Renormalized>> BrokerControl::renormalize(std::uint64_t from, std::string sender) {
  const auto rules = rules_.load();
  auto done = co_await net::co_spawn(
      slow_, pipeline::renormalize(log_, format_, *rules, clock_, from, std::move(sender)), net::use_awaitable);
  if (!done) co_return tl::unexpected(done.error());
  co_return Renormalized{done->read, done->changed};
}

net::awaitable<Result<std::string>> BrokerControl::backup(std::string directory) {
  const fs::path target(directory);
  if (!target.is_absolute()) co_return fail(ErrorCode::invalid, "the backup's folder must be an absolute path");
  std::error_code failed;
  if (fs::exists(target, failed)) co_return fail(ErrorCode::conflict, directory + " exists already; choose a new folder");
  // The store first: what it has seen is then in the log's copy for certain, and a restore projects the rest.
  const auto work = [this, target]() -> net::awaitable<Result<std::string>> {
    std::string elsewhere;
    std::error_code error;
    fs::create_directories(target, error);
    if (error) co_return fail(ErrorCode::unavailable, target.string() + ": " + error.message());
    fs::permissions(target, fs::perms::owner_all, error);
    if (config_.store.kind == StoreKind::rocksdb) {
      if (auto copied = co_await store_.checkpoint(target / "store"); !copied) co_return tl::unexpected(copied.error());
    } else {
      elsewhere += "The views are in PostgreSQL: pg_dump --schema=" + config_.store.postgres.schema +
                   ", or nothing, because they come anew from the log. ";
    }
    if (copy_log_) {
      if (auto copied = copy_log_(target / "log"); !copied) co_return tl::unexpected(copied.error());
    } else {
      elsewhere += "The messages themselves are in Kafka, which keeps its copies on several machines of one place; for one "
                   "elsewhere mirror the topics " + config_.log.kafka.topic_prefix +
                   "* with Kafka's MirrorMaker 2 (docs/operations.md). ";
    }
    const auto options = fs::copy_options::recursive | fs::copy_options::overwrite_existing;
    for (const auto* folder : {"audit", "keys", "schemas"}) {
      if (fs::exists(config_.data / folder)) fs::copy(config_.data / folder, target / folder, options, error);
      if (error) co_return fail(ErrorCode::unavailable, (target / folder).string() + ": " + error.message());
    }
    if (!config_.file.empty()) fs::copy_file(config_.file, target / "hutong.toml", options, error);
    co_return elsewhere;
  };
  co_return co_await net::co_spawn(slow_, work(), net::use_awaitable);
}

Result<void> BrokerControl::reload() {
  try {
    auto fresh = read_rules(config_);
    auto subscriptions = read_subscriptions(config_, *fresh->facilities);
    if (on_subscriptions_) on_subscriptions_(std::move(subscriptions));
    retired_.push_back(rules_.exchange(std::move(fresh)));
    log_event("info", "facilities, maps and subscriptions reloaded");
    return {};
  } catch (const ConfigError& e) {
    log_event("error", std::string("reload refused, the former facilities, maps and subscriptions stay in effect: ") + e.what());
    return fail(ErrorCode::invalid, e.what());
  }
}

}  // namespace hutong::app
