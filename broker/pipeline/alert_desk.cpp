#include "broker/pipeline/alert_desk.h"

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "broker/base/hash.h"
#include "broker/pipeline/feed_state.h"
#include "broker/port/tables.h"
#include "broker/referral/rules.h"

namespace hutong::pipeline {
namespace {

namespace tables = port::tables;
using alerts::Kind;
using alerts::Level;
using alerts::Moment;
using alerts::reading;
using alerts::Source;
using alerts::Ticks;
using std::chrono::milliseconds;

constexpr milliseconds turn{100};  // how soon what is new is noticed
constexpr milliseconds least_pause{50}, longest_look{5'000};
constexpr milliseconds first_pause{1'000}, longest_pause = std::chrono::minutes(5);
constexpr std::size_t feeds_most = 100'000;
constexpr Source all_sources[] = {Source::broker, Source::feeds, Source::deliveries};

double seconds(milliseconds time) {
  return std::chrono::duration<double>(time).count();
}

class Json {
 public:
  Json() : writer_(out_) {}
  Json& text(const char* name, std::string_view value) {
    writer_.Key(name);
    writer_.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
    return *this;
  }
  Json& number(const char* name, double value) {
    writer_.Key(name);
    writer_.Double(value);
    return *this;
  }
  rapidjson::Writer<rapidjson::StringBuffer>& writer() { return writer_; }
  std::string take() const { return {out_.GetString(), out_.GetSize()}; }

 private:
  rapidjson::StringBuffer out_;
  rapidjson::Writer<rapidjson::StringBuffer> writer_;
};

void write(Json& json, const alerts::Alert& alert) {
  const auto text = alerts::text_of(alert);
  json.writer().StartObject();
  json.text("id", alert.id)
      .text("kind", to_string(alert.reading.kind))
      .text("subject", alert.reading.subject.id)
      .text("state", to_string(alert.state))
      .text("since", to_iso(alert.since))
      .number("seconds", alert.seconds)
      .number("value", alert.reading.value)
      .number("limit", alert.reading.limit)
      .text("detail", alert.reading.detail);
  json.writer().Key("text");
  json.writer().StartObject();
  json.text("zh", text.zh).text("en", text.en);
  json.writer().EndObject();
  json.writer().EndObject();
}

}  // namespace

// The last word on a condition that a webhook has not heard.
struct AlertDesk::Waiting {
  std::uint64_t number = 0;
  alerts::Alert alert;
};

struct AlertDesk::Target {
  std::string origin;
  std::shared_ptr<port::Sink> sink;
  port::Gauge& untold;
  std::map<std::string, Waiting> waiting;  // by the condition's id
  std::map<Source, std::uint64_t> begins;  // whose watch begins, and this has not heard
  std::string answer;
  std::optional<Timestamp> at;
  unsigned attempts = 0;  // since it was told something
  milliseconds pause = first_pause;
  Ticks due{0};  // not before

  std::string body(const std::string& broker) const;
};

std::string AlertDesk::Target::body(const std::string& broker) const {
  Json json;
  json.writer().StartObject();
  json.text("broker", broker);
  json.writer().Key("begins");
  json.writer().StartArray();
  for (const auto kind : alerts::all_kinds) {
    if (!begins.contains(source_of(kind))) continue;
    const auto word = to_string(kind);
    json.writer().String(word.data(), static_cast<rapidjson::SizeType>(word.size()));
  }
  json.writer().EndArray();
  json.writer().Key("alerts");
  json.writer().StartArray();
  for (const auto& [id, each] : waiting) write(json, each.alert);
  json.writer().EndArray();
  json.writer().EndObject();
  return json.take();
}

AlertDesk::AlertDesk(AlertDeps deps, alerts::Policy policy, std::vector<AlertTarget> targets)
    : deps_(std::move(deps)), policy_(std::move(policy)) {
  for ([[maybe_unused]] const auto source : all_sources) watches_.emplace_back(policy_.hold, policy_.repeat_after);
  for (auto& target : targets) {
    auto& untold =
        deps_.metrics.gauge("hutong_alerts_untold", "Alerts that wait for a webhook", {{"webhook", target.origin}});
    targets_.push_back(std::make_unique<Target>(
        Target{std::move(target.origin), std::move(target.sink), untold, {}, {}, {}, {}, 0, first_pause, Ticks(0)}));
  }
  for (const auto kind : alerts::all_kinds) {
    gauges_[kind] = &deps_.metrics.gauge("hutong_alerts", "Conditions that hold and operators are told of",
                                         {{"kind", std::string(to_string(kind))}});
  }
}

AlertDesk::~AlertDesk() = default;

// --- reading ---

AlertDesk::Readings AlertDesk::read_broker() {
  const auto status = deps_.status();
  const auto& name = deps_.broker;
  Readings all;
  for (const auto& dependency : status.dependencies) {
    all.push_back(reading(Kind::dependency, {name + "/" + dependency.name, "", ""}, dependency.ready ? 0 : 1, 1,
                          dependency.ready ? "" : dependency.reason));
  }
  const auto free = static_cast<double>(status.disk_free_bytes), total = static_cast<double>(status.disk_total_bytes);
  if (total > 0) {
    const auto limit = policy_.disk_free_percent > 0 ? total * policy_.disk_free_percent / 100
                                                     : static_cast<double>(policy_.disk_free);
    all.push_back(reading(Kind::disk, {name, "", ""}, free, limit));
  }
  if (status.disk_days_left >= 0)
    all.push_back(reading(Kind::disk_days, {name, "", ""}, status.disk_days_left, policy_.disk_days));
  return all;
}

net::awaitable<std::optional<AlertDesk::Readings>> AlertDesk::read_feeds(Moment now) {
  port::Scan scan;
  scan.limit = feeds_most;
  const auto rows = co_await deps_.store.scan(tables::feeds, std::move(scan));
  if (!rows) co_return std::nullopt;  // the store's trouble is a condition of its own
  const auto rules = deps_.rules.load();
  Readings all;
  for (const auto& row : *rows) {
    const auto& code = std::get<std::string>(row[0]);
    const auto state = read_feed_state(std::get<std::string>(row[1]));
    if (!state) continue;
    const auto* facility = rules->facilities ? rules->facilities->find(code) : nullptr;
    alerts::Subject subject{code.empty() ? "unknown" : code, facility ? facility->name_zh : "",
                            facility ? facility->name_en : ""};
    // A sender that repeats what was refused leaves nothing in the log: of that each broker knows its own.
    const double repeated = deps_.metrics.sum("hutong_repeated_refusals_total", {{"facility", subject.id}});
    const auto rejected = static_cast<double>(state->rejected) + repeated;
    const auto [known, is_new] = shares_.try_emplace({Kind::refusals, subject.id});
    auto& share = known->second;
    if (is_new && watch_of(Source::feeds).has_looked()) share.count(0, 0, now.ticks, policy_.within);
    share.count(rejected, rejected + static_cast<double>(state->records), now.ticks, policy_.within);
    const bool enough = share.bad() >= static_cast<double>(policy_.least);
    all.push_back(reading(Kind::refusals, subject, enough ? share.percent() : 0, policy_.refusals));

    const auto after = policy_.silent_after(code);
    if (!facility || state->last_received.micros == 0 || after.count() == 0) continue;
    const double heard = rejected + static_cast<double>(state->records) +
                         deps_.metrics.sum("hutong_messages_total", {{"facility", code}});
    const auto silent = ears_[code].silent(heard, std::max(state->last_received, state->last_reject.at), now);
    const auto passed = std::chrono::duration_cast<std::chrono::microseconds>(silent);
    auto one =
        reading(Kind::silence, std::move(subject), std::chrono::duration<double>(silent).count(), seconds(after));
    if (one.level == Level::wrong && policy_.silence_in_working_hours && rules->referral &&
        rules->referral->worked(now.wall + -passed, after, code) > now.wall)
      one.level = Level::between;  // quiet while nobody works there
    all.push_back(std::move(one));
  }
  co_return all;
}

AlertDesk::Readings AlertDesk::read_deliveries(const std::vector<port::SubscriptionStatus>& subscriptions, Moment now) {
  Readings all;
  for (const auto& one : subscriptions) {
    const alerts::Subject subject{one.name, "", ""};
    all.push_back(reading(Kind::lag, subject, one.oldest_seconds, seconds(policy_.lag), one.trouble));
    all.push_back(
        reading(Kind::dead_letters, subject, static_cast<double>(one.dead), static_cast<double>(policy_.dead_letters)));
    auto& share = shares_[{Kind::failures, one.name}];
    const auto bad = static_cast<double>(one.refused + one.broken);
    share.count(bad, bad + static_cast<double>(one.delivered), now.ticks, policy_.within);
    const bool enough = share.bad() >= static_cast<double>(policy_.least);
    all.push_back(reading(Kind::failures, subject, enough ? share.percent() : 0, policy_.failures, one.trouble));
  }
  return all;
}

// --- watching ---

void AlertDesk::take(Source source, const Readings& readings, Moment now) {
  auto said = watch_of(source).look(readings, now);
  ++said_;
  for (auto& alert : said.alerts) {
    const bool over = alert.state == alerts::State::cleared;
    deps_.on_event(over ? "info" : "warning",
                   "alert " + alert.id + " " + std::string(to_string(alert.state)) + ": " + alerts::text_of(alert).en);
    if (over) told_.erase(alert.id);
    for (auto& target : targets_) {
      auto& waiting = target->waiting[alert.id];
      // What it has not heard of is news to it, however often it was said.
      const bool is_news = waiting.number && waiting.alert.state == alerts::State::raised && !over;
      waiting = {said_, alert};
      if (is_news) waiting.alert.state = alerts::State::raised;
    }
  }
  if (!said.begins) return;
  for (auto& target : targets_) target->begins[source] = said_;
}

void AlertDesk::forget(Source source) {
  watch_of(source).forget();
  std::erase_if(shares_, [&](const auto& each) { return source_of(each.first.first) == source; });
  if (source == Source::feeds) ears_.clear();
  for (auto& target : targets_) {
    std::erase_if(target->waiting,
                  [&](const auto& each) { return source_of(each.second.alert.reading.kind) == source; });
    target->begins.erase(source);
  }
}

net::awaitable<void> AlertDesk::look() {
  const auto moment = [this] { return Moment{deps_.time.now(), deps_.clock.ticks()}; };
  take(Source::broker, read_broker(), moment());
  if (deps_.ours()) {
    const auto now = moment();
    if (const auto feeds = co_await read_feeds(now)) take(Source::feeds, *feeds, now);
    if (const auto subscriptions = deps_.subscriptions())
      take(Source::deliveries, read_deliveries(*subscriptions, now), now);
  } else {
    forget(Source::feeds);
    forget(Source::deliveries);
  }
  show(moment());
}

void AlertDesk::show(Moment now) {
  port::AlertsView view;
  view.all = deps_.ours();
  std::map<Kind, double> counts;
  for (const auto& watch : watches_) {
    for (auto& alert : watch.standing(now)) {
      ++counts[alert.reading.kind];
      auto text = alerts::text_of(alert);
      const auto told = told_.find(alert.id);
      view.alerts.push_back({alert.id, std::string(to_string(alert.reading.kind)), alert.reading.subject.id,
                             alert.since, alert.seconds, alert.reading.value, alert.reading.limit, alert.reading.detail,
                             std::move(text.zh), std::move(text.en),
                             told == told_.end() ? std::nullopt : std::optional(told->second)});
    }
  }
  for (const auto& target : targets_) {
    view.webhooks.push_back({target->origin, target->answer, target->at, target->waiting.size()});
    target->untold.set(static_cast<double>(target->waiting.size()));
  }
  for (const auto& [kind, gauge] : gauges_) gauge->set(counts[kind]);
  const std::lock_guard lock(mutex_);
  view_ = std::move(view);
}

port::AlertsView AlertDesk::alerts() const {
  const std::lock_guard lock(mutex_);
  return view_;
}

net::awaitable<void> AlertDesk::watch() {
  net::steady_timer timer(co_await net::this_coro::executor);
  const auto every = std::clamp<milliseconds>(policy_.hold / 4, least_pause, longest_look);
  while (!stopping_) {
    co_await look();
    const auto until = std::chrono::steady_clock::now() + every;
    while (!stopping_ && std::chrono::steady_clock::now() < until) {
      timer.expires_at(std::min(until, std::chrono::steady_clock::now() + turn));
      co_await timer.async_wait(net::use_awaitable);
    }
  }
  for (auto& target : targets_) target->sink->close();
}

// --- telling ---

net::awaitable<void> AlertDesk::tell(std::size_t index) {
  net::steady_timer timer(co_await net::this_coro::executor);
  auto& target = *targets_[index];
  while (!stopping_) {
    const bool has_news = !target.waiting.empty() || !target.begins.empty();
    if (has_news && deps_.clock.ticks() >= target.due) co_await tell(target);
    timer.expires_after(turn);
    co_await timer.async_wait(net::use_awaitable);
  }
}

net::awaitable<void> AlertDesk::tell(Target& target) {
  const auto up_to = said_;
  port::Parcel parcel;
  parcel.body = target.body(deps_.broker);
  parcel.content_type = "application/json";
  parcel.event_id = to_hex(as_view(sha256(parcel.body))).substr(0, 32);  // the same words, the same id
  parcel.kind = parcel.subscription = "alerts";
  parcel.attempt = ++target.attempts;
  const auto receipt = co_await target.sink->hand_over(std::move(parcel));
  if (stopping_) co_return;
  auto& messages =
      deps_.metrics.counter("hutong_alert_messages_total", "Messages of alerts by what became of them",
                            {{"webhook", target.origin}, {"taken", std::string(to_string(receipt.taken))}});
  messages.add();
  target.at = deps_.time.now();
  if (receipt.taken == port::Taken::delivered) {
    if (target.attempts > 1) deps_.on_event("info", "alerts: " + target.origin + " answers again");
    for (const auto& [id, each] : target.waiting) {
      if (each.number <= up_to && each.alert.state != alerts::State::cleared) told_[id] = *target.at;
    }
    std::erase_if(target.waiting, [&](const auto& each) { return each.second.number <= up_to; });
    std::erase_if(target.begins, [&](const auto& each) { return each.second <= up_to; });
    target.attempts = 0;
    target.pause = first_pause;
  } else {
    if (target.attempts == 1 || receipt.answer != target.answer)
      deps_.on_event("warning", "alerts: " + target.origin + " is not told: " + receipt.answer);
    target.due = deps_.clock.ticks() + std::max<Ticks>(target.pause, receipt.wait.value_or(milliseconds(0)));
    target.pause = std::min<milliseconds>(target.pause * 2, longest_pause);
  }
  target.answer = receipt.answer;
  show({deps_.time.now(), deps_.clock.ticks()});
}

}  // namespace hutong::pipeline
