#include "adapters/metrics/prometheus_metrics.h"

#include <gtest/gtest.h>

#include <thread>

namespace hutong {
namespace {

TEST(PrometheusMetrics, WritesWhatWasCounted) {
  PrometheusMetrics metrics;
  metrics.counter("hutong_messages_total", "Messages.", {{"facility", "H1"}, {"answer", "accepted"}}).add(3);
  metrics.counter("hutong_messages_total", "Messages.", {{"answer", "accepted"}, {"facility", "H1"}}).add();
  metrics.gauge("hutong_inflight_bytes", "Bytes.").set(12);
  auto& seconds = metrics.histogram("hutong_ack_seconds", "Seconds.");
  seconds.observe(0.00005);
  seconds.observe(0.4);
  seconds.observe(99);
  const std::string text = metrics.text();
  EXPECT_NE(text.find("# TYPE hutong_messages_total counter"), std::string::npos);
  EXPECT_NE(text.find("hutong_messages_total{answer=\"accepted\",facility=\"H1\"} 4"), std::string::npos) << text;
  EXPECT_NE(text.find("hutong_inflight_bytes 12"), std::string::npos);
  EXPECT_NE(text.find("hutong_ack_seconds_bucket{le=\"5e-05\"} 1"), std::string::npos) << text;
  EXPECT_NE(text.find("hutong_ack_seconds_bucket{le=\"30\"} 2"), std::string::npos);
  EXPECT_NE(text.find("hutong_ack_seconds_bucket{le=\"+Inf\"} 3"), std::string::npos);
  EXPECT_NE(text.find("hutong_ack_seconds_count 3"), std::string::npos);
}

TEST(PrometheusMetrics, LosesNothingAcrossThreads) {
  PrometheusMetrics metrics;
  auto& counter = metrics.counter("hutong_events_total", "Events.");
  auto& histogram = metrics.histogram("hutong_append_seconds", "Seconds.");
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20'000; ++i) {
        counter.add();
        histogram.observe(0.001);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(counter.value(), 160'000);
  std::uint64_t all = 0;
  for (const auto count : histogram.view().counts) all += count;
  EXPECT_EQ(all, 160'000U);
}

TEST(PrometheusMetrics, AddsUpTheSeriesOfAName) {
  PrometheusMetrics metrics;
  metrics.counter("a_total", "A.", {{"facility", "H1"}, {"answer", "accepted"}}).add(2);
  metrics.counter("a_total", "A.", {{"facility", "H2"}, {"answer", "accepted"}}).add(3);
  metrics.counter("a_total", "A.", {{"facility", "H2"}, {"answer", "try_again"}}).add(5);
  EXPECT_EQ(metrics.sum("a_total"), 10);
  EXPECT_EQ(metrics.sum("a_total", {{"answer", "accepted"}}), 5);
  EXPECT_EQ(metrics.sum("a_total", {{"answer", "accepted"}, {"facility", "H2"}}), 3);
  EXPECT_EQ(metrics.sum("nothing_total"), 0);
}

TEST(PrometheusMetrics, ACounterNeverFalls) {
  PrometheusMetrics metrics;
  auto& counter = metrics.counter("a_total", "A.");
  counter.add(2);
  counter.add(-1);
  EXPECT_EQ(counter.value(), 2);
}

TEST(PrometheusMetrics, SeriesBeyondTheLimitShareOne) {
  PrometheusMetrics metrics;
  for (std::size_t i = 0; i <= PrometheusMetrics::series_most; ++i) {
    metrics.counter("a_total", "A.", {{"x", std::to_string(i)}}).add();
  }
  metrics.counter("a_total", "A.", {{"x", "yet another"}}).add();
  EXPECT_EQ(metrics.sum("a_total", {{"x", "other"}}), 2);
  EXPECT_EQ(metrics.sum("a_total"), static_cast<double>(PrometheusMetrics::series_most + 2));
}

}  // namespace
}  // namespace hutong
