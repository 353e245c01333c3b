#include "broker/app/config.h"

#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>
#include <toml++/toml.h>

#include "adapters/sink/file/folder.h"
#include "adapters/sink/http/target.h"
#include "adapters/source/kafka/kafka_source.h"
#include "broker/app/kafka_brokers.h"

namespace hutong::app {
namespace {

namespace fs = std::filesystem;

// One table of the file. Every key that is asked for is known; what is left over at the end is a mistake.
class Section {
 public:
  Section(const toml::table* table, std::string name, const fs::path& file)
      : table_(table), name_(std::move(name)), file_(file) {}

  [[noreturn]] void mistake(const toml::node& at, const std::string& key, const std::string& what) const {
    throw ConfigError(fmt::format("{}:{}: [{}] {}: {}", file_.string(), at.source().begin.line, name_, key, what));
  }

  const toml::node* node(const std::string& key) {
    known_.insert(key);
    return table_ ? table_->get(key) : nullptr;
  }

  void text(const std::string& key, std::string& value) {
    if (const auto* at = node(key)) {
      const auto* string = at->as_string();
      if (!string) mistake(*at, key, "expected a text in quotes");
      value = string->get();
    }
  }
  // Given by reference, "env:NAME" or "file:PATH", never in clear.
  void secret(const std::string& key, std::string& value) {
    std::string written;
    text(key, written);
    if (written.empty()) return;
    auto given = referred(*table_->get(key), key, written);
    if (!given) mistake(*table_->get(key), key, "a secret is given by reference: \"env:NAME\" or \"file:PATH\"");
    value = std::move(*given);
  }
  // A table whose keys are another program's, with or without quotes: "ssl.ca.location" = or ssl.ca.location =. Values may
  // be references, and those that hold a secret must be; which ones were goes into `secrets`.
  void free(const std::string& key, std::map<std::string, std::string>& values, std::set<std::string>& secrets) {
    const auto* at = node(key);
    if (!at) return;
    if (!at->is_table()) mistake(*at, key, "expected a table");
    free(*at->as_table(), key, "", values, secrets);
  }
  // A list of texts, each of which must be `good`: what is wrong with it, or "".
  template <class Good>
  void texts(const std::string& key, std::vector<std::string>& values, Good good) {
    const auto* at = node(key);
    if (!at) return;
    const auto* list = at->as_array();
    if (!list) mistake(*at, key, "expected a list of texts, such as [\"a\", \"b\"]");
    for (const auto& item : *list) {
      const auto* string = item.as_string();
      if (!string) mistake(item, key, "expected a list of texts, such as [\"a\", \"b\"]");
      if (const std::string fault = good(string->get()); !fault.empty()) mistake(item, key, fmt::format("\"{}\": {}", string->get(), fault));
      values.push_back(string->get());
    }
  }
  void flag(const std::string& key, bool& value) {
    if (const auto* at = node(key)) {
      const auto* boolean = at->as_boolean();
      if (!boolean) mistake(*at, key, "expected true or false");
      value = boolean->get();
    }
  }
  template <class Integer>
  void count(const std::string& key, Integer& value, std::int64_t least, std::int64_t most) {
    if (const auto* at = node(key)) {
      const auto* integer = at->as_integer();
      if (!integer || integer->get() < least || integer->get() > most) {
        mistake(*at, key, fmt::format("expected a whole number from {} to {}", least, most));
      }
      value = static_cast<Integer>(integer->get());
    }
  }
  void duration(const std::string& key, std::chrono::milliseconds& value) {
    std::string written;
    text(key, written);
    if (written.empty()) return;
    const auto amount = quantity(key, written, {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"min", 60'000}, {"h", 3'600'000}},
                                 "a duration with its unit, such as \"5s\", \"250ms\", \"5m\" or \"1h\"");
    value = std::chrono::milliseconds(amount);
  }
  void size(const std::string& key, std::uint64_t& value) {
    std::string written;
    text(key, written);
    if (written.empty()) return;
    value = quantity(key, written, {{"B", 1}, {"KiB", 1ULL << 10U}, {"MiB", 1ULL << 20U}, {"GiB", 1ULL << 30U}},
                     "a size with its unit, such as \"64MiB\" or \"1GiB\"");
  }
  // "5%" or a size; the other one stays as it is, or is zero.
  void share_or_size(const std::string& key, unsigned& percent, std::uint64_t& bytes) {
    std::string written;
    text(key, written);
    if (!written.ends_with('%')) return size(key, bytes);
    const auto share = whole(written.substr(0, written.size() - 1), 99);
    if (share < 1) mistake(*table_->get(key), key, "expected a size such as \"2GiB\", or from \"1%\" to \"99%\"");
    percent = static_cast<unsigned>(share);
  }
  void listen(const std::string& key, Listen& value) {
    std::string written;
    text(key, written);
    if (written.empty()) return;
    const auto colon = written.rfind(':');
    const auto port = colon == std::string::npos ? -1 : whole(written.substr(colon + 1), 65535);
    if (port < 0) mistake(*table_->get(key), key, "expected \"address:port\", such as \"127.0.0.1:2575\"");
    value.address = written.substr(0, colon);
    if (value.address.size() > 2 && value.address.front() == '[') {
      value.address = value.address.substr(1, value.address.size() - 2);
    }
    value.port = static_cast<std::uint16_t>(port);
  }
  bool choice(const std::string& key, const std::string& yes, const std::string& no, bool value) {
    std::string written;
    text(key, written);
    if (written.empty()) return value;
    if (written != yes && written != no) {
      mistake(*table_->get(key), key, fmt::format("expected \"{}\" or \"{}\"", no, yes));
    }
    return written == yes;
  }
  Section section(const std::string& key) {
    const auto* at = node(key);
    if (at && !at->is_table()) mistake(*at, key, "expected a table");
    return {at ? at->as_table() : nullptr, name_.empty() ? key : name_ + "." + key, file_};
  }
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    if (table_) {
      for (const auto& [key, value] : *table_) all.emplace_back(key.str());
    }
    return all;
  }
  void tls(TlsFiles& files) {
    Section section_of = section("tls");
    section_of.text("certificate", files.certificate);
    section_of.text("key", files.key);
    section_of.text("client_authority", files.client_authority);
    section_of.finish();
    for (auto* path : {&files.certificate, &files.key, &files.client_authority}) section_of.existing(*path);
    if (files.certificate.empty() != files.key.empty()) {
      throw ConfigError(fmt::format("{}: [{}.tls]: certificate and key belong together", file_.string(), name_));
    }
  }
  // "file:PATH" or PATH, from the configuration's folder; "" stays.
  void existing(std::string& path) const {
    if (path.empty()) return;
    if (path.rfind("file:", 0) == 0) path = path.substr(5);
    if (fs::path(path).is_relative()) path = (file_.parent_path() / path).string();
    if (!fs::exists(path)) throw ConfigError(fmt::format("{}: [{}] {}: no such file", file_.string(), name_, path));
  }
  void finish() const {
    if (!table_) return;
    for (const auto& [key, value] : *table_) {
      if (known_.count(std::string(key.str())) == 0) {
        std::string known;
        for (const auto& k : known_) known += (known.empty() ? "" : ", ") + k;
        throw ConfigError(fmt::format("{}:{}: [{}] unknown key \"{}\"; known here: {}", file_.string(),
                                      key.source().begin.line, name_, key.str(), known));
      }
    }
  }

