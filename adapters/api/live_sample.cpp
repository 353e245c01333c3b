#include "adapters/api/live_sample.h"

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>
#include <cmath>

namespace hutong::api {
namespace {

using Writer = rapidjson::Writer<rapidjson::StringBuffer>;

constexpr std::chrono::seconds latency_window{10};
constexpr std::int64_t rate_window = 60'000'000;
constexpr double silence_floor_seconds = 60, silence_factor = 20;
constexpr std::uint64_t habit_messages = 10;
constexpr std::size_t feeds_shown = 500, reasons_shown = 3;

void put(Writer& writer, const char* name, double value) {
  writer.Key(name);
  writer.Double(std::isfinite(value) ? std::round(value * 1e6) / 1e6 : 0);
}
void put(Writer& writer, const char* name, std::uint64_t value) {
  writer.Key(name);
  writer.Uint64(value);
}
void put(Writer& writer, const char* name, const std::string& value) {
  writer.Key(name);
  writer.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
}
void put(Writer& writer, const char* name, bool value) {
  writer.Key(name);
  writer.Bool(value);
}

void put_feed(Writer& writer, const query::Feed& feed, const FeedRate& rate) {
  writer.StartObject();
  put(writer, "facility", feed.facility);
  put(writer, "nameZh", feed.name_zh);
  put(writer, "nameEn", feed.name_en);
  put(writer, "registered", feed.registered);
  if (feed.last) put(writer, "last", static_cast<std::uint64_t>(feed.last->micros / 1000));
  put(writer, "perMinute", rate.per_minute);
  put(writer, "total", feed.total);
  put(writer, "rejected", feed.rejected);
  writer.Key("rejects");
  writer.StartArray();
  for (std::size_t i = 0; i < std::min(feed.rejects.size(), reasons_shown); ++i) {
    writer.StartObject();
    put(writer, "reason", feed.rejects[i].first);
    put(writer, "count", feed.rejects[i].second);
    writer.EndObject();
  }
  writer.EndArray();
  put(writer, "warnings", feed.warnings);
  put(writer, "unmapped", feed.unmapped);
  put(writer, "silenceSeconds", rate.silence_seconds);
  put(writer, "usualSeconds", rate.usual_seconds);
  put(writer, "silent", rate.silent);
  writer.EndObject();
}

void put_history(Writer& writer, const std::deque<double>& history) {
  writer.StartArray();
  for (double value : history) writer.Double(std::round(value * 10) / 10);
  writer.EndArray();
}

}  // namespace

double percentile(const port::HistogramView& before, const port::HistogramView& after, double part) {
  if (after.counts.empty() || after.counts.size() != after.bounds.size() + 1) return 0;
  std::vector<std::uint64_t> counts(after.counts);
  std::uint64_t all = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (before.counts.size() == counts.size()) counts[i] -= std::min(counts[i], before.counts[i]);
    all += counts[i];
  }
  if (all == 0) return 0;
  const double wanted = part * static_cast<double>(all);
  double below = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const auto here = static_cast<double>(counts[i]);
    if (here > 0 && below + here >= wanted) {
      if (i == after.bounds.size()) return after.bounds.back();
      const double low = i ? after.bounds[i - 1] : 0;
      return low + (after.bounds[i] - low) * (wanted - below) / here;
    }
    below += here;
  }
  return after.bounds.back();
}

LiveRates LiveWindow::add(Counted counted) {
  LiveRates rates;
  if (!window_.empty()) {
    const Counted& last = window_.back();
    const double seconds = std::chrono::duration<double>(counted.at - last.at).count();
    if (seconds > 0) {
      rates.accepted = (counted.accepted - last.accepted) / seconds;
      rates.duplicate = (counted.duplicate - last.duplicate) / seconds;
      rates.rejected = (counted.rejected - last.rejected) / seconds;
      rates.try_again = (counted.try_again - last.try_again) / seconds;
      rates.bytes = (counted.bytes - last.bytes) / seconds;
    }
    while (window_.size() > 1 && counted.at - window_[1].at >= latency_window) window_.pop_front();
    const auto& before = window_.front().acknowledgements;
    rates.p50 = percentile(before, counted.acknowledgements, 0.5);
    rates.p99 = percentile(before, counted.acknowledgements, 0.99);
    for (std::size_t i = 0; i < counted.acknowledgements.counts.size() && i < before.counts.size(); ++i) {
      rates.acknowledged += counted.acknowledgements.counts[i] - before.counts[i];
    }
    history_.push_back(rates.accepted);
    if (history_.size() > history_most) history_.pop_front();
  }
  window_.push_back(std::move(counted));
  return rates;
}

