#include "adapters/metrics/prometheus_metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <mutex>
#include <shared_mutex>

#include "broker/base/invariant.h"

namespace hutong {
namespace {

constexpr std::size_t shards = 4;

// Each thread keeps to one shard, so that two of them seldom meet on a cache line.
std::size_t shard() {
  static std::atomic<std::size_t> threads{0};
  thread_local const std::size_t mine = threads.fetch_add(1, std::memory_order_relaxed) % shards;
  return mine;
}

struct alignas(64) Cell {
  std::atomic<double> value{0};
};

class ShardedCounter final : public port::Counter {
 public:
  void add(double count) override {
    if (count > 0) cells_[shard()].value.fetch_add(count, std::memory_order_relaxed);
  }
  double value() const override {
    double sum = 0;
    for (const auto& cell : cells_) sum += cell.value.load(std::memory_order_relaxed);
    return sum;
  }

 private:
  std::array<Cell, shards> cells_;
};

class AtomicGauge final : public port::Gauge {
 public:
  void set(double value) override { value_.store(value, std::memory_order_relaxed); }
  void add(double delta) override { value_.fetch_add(delta, std::memory_order_relaxed); }
  double value() const override { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

// 50 µs to 30 s, six steps a decade: a percentile read from it is at most half a step wrong.
constexpr std::array bounds{0.00005, 0.000075, 0.0001, 0.00015, 0.0002, 0.0003, 0.0005, 0.00075, 0.001,
                            0.0015,  0.002,    0.003,  0.005,   0.0075, 0.01,   0.015,  0.02,    0.03,
                            0.05,    0.075,    0.1,    0.15,    0.2,    0.3,    0.5,    0.75,    1.0,
                            1.5,     2.0,      3.0,    5.0,     7.5,    10.0,   15.0,   20.0,    30.0};

class ShardedHistogram final : public port::Histogram {
 public:
  void observe(double value) override {
    const auto bucket =
        static_cast<std::size_t>(std::lower_bound(bounds.begin(), bounds.end(), value) - bounds.begin());
    auto& part = parts_[shard()];
    part.counts[bucket].fetch_add(1, std::memory_order_relaxed);
    part.sum.fetch_add(value, std::memory_order_relaxed);
  }
  port::HistogramView view() const override {
    port::HistogramView view{{bounds.begin(), bounds.end()}, std::vector<std::uint64_t>(bounds.size() + 1)};
    for (const auto& part : parts_) {
      for (std::size_t i = 0; i <= bounds.size(); ++i) view.counts[i] += part.counts[i].load(std::memory_order_relaxed);
    }
    return view;
  }
  double sum() const {
    double sum = 0;
    for (const auto& part : parts_) sum += part.sum.load(std::memory_order_relaxed);
    return sum;
  }

 private:
  struct alignas(64) Part {
    std::array<std::atomic<std::uint64_t>, bounds.size() + 1> counts{};
    std::atomic<double> sum{0};
  };
  std::array<Part, shards> parts_;
};

template <class Handle>
struct Family {
  std::string help;
  std::map<port::Labels, std::unique_ptr<Handle>> series;
};

template <class Handle>
using ByName = std::map<std::string, Family<Handle>, std::less<>>;

template <class Handle>
prometheus::MetricFamily family_of(const std::string& name, const Family<Handle>& family, prometheus::MetricType type,
                                   auto&& fill) {
  prometheus::MetricFamily out;
  out.name = name;
  out.help = family.help;
  out.type = type;
  for (const auto& [labels, handle] : family.series) {
    prometheus::ClientMetric metric;
    for (const auto& [label, value] : labels) metric.label.push_back({label, value});
    fill(*handle, metric);
    out.metric.push_back(std::move(metric));
  }
  return out;
}

void fill_histogram(const ShardedHistogram& histogram, prometheus::ClientMetric& metric) {
  const auto view = histogram.view();
  std::uint64_t cumulative = 0;
  for (std::size_t i = 0; i < view.counts.size(); ++i) {
    cumulative += view.counts[i];
    const double bound = i < view.bounds.size() ? view.bounds[i] : std::numeric_limits<double>::infinity();
    metric.histogram.bucket.push_back({cumulative, bound});
  }
  metric.histogram.sample_count = cumulative;
  metric.histogram.sample_sum = histogram.sum();
}

}  // namespace

struct PrometheusMetrics::Families {
  mutable std::shared_mutex mutex;
  ByName<ShardedCounter> counters;
  ByName<AtomicGauge> gauges;
  ByName<ShardedHistogram> histograms;

  template <class Handle>
  Handle& series(ByName<Handle>& families, std::string_view name, std::string_view help, port::Labels labels) {
    std::sort(labels.begin(), labels.end());
    {
      const std::shared_lock lock(mutex);
      if (auto family = families.find(name); family != families.end()) {
        if (auto at = family->second.series.find(labels); at != family->second.series.end()) return *at->second;
      }
    }
    const std::unique_lock lock(mutex);
    const auto known = static_cast<int>(counters.contains(name)) + gauges.contains(name) + histograms.contains(name);
    HUTONG_INVARIANT(known == 0 || families.contains(name), "one metric name is used for two types");
    auto& family = families[std::string(name)];
    if (family.help.empty()) family.help = help;
    if (family.series.size() >= series_most && !family.series.contains(labels)) {
      for (auto& label : labels) label.second = "other";
    }
    auto& handle = family.series[labels];
    if (!handle) handle = std::make_unique<Handle>();
    return *handle;
  }
};

PrometheusMetrics::PrometheusMetrics() : families_(std::make_unique<Families>()) {}
PrometheusMetrics::~PrometheusMetrics() = default;

port::Counter& PrometheusMetrics::counter(std::string_view name, std::string_view help, port::Labels labels) {
  return families_->series(families_->counters, name, help, std::move(labels));
}
port::Gauge& PrometheusMetrics::gauge(std::string_view name, std::string_view help, port::Labels labels) {
  return families_->series(families_->gauges, name, help, std::move(labels));
}
port::Histogram& PrometheusMetrics::histogram(std::string_view name, std::string_view help, port::Labels labels) {
  return families_->series(families_->histograms, name, help, std::move(labels));
}

double PrometheusMetrics::sum(std::string_view name, const port::Labels& having) const {
  const std::shared_lock lock(families_->mutex);
  const auto family = families_->counters.find(name);
  if (family == families_->counters.end()) return 0;
  double sum = 0;
  for (const auto& [labels, counter] : family->second.series) {
    const bool has = std::all_of(having.begin(), having.end(), [&](const auto& wanted) {
      return std::find(labels.begin(), labels.end(), wanted) != labels.end();
    });
    if (has) sum += counter->value();
  }
  return sum;
}

std::string PrometheusMetrics::text() const {
  std::vector<prometheus::MetricFamily> families;
  {
    const std::shared_lock lock(families_->mutex);
    for (const auto& [name, family] : families_->counters) {
      families.push_back(family_of(name, family, prometheus::MetricType::Counter,
                                   [](const auto& handle, auto& metric) { metric.counter.value = handle.value(); }));
    }
    for (const auto& [name, family] : families_->gauges) {
      families.push_back(family_of(name, family, prometheus::MetricType::Gauge,
                                   [](const auto& handle, auto& metric) { metric.gauge.value = handle.value(); }));
    }
    for (const auto& [name, family] : families_->histograms) {
      families.push_back(family_of(name, family, prometheus::MetricType::Histogram, fill_histogram));
    }
  }
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace hutong
