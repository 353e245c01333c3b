// Metrics in Prometheus' text form. Handles are ours (sharded atomics: adding costs one uncontended atomic and no
// lock); prometheus-cpp core writes the text. Threads: any. Lifetime: handles live as long as this.
#pragma once

#include <memory>

#include "broker/port/metrics.h"

namespace hutong {

class PrometheusMetrics final : public port::Metrics {
 public:
  PrometheusMetrics();
  ~PrometheusMetrics() override;
  port::Counter& counter(std::string_view name, std::string_view help, port::Labels labels = {}) override;
  port::Gauge& gauge(std::string_view name, std::string_view help, port::Labels labels = {}) override;
  port::Histogram& histogram(std::string_view name, std::string_view help, port::Labels labels = {}) override;
  double sum(std::string_view name, const port::Labels& having = {}) const override;
  std::string text() const override;

  // Series of one name; what goes beyond shares one whose label values are "other".
  static constexpr std::size_t series_most = 10'000;

 private:
  struct Families;
  std::unique_ptr<Families> families_;
};

}  // namespace hutong
