// Counters, gauges and histograms by Prometheus' rules: base units, `hutong_` prefix, _total/_seconds/_bytes.
// A handle is looked up once and then costs an atomic add. Labels never hold what a sender can choose freely
// (bounded sets only: facility codes, event kinds, reasons). Implementation: adapters/metrics.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hutong::port {

using Labels = std::vector<std::pair<std::string, std::string>>;

class Counter {
 public:
  virtual ~Counter() = default;
  virtual void add(double count = 1) = 0;
  virtual double value() const = 0;
};

class Gauge {
 public:
  virtual ~Gauge() = default;
  virtual void set(double value) = 0;
  virtual void add(double delta) = 0;
  virtual double value() const = 0;
};

struct HistogramView {
  std::vector<double> bounds;             // upper bounds, the last bucket is +Inf
  std::vector<std::uint64_t> counts;      // bounds.size() + 1, cumulative since start
};

class Histogram {
 public:
  virtual ~Histogram() = default;
  virtual void observe(double value) = 0;
  virtual HistogramView view() const = 0;
};

class Metrics {
 public:
  virtual ~Metrics() = default;
  virtual Counter& counter(std::string_view name, std::string_view help, Labels labels = {}) = 0;
  virtual Gauge& gauge(std::string_view name, std::string_view help, Labels labels = {}) = 0;
  // Durations: bounds from 50 µs to 30 s.
  virtual Histogram& histogram(std::string_view name, std::string_view help, Labels labels = {}) = 0;
  // All series of counter `name` whose labels include `having`, added up: for the live page.
  virtual double sum(std::string_view name, const Labels& having = {}) const {
    static_cast<void>(name), static_cast<void>(having);
    return 0;
  }
  virtual std::string text() const = 0;   // Prometheus text format 0.0.4
};

}  // namespace hutong::port