 private:
  // What "env:NAME" or "file:PATH" stands for; nothing: it is no reference.
  std::optional<std::string> referred(const toml::node& at, const std::string& key, const std::string& written) const {
    std::string value;
    if (written.rfind("env:", 0) == 0) {
      const char* variable = std::getenv(written.c_str() + 4);
      if (!variable || !*variable) mistake(at, key, "the environment has no " + written.substr(4));
      value = variable;
    } else if (written.rfind("file:", 0) == 0) {
      std::ifstream file(file_.parent_path() / written.substr(5));
      std::getline(file, value);
      if (value.empty()) mistake(at, key, written.substr(5) + ": no such file, or its first line is empty");
    } else {
      return std::nullopt;
    }
    return value;
  }
  void free(const toml::table& table, const std::string& key, const std::string& prefix,
            std::map<std::string, std::string>& values, std::set<std::string>& secrets) const {
    for (const auto& [part, node] : table) {
      const std::string name = prefix + std::string(part.str());
      const std::string path = key + "." + name;
      if (const auto* inner = node.as_table()) {
        free(*inner, key, name + ".", values, secrets);
      } else if (const auto* text = node.as_string()) {
        const bool secret = name.ends_with("password") || name.ends_with("secret") || name.ends_with(".pem");
        auto given = referred(node, path, text->get());
        if (secret && !given) mistake(node, path, "a secret is given by reference: \"env:NAME\" or \"file:PATH\"");
        if (given) secrets.insert(name);
        values[name] = given ? std::move(*given) : text->get();
      } else if (const auto* whole = node.as_integer()) {
        values[name] = std::to_string(whole->get());
      } else if (const auto* flag = node.as_boolean()) {
        values[name] = flag->get() ? "true" : "false";
      } else {
        mistake(node, path, "expected a text in quotes, a whole number, true or false");
      }
    }
  }
  static std::int64_t whole(const std::string& digits, std::int64_t most) {
    if (digits.empty() || digits.size() > 15) return -1;
    std::int64_t value = 0;
    for (const char c : digits) {
      if (c < '0' || c > '9') return -1;
      value = value * 10 + (c - '0');
    }
    return value > most ? -1 : value;
  }
  std::uint64_t quantity(const std::string& key, const std::string& written,
                         std::initializer_list<std::pair<const char*, std::uint64_t>> units, const char* expected) {
    const auto digits = written.find_first_not_of("0123456789");
    const auto amount = whole(written.substr(0, digits), 1'000'000'000'000);
    if (digits != std::string::npos && amount >= 0) {
      for (const auto& [unit, factor] : units) {
        if (written.compare(digits, std::string::npos, unit) == 0) return static_cast<std::uint64_t>(amount) * factor;
      }
    }
    mistake(*table_->get(key), key, fmt::format("\"{}\" is not {}", written, expected));
  }