FeedRate LiveWindow::feed(const query::Feed& feed, Timestamp now) {
  FeedRate rate;
  auto& totals = feeds_[feed.facility].totals;
  while (totals.size() > 1 && now.micros - totals[1].first.micros >= rate_window) totals.pop_front();
  if (!totals.empty() && feed.total >= totals.front().second) {
    const auto minutes = static_cast<double>(now.micros - totals.front().first.micros) / 60e6;
    if (minutes > 0) rate.per_minute = static_cast<double>(feed.total - totals.front().second) / minutes;
  } else {
    totals.clear();  // the views were rebuilt
  }
  totals.emplace_back(now, feed.total);
  if (!feed.last || !feed.first) return rate;
  rate.silence_seconds = std::max(0.0, static_cast<double>(now.micros - feed.last->micros) / 1e6);
  if (feed.total < habit_messages) return rate;
  rate.usual_seconds =
      static_cast<double>(feed.last->micros - feed.first->micros) / 1e6 / static_cast<double>(feed.total - 1);
  rate.silent = rate.silence_seconds > std::max(silence_floor_seconds, silence_factor * rate.usual_seconds);
  return rate;
}

std::string write_live(const port::StatusView& status, const LiveRates& rates, const std::vector<query::Feed>& feeds,
                       const std::vector<FeedRate>& feed_rates, const std::deque<double>& history) {
  rapidjson::StringBuffer out;
  Writer writer(out);
  writer.StartObject();
  put(writer, "at", static_cast<std::uint64_t>(status.now.micros / 1000));
  put(writer, "started", static_cast<std::uint64_t>(status.started.micros / 1000));
  put(writer, "version", status.version);
  writer.Key("throughput");
  writer.StartObject();
  put(writer, "accepted", rates.accepted);
  put(writer, "duplicate", rates.duplicate);
  put(writer, "rejected", rates.rejected);
  put(writer, "tryAgain", rates.try_again);
  put(writer, "bytes", rates.bytes);
  writer.EndObject();
  writer.Key("acknowledgement");
  writer.StartObject();
  put(writer, "p50", rates.p50);
  put(writer, "p99", rates.p99);
  put(writer, "count", rates.acknowledged);
  writer.EndObject();
  put(writer, "inflightBytes", status.inflight_bytes);
  put(writer, "records", status.log_end);
  put(writer, "lagRecords", status.log_end > status.projected ? status.log_end - status.projected : std::uint64_t{0});
  put(writer, "lagSeconds", status.lag_seconds);
  put(writer, "connections", status.connections);
  put(writer, "residentBytes", status.resident_bytes);
  writer.Key("disk");
  writer.StartObject();
  put(writer, "logBytes", status.log_bytes);
  put(writer, "storeBytes", status.store_bytes);
  put(writer, "freeBytes", status.disk_free_bytes);
  put(writer, "totalBytes", status.disk_total_bytes);
  put(writer, "daysLeft", status.disk_days_left);
  writer.EndObject();
  put(writer, "unknownSendersAccepted", status.unknown_senders_accepted);
  put(writer, "plainBeyondLoopback", status.plain_beyond_loopback);
  writer.Key("dependencies");
  writer.StartArray();
  for (const auto& dependency : status.dependencies) {
    writer.StartObject();
    put(writer, "name", dependency.name);
    put(writer, "ready", dependency.ready);
    put(writer, "reason", dependency.reason);
    writer.EndObject();
  }
  writer.EndArray();
  put(writer, "feedCount", static_cast<std::uint64_t>(feeds.size()));
  writer.Key("feeds");
  writer.StartArray();
  for (std::size_t i = 0; i < std::min({feeds.size(), feed_rates.size(), feeds_shown}); ++i)
    put_feed(writer, feeds[i], feed_rates[i]);
  writer.EndArray();
  writer.EndObject();
  std::string document(out.GetString(), out.GetSize());
  return history.empty() ? document : with_history(document, history);
}

std::string with_history(const std::string& document, const std::deque<double>& history) {
  rapidjson::StringBuffer out;
  Writer writer(out);
  put_history(writer, history);
  return document.substr(0, document.size() - 1) + ",\"history\":" + std::string(out.GetString(), out.GetSize()) + "}";
}

}  // namespace hutong::api
