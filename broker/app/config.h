// The installation's configuration: strict TOML (docs: deploy/hutong.toml explains every key). An unknown key, a
// value without its unit or a secret in clear is a mistake with file and line, found before anything starts.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "broker/alerts/conditions.h"

namespace hutong::app {

// A mistake in configuration or usage: printed as it is, exit code 2.
struct ConfigError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Listen {
  std::string address;
  std::uint16_t port = 0;
};

struct TlsFiles {
  std::string certificate, key, client_authority;
  bool enabled() const { return !certificate.empty(); }
};

enum class LogKind { journal, kafka };
enum class StoreKind { rocksdb, postgres };

struct Config {
  std::filesystem::path file;             // where it was read; empty: defaults
  std::filesystem::path data;             // [broker] data
  std::filesystem::path schemas;          // built-in schemas
  unsigned shards = 0;                    // 0: one per core
  int zone_minutes = 480;
  std::string log_level = "info";

  struct {
    Listen listen{"127.0.0.1", 2575};
    bool accept_unknown_senders = false;
    bool allow_plain = false;
    std::chrono::milliseconds idle_timeout{300'000}, frame_deadline{30'000}, append_deadline{10'000};
    std::uint64_t connections = 10'000, connections_per_peer = 1'000, inflight_bytes = 256ULL << 20U;
    TlsFiles tls;
  } mllp;

  struct {
    Listen listen{"127.0.0.1", 8080};
    bool allow_plain = false;
    std::string public_url;
    std::string own_url;  // of this broker where several share public_url
    TlsFiles tls;
  } http;

  struct {
    LogKind kind = LogKind::journal;
    std::uint64_t segment_bytes = 64ULL << 20U;        // journal
    std::chrono::milliseconds gather{1};               // journal
    std::uint64_t stop_below_free = 512ULL << 20U;     // journal
    bool unsafe_no_sync = false;          // bench/run.sh measures the price of durability with it; alarmed
    struct {
      std::string bootstrap;
      std::string topic_prefix = "hutong.";
      std::uint32_t partitions = 1;       // of events, fixed when the topic is made
      int replicas = 3, insync_replicas = 2;
      bool unsafe_topics = false;         // alarmed
      std::chrono::milliseconds append_deadline{8'000};  // intake hears what happened before its own deadline
      std::chrono::milliseconds gather{10};              // on a busy line
      std::uint64_t queue_bytes = 64ULL << 20U;
      std::map<std::string, std::string> settings;       // librdkafka's, by its own names
      std::set<std::string> secrets;                     // of these settings, not to be shown
    } kafka;
  } log;

  struct {
    StoreKind kind = StoreKind::rocksdb;
    std::uint64_t cache_bytes = 64ULL << 20U;         // rocksdb
    std::uint64_t write_buffer_bytes = 96ULL << 20U;  // rocksdb
    struct {
      std::string connection;  // a secret
      std::string schema = "hutong";
      std::uint64_t readers = 4;
    } postgres;
  } store;

  struct {
    double warn_days_left = 14;
  } disk;

  struct {
    std::vector<std::string> webhooks;          // origins that subscriptions may post to
    std::vector<std::string> private_networks;  // that these origins may lead to
    std::vector<std::string> folders;           // below which subscriptions may drop files
  } delivery;

  struct {
    alerts::Policy policy;
    std::vector<std::string> webhooks;
    std::string authorization;                   // the header's value, a secret
    std::string authority;                       // whom to believe: a PEM file; "" those whom the system believes
    std::map<std::string, std::size_t> silence;  // where its facilities stand in the file
  } alerts;

  struct Client {
    std::string name, scopes;  // "": as built in
    std::string facilities;    // "": any
    std::filesystem::path jwks;
  };
  std::vector<Client> clients;  // broker/app/clients.h reads their keys

  struct KafkaSource {
    std::string name, bootstrap, topic;
    std::string group = "hutong";
    std::string facility;                         // "": whom MSH names
    std::map<std::string, std::string> settings;  // librdkafka's, by its own names
    std::set<std::string> secrets;                // of these settings, not to be shown
    std::size_t line = 0;                         // where its facility, or it, stands in the file
  };
  std::vector<KafkaSource> kafka_sources;
};

// --config FILE, else $HUTONG_CONFIG, else ./hutong.toml; none of them: ConfigError that says what to do.
std::filesystem::path find_config(const std::string& option);
Config read_config(const std::filesystem::path& file);
// The effective configuration as TOML, secrets masked.
std::string describe(const Config& config);
// The same as a JSON object of its sections.
std::string describe_json(const Config& config);

}  // namespace hutong::app
