#include "broker/app/subscriptions.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>

#include "adapters/format/fhir/fhir_notification.h"
#include "adapters/format/fhir/fhir_payload.h"
#include "adapters/format/hl7v2/hl7v2_payload.h"
#include "adapters/sink/file/file_sink.h"
#include "adapters/sink/http/rest_hook_sink.h"
#include "adapters/sink/kafka/kafka_sink.h"
#include "adapters/sink/mllp/mllp_sink.h"
#include "broker/access/permit.h"
#include "broker/app/clients.h"
#include "broker/app/kafka_brokers.h"
#include "broker/app/rules.h"
#include "broker/app/toml_entries.h"
#include "broker/pipeline/event_payload.h"

namespace hutong::app {
namespace fs = std::filesystem;
namespace {

bool is_name(const std::string& name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
           c == '_';
  });
}

bool is_loinc(const std::string& code) {
  return code.size() >= 3 && code[code.size() - 2] == '-' &&
         std::all_of(code.begin(), code.end() - 2, [](char c) { return c >= '0' && c <= '9'; });
}

bool is_area(const std::string& code) {
  return !code.empty() && code.size() <= 12 &&
         std::all_of(code.begin(), code.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Kinds of events that can be subscribed to, and their families.
bool is_kind(const std::string& kind) {
  const auto& all = model::told_kinds();
  const bool family = kind.size() > 2 && kind.ends_with(".*");
  return std::any_of(all.begin(), all.end(), [&](const auto& each) {
    return each == kind || (family && each.starts_with(kind.substr(0, kind.size() - 1)));
  });
}

// The kinds by name that the filter wants and that can be told. Errors: invalid, one is named that cannot.
Result<void> say_kinds(model::SubscriptionFilter& filter, model::PayloadKind payload, const port::Payload& writer) {
  auto& kinds = filter.kinds;
  const auto names = [&](const std::string& kind) {
    return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
  };
  std::vector<std::string> said;
  for (const auto each : model::told_kinds()) {
    const std::string kind(each);
    const bool named = names(kind);
    if (!kinds.empty() && !named && !names(kind.substr(0, kind.find('.')) + ".*")) continue;
    if (!writer.has_words_for(kind)) {
      if (named)
        return fail(ErrorCode::invalid, fmt::format("\"{}\" cannot be said as \"{}\"", kind, to_string(payload)));
    } else if (filter.parties.empty() && model::is_for_parties(kind)) {
      if (named) {
        return fail(ErrorCode::invalid,
                    fmt::format("\"{}\" is told to its parties only: say for whom by parties = [...]", kind));
      }
    } else {
      said.push_back(kind);
    }
  }
  if (said.empty()) {
    return fail(ErrorCode::invalid,
                fmt::format("none of these can be said as \"{}\", or they are told to their parties "
                            "only (parties = [...])",
                            to_string(payload)));
  }
  for (const auto& kind : kinds) {
    if (!kind.ends_with(".*")) continue;
    const auto is_of_it = [&](const auto& each) { return each.starts_with(kind.substr(0, kind.size() - 1)); };
    if (std::any_of(said.begin(), said.end(), is_of_it)) continue;
    return fail(ErrorCode::invalid, fmt::format("nothing of \"{}\" can be said as \"{}\", or it is told to its parties "
                                                "only (parties = [...])",
                                                kind, to_string(payload)));
  }
  kinds = std::move(said);
  return {};
}

// One [[subscription]]: what is asked for is known, what is left over is a mistake.
class Entry {
 public:
  Entry(const fs::path& file, const toml::table& table) : file_(file), table_(table) {}

  [[noreturn]] void mistake(const char* key, const std::string& what) const {
    const auto* node = table_.get(key);
    const auto line = node ? node->source().begin.line : table_.source().begin.line;
    throw ConfigError(fmt::format("{}:{}: {}: {}", file_.string(), line, key, what));
  }
  bool has(const char* key) const { return table_.get(key) != nullptr; }

  void text(const char* key, std::string& value) {
    if (const auto* node = find(key)) {
      const auto* string = node->as_string();
      if (!string) mistake(key, "expected a text in quotes");
      value = string->get();
    }
  }
  void texts(const char* key, std::vector<std::string>& values) {
    const auto* node = find(key);
    if (!node) return;
    const auto* list = node->as_array();
    if (!list || list->empty()) mistake(key, "expected a list of texts, such as [\"a\", \"b\"]; leave it out for all");
    for (const auto& item : *list) {
      const auto* string = item.as_string();
      if (!string) mistake(key, "expected a list of texts, such as [\"a\", \"b\"]");
      values.push_back(string->get());
    }
  }
  void flag(const char* key, bool& value) {
    if (const auto* node = find(key)) {
      const auto* boolean = node->as_boolean();
      if (!boolean) mistake(key, "expected true or false");
      value = boolean->get();
    }
  }
  template <class Integer>
  void count(const char* key, Integer& value, std::int64_t least, std::int64_t most) {
    if (const auto* node = find(key)) {
      const auto* integer = node->as_integer();
      if (!integer || integer->get() < least || integer->get() > most) {
        mistake(key, fmt::format("expected a whole number from {} to {}", least, most));
      }
      value = static_cast<Integer>(integer->get());
    }
  }
  void duration(const char* key, std::chrono::milliseconds& value) {
    std::string written;
    text(key, written);
    if (written.empty()) return;
    const auto read = read_duration(written);
    if (!read || read->count() == 0) mistake(key, "expected a duration with its unit, such as \"30s\" or \"168h\"");
    value = *read;
  }
  // The word that is written, or `otherwise`.
  template <class Value>
  Value choice(const char* key, std::initializer_list<std::pair<const char*, Value>> words, Value otherwise) {
    std::string written, known;
    text(key, written);
    if (written.empty()) return otherwise;
    for (const auto& [word, value] : words) {
      if (written == word) return value;
      known += (known.empty() ? "\"" : ", \"") + std::string(word) + "\"";
    }
    mistake(key, fmt::format("\"{}\" is none of {}", written, known));
  }
  // Given by reference, "env:NAME" or "file:PATH", never in clear.
  void secret(const char* key, std::string& value) {
    std::string written;
    text(key, written);
    if (written.empty()) return;
    if (!refer(key, written, value)) mistake(key, "a secret is given by reference: \"env:NAME\" or \"file:PATH\"");
    if (value.find_first_of("\r\n") != std::string::npos) mistake(key, "the secret has more than one line");
  }
  // A table whose keys are another program's, dotted or in quotes. Values may be references, and a password must be
  // one; a file that is named must be there.
  void settings(const char* key, std::map<std::string, std::string>& values) {
    if (const auto* node = find(key)) {
      if (!node->is_table()) mistake(key, "expected a table, such as { security.protocol = \"SSL\" }");
      settings(key, *node->as_table(), "", values);
    }
  }
  // Keys that are other sinks'.
  void not_of(std::string_view sink, std::initializer_list<const char*> keys) const {
    for (const auto* key : keys) {
      if (has(key)) mistake(key, fmt::format("sink = \"{}\" has no such key", sink));
    }
  }
  void path(const char* key, std::string& value) {
    std::string written;
    text(key, written);
    if (written.empty()) return;
    value = beside(written.rfind("file:", 0) == 0 ? written.substr(5) : written).string();
    if (!fs::exists(value)) mistake(key, value + ": no such file");
  }
  void finish() const {
    for (const auto& [key, value] : table_) {
      if (known_.contains(std::string(key.str()))) continue;
      throw ConfigError(fmt::format("{}:{}: unknown key \"{}\" of a subscription", file_.string(),
                                    value.source().begin.line, key.str()));
    }
  }

 private:
  void settings(const char* key, const toml::table& table, const std::string& prefix,
                std::map<std::string, std::string>& values) {
    for (const auto& [part, node] : table) {
      const std::string name = prefix + std::string(part.str());
      auto& value = values[name];
      if (const auto* inner = node.as_table()) {
        values.erase(name);
        settings(key, *inner, name + ".", values);
      } else if (const auto* text = node.as_string()) {
        const bool secret = name.ends_with("password") || name.ends_with("secret") || name.ends_with(".pem");
        if (refer(key, text->get(), value)) continue;
        if (secret) mistake(key, name + ": a secret is given by reference: \"env:NAME\" or \"file:PATH\"");
        value = name.ends_with(".location") ? beside(text->get()).string() : text->get();
        if (name.ends_with(".location") && !fs::exists(value)) mistake(key, name + ": " + value + ": no such file");
      } else if (const auto* whole = node.as_integer()) {
        value = std::to_string(whole->get());
      } else if (const auto* flag = node.as_boolean()) {
        value = flag->get() ? "true" : "false";
      } else {
        mistake(key, name + ": expected a text in quotes, a whole number, true or false");
      }
    }
  }
  // What "env:NAME" or "file:PATH" stands for; false: it is no reference.
  bool refer(const char* key, const std::string& written, std::string& value) const {
    if (written.rfind("env:", 0) == 0) {
      const char* variable = std::getenv(written.c_str() + 4);
      if (!variable || !*variable) mistake(key, "the environment has no " + written.substr(4));
      value = variable;
    } else if (written.rfind("file:", 0) == 0) {
      std::ifstream file(beside(written.substr(5)));
      std::getline(file, value);
      if (value.empty()) mistake(key, written.substr(5) + ": no such file, or its first line is empty");
    } else {
      return false;
    }
    return true;
  }
  const toml::node* find(const char* key) {
    known_.insert(key);
    return table_.get(key);
  }
  fs::path beside(const fs::path& path) const { return path.is_relative() ? file_.parent_path() / path : path; }
  const fs::path& file_;
  const toml::table& table_;
  std::set<std::string> known_;
};

bool is_loopback(std::string_view host) {
  return host.starts_with("127.") || host == "::1" || host == "localhost";
}

void read_filter(Entry& entry, model::SubscriptionFilter& filter, const model::FacilityDirectory& facilities) {
  const auto all = [&](const char* key, const std::vector<std::string>& values, auto good, const char* expected) {
    for (const auto& value : values) {
      if (!good(value)) entry.mistake(key, fmt::format("\"{}\": {}", value, expected));
    }
  };
  const auto known = [&](const std::string& code) {
    return facilities.find(code) != nullptr || code.rfind("x-", 0) == 0;
  };
  entry.texts("kinds", filter.kinds);
  all("kinds", filter.kinds, is_kind, "there are no events of this kind (docs/delivery.md lists them)");
  entry.texts("facilities", filter.facilities);
  all("facilities", filter.facilities, known, "no facility has this code (schemas/facilities)");
  entry.texts("areas", filter.areas);
  all("areas", filter.areas, is_area, "expected a code of GB/T 2260 or its beginning, such as \"2308\"");
  entry.texts("items", filter.items);
  all("items", filter.items, is_loinc, "expected a LOINC code, such as \"2823-3\"");
  entry.texts("centres", filter.centres);
  all("centres", filter.centres, known, "no facility has this code (schemas/facilities)");
  entry.texts("parties", filter.parties);
  all("parties", filter.parties, known, "no facility has this code (schemas/facilities)");
  filter.flag = entry.choice("flag", {{"abnormal", model::Flag::abnormal}, {"critical", model::Flag::critical}},
                             model::Flag::any);
}

std::pair<std::string, std::uint16_t> host_and_port(const std::string& target) {
  const auto colon = target.rfind(':');
  if (colon == std::string::npos || colon == 0) return {};
  const auto digits = target.substr(colon + 1);
  if (digits.empty() || digits.size() > 5 || digits.find_first_not_of("0123456789") != std::string::npos) return {};
  const int port = std::atoi(digits.c_str());
  if (port < 1 || port > 65535) return {};
  auto host = target.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  return {host, static_cast<std::uint16_t>(port)};
}

http_sink::TargetGuard guard_of(const Config& config) {
  std::vector<http_sink::Target> origins;
  for (const auto& origin : config.delivery.webhooks) {
    if (auto read = http_sink::read_target(origin)) origins.push_back(*read);
  }
  std::vector<http_sink::Network> networks;
  for (const auto& network : config.delivery.private_networks) {
    if (auto read = http_sink::read_network(network)) networks.push_back(*read);
  }
  return {std::move(origins), std::move(networks)};
}

void read_mllp(Entry& entry, model::Subscription& subscription, bool allow_plain) {
  const auto [host, port] = host_and_port(subscription.target);
  if (port == 0) entry.mistake("target", "expected \"host:port\", such as \"10.1.2.3:2575\"");
  if (!subscription.tls && !allow_plain && !is_loopback(host)) {
    entry.mistake(
        "target",
        "leaves this machine without encryption: say tls = true, or allow_plain = true where a gateway encrypts");
  }
  if (!subscription.authorization.empty()) entry.mistake("authorization", "MLLP has none; use a certificate");
  entry.not_of("mllp", {"topic", "settings"});
}

void read_rest_hook(Entry& entry, model::Subscription& subscription, const Config& config) {
  const auto target = http_sink::read_target(subscription.target);
  if (!target) entry.mistake("target", target.error().message);
  if (const auto allowed = guard_of(config).check(*target); !allowed) {
    entry.mistake("target", allowed.error().message + "; add \"" + target->origin() + "\" there");
  }
  if (entry.has("tls")) entry.mistake("tls", "the target says so itself, by https://");
  entry.not_of("rest-hook", {"topic", "settings"});
}

// A folder may be missing (a share that is not mounted): that is waited out.
void read_file_drop(Entry& entry, model::Subscription& subscription, const Config& config) {
  const auto folder = file_sink::read_folder(subscription.target, config.delivery.folders);
  if (!folder) {
    const bool elsewhere = folder.error().code == ErrorCode::forbidden;
    entry.mistake("target", folder.error().message + (elsewhere ? "; add the folder there" : ""));
  }
  if (const auto found = file_sink::open_folder(*folder); !found && found.error().code == ErrorCode::forbidden)
    entry.mistake("target", found.error().message);
  subscription.target = folder->path();
  entry.not_of("file", {"tls", "allow_plain", "authority", "certificate", "key", "authorization", "connections",
                        "topic", "settings"});
}

kafka_sink::KafkaSinkOptions kafka_options(const model::Subscription& subscription) {
  return {subscription.target, subscription.topic, subscription.connections, subscription.timeout,
          subscription.settings};
}

void read_kafka(Entry& entry, model::Subscription& subscription, bool allow_plain) {
  if (const auto fault = fault_of_brokers(subscription.target); !fault.empty()) entry.mistake("target", fault);
  entry.text("topic", subscription.topic);
  if (!is_kafka_topic(subscription.topic)) entry.mistake("topic", std::string(expected_topic));
  entry.settings("settings", subscription.settings);
  if (const auto good = kafka_sink::check_settings(kafka_options(subscription)); !good)
    entry.mistake("settings", good.error().message);
  if (!allow_plain && leaves_in_clear(subscription.target, subscription.settings))
    entry.mistake("target", std::string(in_clear));
  entry.not_of("kafka", {"tls", "authority", "certificate", "key", "authorization"});
}

void read_sse(Entry& entry, model::Subscription& subscription, const Config& config) {
  if (!registered_clients(config).find(subscription.target))
    entry.mistake("target", "expected the name of a client that may connect, one of [clients]");
  entry.not_of("sse", {"tls", "allow_plain", "authority", "certificate", "key", "authorization", "topic", "settings"});
}

void read_target_of(Entry& entry, model::Subscription& subscription, const Config& config) {
  bool allow_plain = false;
  entry.text("target", subscription.target);
  entry.flag("tls", subscription.tls);
  entry.flag("allow_plain", allow_plain);
  entry.path("authority", subscription.authority);
  entry.path("certificate", subscription.certificate);
  entry.path("key", subscription.key);
  entry.secret("authorization", subscription.authorization);
  if (subscription.certificate.empty() != subscription.key.empty())
    entry.mistake("certificate", "certificate and key belong together");
  switch (subscription.sink) {
    case model::SinkKind::mllp: return read_mllp(entry, subscription, allow_plain);
    case model::SinkKind::rest_hook: return read_rest_hook(entry, subscription, config);
    case model::SinkKind::file: return read_file_drop(entry, subscription, config);
    case model::SinkKind::kafka: return read_kafka(entry, subscription, allow_plain);
    case model::SinkKind::sse: return read_sse(entry, subscription, config);
  }
}

model::Subscription read_one(const fs::path& file, const toml::table& table, const Config& config,
                             const model::FacilityDirectory& facilities) {
  using model::PayloadKind;
  using model::SinkKind;
  Entry entry(file, table);
  model::Subscription one;
  entry.text("name", one.name);
  if (!is_name(one.name))
    entry.mistake("name",
                  "expected 1 to 64 characters of A-Z a-z 0-9 . _ - (its place in the log stands under it for ever)");
  if (!model::declared_in_name(one.name).empty()) entry.mistake("name", "is of those that clients declare over FHIR");
  read_filter(entry, one.filter, facilities);
  if (!entry.has("sink")) entry.mistake("sink", "is missing: \"mllp\", \"rest-hook\", \"file\", \"kafka\" or \"sse\"");
  one.sink = entry.choice("sink",
                          {{"mllp", SinkKind::mllp},
                           {"rest-hook", SinkKind::rest_hook},
                           {"file", SinkKind::file},
                           {"kafka", SinkKind::kafka},
                           {"sse", SinkKind::sse}},
                          SinkKind::rest_hook);
  // Where a delivery in flight costs the receiver nothing, several patients' are.
  if (one.sink == SinkKind::kafka || one.sink == SinkKind::sse) one.connections = 16;
  entry.count("connections", one.connections, 1, 64);
  entry.duration("timeout", one.timeout);
  read_target_of(entry, one, config);
  const bool mllp = one.sink == SinkKind::mllp;
  one.payload = entry.choice("payload",
                             {{"event", PayloadKind::event},
                              {"fhir", PayloadKind::fhir},
                              {"hl7v2", PayloadKind::hl7v2},
                              {"id-only", PayloadKind::id_only},
                              {"empty", PayloadKind::empty}},
                             mllp ? PayloadKind::hl7v2 : PayloadKind::event);
  if (mllp && one.payload != PayloadKind::hl7v2) entry.mistake("payload", "over MLLP goes \"hl7v2\"");
  if (one.sink == SinkKind::file && one.payload == PayloadKind::empty)
    entry.mistake("payload", "an empty file says nothing");
  entry.text("version", one.version);
  if (!hl7v2::can_write_version(one.version))
    entry.mistake("version", "expected a version of HL7 from \"2.3\" to \"2.8\"");
  one.charset = entry.choice<std::string>("charset", {{"UTF-8", "UTF-8"}, {"GB18030", "GB18030"}}, "UTF-8");
  if (one.sink == SinkKind::sse && one.charset != "UTF-8") entry.mistake("charset", "server-sent events are UTF-8");
  entry.text("receiving_application", one.receiving_application);
  entry.text("receiving_facility", one.receiving_facility);
  if (one.payload != PayloadKind::hl7v2) {
    for (const auto* key : {"version", "charset", "receiving_application", "receiving_facility"}) {
      if (entry.has(key)) entry.mistake(key, "is of payload = \"hl7v2\"");
    }
  }
  entry.count("rate", one.rate, 1, 1'000'000);
  entry.count("attempts", one.attempts, 1, 1'000);
  entry.duration("retry_for", one.retry_for);
  one.on_refusal = entry.choice("on_refusal", {{"hold", model::OnRefusal::hold}, {"skip", model::OnRefusal::skip}},
                                model::OnRefusal::hold);
  one.from_beginning = entry.choice("start", {{"now", false}, {"beginning", true}}, false);
  entry.finish();
  // A kind that would never be delivered: said here, not found out later.
  if (auto said = say_kinds(one.filter, one.payload, *payload_for(one, config)); !said)
    entry.mistake("kinds", said.error().message);
  if (one.sink == SinkKind::sse) {
    const auto clients = registered_clients(config);
    const access::Principal client{one.target, clients.find(one.target)->scopes, ""};
    for (const auto& type : sse::resources_of(one.filter.kinds)) {
      if (!client.has("system/" + type + ".r"))
        entry.mistake("target", "this client lacks system/" + type + ".r, which these events are about");
    }
  }
  return one;
}

}  // namespace

std::vector<model::Subscription> read_subscriptions(const Config& config, const model::FacilityDirectory& facilities) {
  std::vector<model::Subscription> all;
  std::set<std::string> names, folders;
  const auto add = [&](const fs::path& file, const toml::table& entry) {
    auto one = read_one(file, entry, config, facilities);
    if (!names.insert(one.name).second)
      mistake(file, entry, fmt::format("subscription \"{}\" is declared twice", one.name));
    if (one.sink == model::SinkKind::file && !folders.insert(one.target).second)
      mistake(file, entry,
              "target: another subscription drops into this folder already, and an event has the same name for both");
    all.push_back(std::move(one));
  };
  for_each_entry(config.data / "schemas" / "subscriptions", "subscription", add);
  return all;
}

std::shared_ptr<port::Sink> sink_for(const model::Subscription& subscription, const Config& config,
                                     const net::any_io_executor& executor, sse::EventDesk& desk) {
  if (subscription.sink == model::SinkKind::file) {
    auto folder = file_sink::read_folder(subscription.target, config.delivery.folders);
    if (!folder) throw std::runtime_error(folder.error().message);
    return file_sink::file_sink(executor, {std::move(*folder), subscription.timeout, {}, {}, {}});
  }
  if (subscription.sink == model::SinkKind::kafka) return kafka_sink::kafka_sink(executor, kafka_options(subscription));
  if (subscription.sink == model::SinkKind::sse) return desk.sink(executor, subscription);
  if (subscription.sink == model::SinkKind::mllp) {
    mllp_client::MllpSinkOptions options;
    std::tie(options.host, options.port) = host_and_port(subscription.target);
    options.connections = subscription.connections;
    options.timeout = subscription.timeout;
    options.tls = subscription.tls;
    options.files = {subscription.authority, subscription.certificate, subscription.key};
    return mllp_client::mllp_sink(executor, std::move(options));
  }
  http_sink::RestHookOptions options;
  if (auto target = http_sink::read_target(subscription.target)) options.target = std::move(*target);
  options.guard = std::make_shared<http_sink::TargetGuard>(guard_of(config));
  options.authorization = subscription.authorization;
  options.connections = subscription.connections;
  options.timeout = subscription.timeout;
  options.files = {subscription.authority, subscription.certificate, subscription.key};
  return http_sink::rest_hook_sink(executor, std::move(options));
}

namespace {
std::string fhir_base(const Config& config) {
  return (config.http.public_url.empty() ? "https://hutong.invalid" : config.http.public_url) + "/fhir";
}
}  // namespace

port::Letter handshake_for(const model::Subscription& subscription, const Config& config) {
  return fhir::fhir_handshake(subscription.notification, fhir_base(config));
}

Result<void> may_go_to(const std::string& target, const Config& config) {
  const auto read = http_sink::read_target(target);
  if (!read) return tl::unexpected(read.error());
  return guard_of(config).check(*read);
}

Result<void> may_be_told(const model::SubscriptionDeclared& one, const access::Principal& client,
                         const access::ClientRegistry& clients) {
  std::vector<std::string> types{one.criteria.substr(0, one.criteria.find('?'))};
  if (one.payload == model::PayloadKind::fhir) {
    for (const auto type : fhir::resources_of(one.filter.kinds)) types.emplace_back(type);
  }
  for (const auto& type : types) {
    if (!client.has("system/" + type + ".r"))
      return fail(ErrorCode::forbidden, "whoever is told of these must be allowed to read them: the client \"" +
                                            client.client + "\" lacks the scope system/" + type + ".r");
  }
  const auto* registered = clients.find(client.client);
  for (const auto& party : one.filter.parties) {
    if (!registered || registered->facilities.empty()) break;
    if (std::find(registered->facilities.begin(), registered->facilities.end(), party) == registered->facilities.end())
      return fail(ErrorCode::forbidden, "the client may not act for this facility: " + party);
  }
  return {};
}

std::shared_ptr<const port::Payload> payload_for(const model::Subscription& subscription, const Config& config) {
  if (!subscription.notification.empty()) return fhir::fhir_notification(subscription.payload, fhir_base(config));
  switch (subscription.payload) {
    case model::PayloadKind::hl7v2: return hl7v2::hl7v2_payload();
    case model::PayloadKind::fhir: return fhir::fhir_payload(fhir_base(config));
    default: return pipeline::event_payload(subscription.payload);
  }
}

}  // namespace hutong::app