  const toml::table* table_;
  std::string name_;
  const fs::path& file_;
  std::set<std::string> known_;
};

// What clients are told to come back to: whole, so that "/fhir" can be put behind it.
bool is_public_url(std::string_view url) {
  const auto scheme = url.find("://");
  if (scheme == std::string_view::npos || (url.substr(0, scheme) != "http" && url.substr(0, scheme) != "https")) return false;
  const auto rest = url.substr(scheme + 3);
  return !rest.empty() && rest.front() != '/' && rest.front() != ':' && rest.back() != '/' &&
         rest.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_~:/[]%") == std::string_view::npos;
}

// As for subscriptions.
http_sink::TargetGuard allowed_webhooks(const Config& config) {
  std::vector<http_sink::Target> origins;
  for (const auto& origin : config.delivery.webhooks) {
    if (auto read = http_sink::read_target(origin)) origins.push_back(*read);
  }
  return {std::move(origins), {}};
}

bool is_loopback(const std::string& address) { return address.rfind("127.", 0) == 0 || address == "::1"; }

void require_tls(Section& section, const char* name, const Listen& listen, const TlsFiles& tls, bool allow_plain) {
  if (is_loopback(listen.address) || tls.enabled() || allow_plain) return;
  // The defaults are loopback: an open address was written down, so there is a line to name.
  section.mistake(*section.node("listen"), "listen",
                  fmt::format("\"{}:{}\" is open to the network without encryption. Give [{}.tls] certificate and key, or "
                              "say allow_plain = true if a gateway in front encrypts (it stays marked as an alarm in "
                              "`hutong status`).", listen.address, listen.port, name));
}

}  // namespace

fs::path find_config(const std::string& option) {
  if (!option.empty()) {
    if (!fs::exists(option)) throw ConfigError(option + ": no such file (--config)");
    return option;
  }
  if (const char* variable = std::getenv("HUTONG_CONFIG"); variable && *variable) {
    if (!fs::exists(variable)) throw ConfigError(std::string(variable) + ": no such file ($HUTONG_CONFIG)");
    return variable;
  }
  if (fs::exists("hutong.toml")) return "hutong.toml";
  throw ConfigError(
      "no configuration: give --config FILE, set $HUTONG_CONFIG, or start where a hutong.toml is "
      "(deploy/hutong.toml is an example with every key explained)");
}

Config read_config(const fs::path& file_given) {
  Config config;
  config.file = fs::absolute(file_given);
  toml::table root;
  try {
    root = toml::parse_file(config.file.string());
  } catch (const toml::parse_error& e) {
    throw ConfigError(fmt::format("{}:{}: {}", config.file.string(), e.source().begin.line, e.description()));
  }
  Section top(&root, "", config.file);

  Section broker = top.section("broker");
  std::string data;
  std::string schemas;
  std::string zone = "+08:00";
  broker.text("data", data);
  broker.text("schemas", schemas);
  broker.count("shards", config.shards, 0, 256);
  broker.text("zone", zone);
  broker.finish();
  config.data = data.empty() ? config.file.parent_path() : fs::path(data);
  if (config.data.is_relative()) config.data = config.file.parent_path() / config.data;
  config.schemas = schemas;
  if (!schemas.empty() && config.schemas.is_relative()) config.schemas = config.file.parent_path() / config.schemas;
  if (zone.size() != 6 || (zone[0] != '+' && zone[0] != '-') || zone[3] != ':') {
    broker.mistake(*broker.node("zone"), "zone", "expected an offset such as \"+08:00\"");
  }
  config.zone_minutes = (std::atoi(zone.substr(1, 2).c_str()) * 60 + std::atoi(zone.substr(4, 2).c_str())) * (zone[0] == '-' ? -1 : 1);

  Section mllp = top.section("mllp");
  mllp.listen("listen", config.mllp.listen);
  config.mllp.accept_unknown_senders = mllp.choice("unknown_senders", "accept", "reject", false);
  mllp.flag("allow_plain", config.mllp.allow_plain);
  mllp.duration("idle_timeout", config.mllp.idle_timeout);
  mllp.duration("frame_deadline", config.mllp.frame_deadline);
  mllp.duration("append_deadline", config.mllp.append_deadline);
  mllp.count("connections", config.mllp.connections, 1, 100'000);
  mllp.count("connections_per_peer", config.mllp.connections_per_peer, 1, 100'000);
  mllp.size("inflight", config.mllp.inflight_bytes);
  mllp.tls(config.mllp.tls);
  mllp.finish();
  require_tls(mllp, "mllp", config.mllp.listen, config.mllp.tls, config.mllp.allow_plain);
  if (config.mllp.accept_unknown_senders && !is_loopback(config.mllp.listen.address)) {
    mllp.mistake(*mllp.node("unknown_senders"), "unknown_senders",
                 "\"accept\" is allowed on loopback only; register the sender in schemas/facilities instead");
  }

  Section http = top.section("http");
  http.listen("listen", config.http.listen);
  http.flag("allow_plain", config.http.allow_plain);
  http.text("public_url", config.http.public_url);
  if (!config.http.public_url.empty() && !is_public_url(config.http.public_url)) {
    http.mistake(*http.node("public_url"), "public_url",
                 "expected http:// or https://, a host and nothing behind the last slash, such as \"https://hie.example.cn\"");
  }
  http.text("own_url", config.http.own_url);
  if (config.http.own_url.rfind("env:", 0) == 0) {  // brokers share a file and differ in this
    const char* said = std::getenv(config.http.own_url.c_str() + 4);
    config.http.own_url = said ? said : "";
  }
  if (!config.http.own_url.empty() && !is_public_url(config.http.own_url)) {
    http.mistake(*http.node("own_url"), "own_url",
                 "expected http:// or https://, a host and nothing behind the last slash, such as \"https://hie.example.cn:8081\"");
  }
  http.tls(config.http.tls);
  http.finish();
  require_tls(http, "http", config.http.listen, config.http.tls, config.http.allow_plain);

  Section log = top.section("log");
  log.size("segment", config.log.segment_bytes);
  log.duration("gather", config.log.gather);
  log.size("stop_below_free", config.log.stop_below_free);
  log.flag("unsafe_no_sync", config.log.unsafe_no_sync);
  config.log.kind = log.choice("kind", "kafka", "journal", false) ? LogKind::kafka : LogKind::journal;
  Section kafka = log.section("kafka");
  kafka.text("bootstrap", config.log.kafka.bootstrap);
  kafka.text("topic_prefix", config.log.kafka.topic_prefix);
  kafka.count("partitions", config.log.kafka.partitions, 1, 64);
  kafka.count("replicas", config.log.kafka.replicas, 1, 100);
  kafka.count("insync_replicas", config.log.kafka.insync_replicas, 1, 100);
  kafka.flag("unsafe_topics", config.log.kafka.unsafe_topics);
  kafka.duration("append_deadline", config.log.kafka.append_deadline);
  kafka.duration("gather", config.log.kafka.gather);
  kafka.size("queue", config.log.kafka.queue_bytes);
  kafka.free("settings", config.log.kafka.settings, config.log.kafka.secrets);
  kafka.finish();
  log.finish();
  if (config.log.kind == LogKind::kafka) {
    if (config.log.kafka.bootstrap.empty()) {
      log.mistake(*log.node("kind"), "kind", "\"kafka\" needs [log.kafka] bootstrap = \"host:port,host:port\"");
    }
    // What the sender is told at its deadline must be what became of the append, not a guess.
    if (config.log.kafka.append_deadline + std::chrono::seconds(1) > config.mllp.append_deadline) {
      const auto* own = kafka.node("append_deadline");
      const auto* intakes = mllp.node("append_deadline");
      log.mistake(own ? *own : intakes ? *intakes : *log.node("kind"), "kafka.append_deadline",
                  fmt::format("{} ms is to be at least a second shorter than [mllp] append_deadline, {} ms",
                              config.log.kafka.append_deadline.count(), config.mllp.append_deadline.count()));
    }
  }

  Section store = top.section("store");
  store.size("cache", config.store.cache_bytes);
  store.size("write_buffer", config.store.write_buffer_bytes);
  config.store.kind = store.choice("kind", "postgres", "rocksdb", false) ? StoreKind::postgres : StoreKind::rocksdb;
  Section postgres = store.section("postgres");
  postgres.secret("connection", config.store.postgres.connection);
  postgres.text("schema", config.store.postgres.schema);
  postgres.count("readers", config.store.postgres.readers, 1, 100);
  postgres.finish();
  store.finish();
  if (config.store.kind == StoreKind::postgres && config.store.postgres.connection.empty()) {
    throw ConfigError(fmt::format("{}: [store] kind = \"postgres\" needs [store.postgres] connection", config.file.string()));
  }

  Section disk = top.section("disk");
  std::int64_t days = 14;
  disk.count("warn_days_left", days, 0, 3650);
  config.disk.warn_days_left = static_cast<double>(days);
  disk.finish();

  Section delivery = top.section("delivery");
  delivery.texts("webhooks", config.delivery.webhooks, [](const std::string& written) -> std::string {
    const auto target = http_sink::read_target(written);
    if (!target) return target.error().message;
    return target->path == "/" ? "" : "only scheme, host and port, such as \"https://his.example.cn\"";
  });
  delivery.texts("private_networks", config.delivery.private_networks, [](const std::string& written) -> std::string {
    const auto network = http_sink::read_network(written);
    return network ? "" : network.error().message;
  });
  delivery.texts("folders", config.delivery.folders, [](const std::string& written) -> std::string {
    const auto folder = file_sink::read_folder(written);
    return folder ? "" : folder.error().message;
  });
  delivery.finish();

  Section alerts = top.section("alerts");
  auto& policy = config.alerts.policy;
  alerts.texts("webhooks", config.alerts.webhooks, [&](const std::string& written) -> std::string {
    const auto target = http_sink::read_target(written);
    if (!target) return target.error().message;
    const auto allowed = allowed_webhooks(config).check(*target);
    return allowed ? "" : allowed.error().message + "; add \"" + target->origin() + "\" there";
  });
  alerts.secret("authorization", config.alerts.authorization);
  alerts.text("authority", config.alerts.authority);
  alerts.existing(config.alerts.authority);
  alerts.duration("hold", policy.hold);
  alerts.duration("repeat_after", policy.repeat_after);
  alerts.duration("lag", policy.lag);
  alerts.count("dead_letters", policy.dead_letters, 0, 1'000'000);
  alerts.count("failures", policy.failures, 0, 100);
  alerts.count("refusals", policy.refusals, 0, 100);
  alerts.count("least", policy.least, 1, 1'000'000);
  alerts.duration("within", policy.within);
  alerts.share_or_size("disk_free", policy.disk_free_percent, policy.disk_free);
  policy.silence_in_working_hours = alerts.choice("silence_in", "working-hours", "any-hours", true);
  Section silence = alerts.section("silence");
  for (const auto& facility : silence.names()) {
    auto& after = policy.silence[facility];
    silence.duration(facility, after);
    config.alerts.silence[facility] = silence.node(facility)->source().begin.line;
  }
  silence.finish();
  alerts.finish();
  policy.disk_days = config.disk.warn_days_left;
  if (policy.within.count() == 0) alerts.mistake(*alerts.node("within"), "within", "expected more than nothing");

  Section clients = top.section("clients");
  for (const auto& name : clients.names()) {
    Config::Client client{name, "", "", {}};
    Section of_client = clients.section(name);
    std::string jwks;
    of_client.text("scopes", client.scopes);
    of_client.text("facilities", client.facilities);
    of_client.text("jwks", jwks);
    of_client.finish();
    if (jwks.empty() && client.facilities.empty())
      throw ConfigError(fmt::format("{}: [clients.{}] jwks is missing: the file with the client's public keys",
                                    config.file.string(), name));
    if (!jwks.empty()) of_client.existing(jwks);
    client.jwks = jwks;
    config.clients.push_back(std::move(client));
  }
  clients.finish();

  Section sources = top.section("kafka_sources");
  for (const auto& name : sources.names()) {
    Config::KafkaSource source;
    source.name = name;
    bool allow_plain = false;
    Section one = sources.section(name);
    one.text("bootstrap", source.bootstrap);
    one.text("topic", source.topic);
    one.text("group", source.group);
    one.text("facility", source.facility);
    one.flag("allow_plain", allow_plain);
    one.free("settings", source.settings, source.secrets);
    one.finish();
    const auto at = [&](const char* key) -> const toml::node& { return one.node(key) ? *one.node(key) : *sources.node(name); };
    source.line = at("facility").source().begin.line;
    if (name.size() > 64 || name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") != std::string::npos)
      one.mistake(at("name"), name, "a source's name has at most 64 letters, digits, dots, hyphens and underscores");
    if (const auto fault = fault_of_brokers(source.bootstrap); !fault.empty()) one.mistake(at("bootstrap"), "bootstrap", fault);
    if (!is_kafka_topic(source.topic)) one.mistake(at("topic"), "topic", std::string(expected_topic));
    if (source.group.empty()) one.mistake(at("group"), "group", "expected the name of a consumer group");
    if (const auto good = kafka_source::check_settings({source.name, source.bootstrap, source.topic, source.group, "", source.settings}); !good)
      one.mistake(at("settings"), "settings", good.error().message);
    if (!allow_plain && leaves_in_clear(source.bootstrap, source.settings)) one.mistake(at("bootstrap"), "bootstrap", std::string(in_clear));
    config.kafka_sources.push_back(std::move(source));
  }
  sources.finish();

  Section logging = top.section("logging");
  logging.text("level", config.log_level);
  logging.finish();
  top.finish();
  return config;
}

std::string describe(const Config& c) {
  const auto quoted = [](const std::string& text) {
    std::ostringstream out;
    out << toml::value<std::string>(text);
    return out.str();
  };
  const auto size = [](std::uint64_t bytes) {
    if (bytes >= (1ULL << 30U) && bytes % (1ULL << 30U) == 0) return fmt::format("{}GiB", bytes >> 30U);
    if (bytes >= (1ULL << 20U) && bytes % (1ULL << 20U) == 0) return fmt::format("{}MiB", bytes >> 20U);
    return fmt::format("{}B", bytes);
  };
  const auto tls = [](const char* name, const TlsFiles& files) {
    return files.enabled() ? fmt::format("[{}.tls]\ncertificate = \"{}\"\nkey = \"***\"\nclient_authority = \"{}\"\n", name,
                                         files.certificate, files.client_authority)
                           : std::string();
  };
  const auto postgres = c.store.kind == StoreKind::postgres
                            ? fmt::format("[store.postgres]\nconnection = \"***\"\nschema = \"{}\"\nreaders = {}\n",
                                          c.store.postgres.schema, c.store.postgres.readers)
                            : std::string();
  std::string kafka;
  if (c.log.kind == LogKind::kafka) {
    const auto& k = c.log.kafka;
    kafka = fmt::format("[log.kafka]\nbootstrap = \"{}\"\ntopic_prefix = \"{}\"\npartitions = {}\nreplicas = {}\n"
                        "insync_replicas = {}\nunsafe_topics = {}\nappend_deadline = \"{}ms\"\n"
                        "gather = \"{}ms\"\nqueue = \"{}\"\n",
                        k.bootstrap, k.topic_prefix, k.partitions, k.replicas, k.insync_replicas, k.unsafe_topics,
                        k.append_deadline.count(), k.gather.count(), size(k.queue_bytes));
    if (!k.settings.empty()) kafka += "[log.kafka.settings]\n";
    for (const auto& [name, value] : k.settings) {
      kafka += fmt::format("\"{}\" = {}\n", name, k.secrets.contains(name) ? "\"***\"" : quoted(value));
    }
  }
  const auto list = [&](const std::vector<std::string>& texts) {
    std::string all;
    for (const auto& text : texts) all += (all.empty() ? "" : ", ") + quoted(text);
    return "[" + all + "]";
  };
  const auto delivery = fmt::format("\n[delivery]\nwebhooks = {}\nprivate_networks = {}\nfolders = {}\n",
                                    list(c.delivery.webhooks), list(c.delivery.private_networks),
                                    list(c.delivery.folders));
  std::vector<std::string> origins;  // a path may hold a key, as those of chat programs do
  for (const auto& url : c.alerts.webhooks) {
    const auto target = http_sink::read_target(url);
    origins.push_back(target->path == "/" ? target->origin() : target->origin() + "/***");
  }
  const auto& p = c.alerts.policy;
  auto alerts = fmt::format(
      "\n[alerts]\nwebhooks = {}\nauthorization = \"{}\"\nauthority = {}\nhold = \"{}ms\"\nrepeat_after = \"{}ms\"\n"
      "lag = \"{}ms\"\ndead_letters = {}\nfailures = {}\nrefusals = {}\nleast = {}\nwithin = \"{}ms\"\ndisk_free = \"{}\"\n"
      "silence_in = \"{}\"\n[alerts.silence]\n",
      list(origins), c.alerts.authorization.empty() ? "" : "***", quoted(c.alerts.authority), p.hold.count(),
      p.repeat_after.count(), p.lag.count(), p.dead_letters, p.failures, p.refusals, p.least, p.within.count(),
      p.disk_free_percent > 0 ? fmt::format("{}%", p.disk_free_percent) : size(p.disk_free),
      p.silence_in_working_hours ? "working-hours" : "any-hours");
  for (const auto& [facility, after] : p.silence) alerts += fmt::format("{} = \"{}ms\"\n", quoted(facility), after.count());
  std::string clients;
  for (const auto& client : c.clients) {
    clients += fmt::format("\n[clients.\"{}\"]\nscopes = \"{}\"\nfacilities = \"{}\"\njwks = \"{}\"\n", client.name,
                           client.scopes, client.facilities, client.jwks.string());
  }
  std::string sources;
  for (const auto& source : c.kafka_sources) {
    sources += fmt::format("\n[kafka_sources.\"{}\"]\nbootstrap = \"{}\"\ntopic = \"{}\"\ngroup = {}\nfacility = {}\n", source.name,
                           source.bootstrap, source.topic, quoted(source.group), quoted(source.facility));
    if (!source.settings.empty()) sources += fmt::format("[kafka_sources.\"{}\".settings]\n", source.name);
    for (const auto& [name, value] : source.settings)
      sources += fmt::format("\"{}\" = {}\n", name, source.secrets.contains(name) ? "\"***\"" : quoted(value));
  }
  const int zone = std::abs(c.zone_minutes);
  return fmt::format(
             "# effective configuration of {}\n[broker]\ndata = \"{}\"\nschemas = \"{}\"\nshards = {}\nzone = "
             "\"{}{:02}:{:02}\"\n\n"
             "[mllp]\nlisten = \"{}:{}\"\nunknown_senders = \"{}\"\nallow_plain = {}\nidle_timeout = \"{}ms\"\n"
             "frame_deadline = \"{}ms\"\nappend_deadline = \"{}ms\"\nconnections = {}\nconnections_per_peer = "
             "{}\ninflight = \"{}\"\n",
             c.file.string(), c.data.string(), c.schemas.string(), c.shards, c.zone_minutes < 0 ? '-' : '+', zone / 60,
             zone % 60, c.mllp.listen.address, c.mllp.listen.port, c.mllp.accept_unknown_senders ? "accept" : "reject",
             c.mllp.allow_plain, c.mllp.idle_timeout.count(), c.mllp.frame_deadline.count(),
             c.mllp.append_deadline.count(), c.mllp.connections, c.mllp.connections_per_peer,
             size(c.mllp.inflight_bytes)) +
         tls("mllp", c.mllp.tls) +
         fmt::format("\n[http]\nlisten = \"{}:{}\"\nallow_plain = {}\npublic_url = \"{}\"\nown_url = \"{}\"\n",
                     c.http.listen.address, c.http.listen.port, c.http.allow_plain, c.http.public_url, c.http.own_url) +
         tls("http", c.http.tls) +
         fmt::format("\n[log]\nkind = \"{}\"\nsegment = \"{}\"\ngather = \"{}ms\"\nstop_below_free = \"{}\"\nunsafe_no_sync = {}\n{}\n[store]\nkind = \"{}\"\ncache = \"{}\"\n"
                     "write_buffer = \"{}\"\n{}\n[disk]\nwarn_days_left = {:.0f}\n{}\n[logging]\nlevel = \"{}\"\n{}{}",
                     c.log.kind == LogKind::kafka ? "kafka" : "journal", size(c.log.segment_bytes), c.log.gather.count(),
                     size(c.log.stop_below_free), c.log.unsafe_no_sync, kafka,
                     c.store.kind == StoreKind::postgres ? "postgres" : "rocksdb", size(c.store.cache_bytes),
                     size(c.store.write_buffer_bytes), postgres, c.disk.warn_days_left, delivery + alerts, c.log_level, clients, sources);
}

std::string describe_json(const Config& c) {
  std::ostringstream out;
  out << toml::json_formatter{toml::parse(describe(c)), toml::format_flags::none};
  return out.str();
}

}  // namespace hutong::app
