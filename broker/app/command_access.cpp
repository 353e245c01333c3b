// hutong check, token, audit: what needs the installation's files but no broker.
#include <fmt/format.h>

#include <cstdio>
#include <fstream>

#include "broker/access/audit_verify.h"
#include "broker/access/sign_in.h"
#include "broker/access/token.h"
#include "broker/app/clients.h"
#include "broker/app/alerts.h"
#include "broker/app/commands.h"
#include "broker/app/data_folder.h"
#include "broker/app/facilities.h"
#include "broker/app/rules.h"
#include "broker/app/kafka_brokers.h"
#include "broker/app/subscriptions.h"
#include "broker/critical/rules.h"
#include "broker/recognition/catalogue.h"
#include "broker/referral/rules.h"

namespace hutong::app {

void report_failure(Terminal& terminal, const Error& error) {
  std::fprintf(stderr, "hutong: %s\n", error.message.c_str());
  terminal.exit_code = 1;
}

void add_check(CLI::App& app, Terminal& terminal) {
  auto* command = app.add_subcommand("check", "Validate the configuration and the data under schemas/, print what is in effect");
  command->callback([&terminal] {
    const Config config = read_config(find_config(terminal.config));
    const auto rules = read_rules(config);
    const auto weights = read_identity_weights(config);
    const auto subscriptions = read_subscriptions(config, *rules->facilities);
    registered_clients(config);
    check_sources(config, *rules->facilities);
    check_alerts(config, *rules->facilities);
    if (terminal.json) {
      fmt::print("{{\"configuration\":{},\"facilities\":{},\"terminology\":\"{}\",\"recognition\":\"{}\",\"identity\":\"{}\",\"referral\":\"{}\","
                 "\"critical\":\"{}\",\"subscriptions\":{}}}\n",
                 describe_json(config), rules->facilities->all().size(), terminology_version(*rules), rules->catalogue->version(),
                 weights->version, rules->referral->version(), rules->critical->version(), subscriptions.size());
      return;
    }
    std::fputs(describe(config).c_str(), stdout);
    fmt::print("\n# {} facilities, terminology {}, recognition {}, identity {}, referral {}, critical {}, {} subscriptions\n",
               rules->facilities->all().size(), terminology_version(*rules), rules->catalogue->version(), weights->version,
               rules->referral->version(), rules->critical->version(), subscriptions.size());
  });
}

void add_token(CLI::App& app, Terminal& terminal) {
  struct Options {
    std::string client;
    std::string ttl = "300s";
    bool sign_in = false;
  };
  auto* command = app.add_subcommand("token", "Print an access token of a client, signed with the installation's key");
  auto options = std::make_shared<Options>();
  command
      ->add_option("--client", options->client,
                   "clinic (reads FHIR: system/*.rs), operator (hutong/operate), or one of [clients]")
      ->required();
  command->add_option("--ttl", options->ttl, "How long it is good: 300s by default, at most 12h");
  command->callback([options, &terminal] {
    const Config config = read_config(find_config(terminal.config));
    const DataFolder folder{config.data};
    folder.prepare();
    const auto key = folder.signing_key();
    const auto clients = registered_clients(config);
    const auto ttl = read_duration(options->ttl);
    if (!ttl) throw ConfigError("--ttl: expected a duration with its unit, such as 300s, 10m or 12h");
    const auto minted = access::TokenMint(key, clients)
                            .mint(options->client, std::chrono::duration_cast<std::chrono::seconds>(*ttl), system_clock().now());
    if (!minted) throw ConfigError(minted.error().message);  // a client that is not there, a life too long
    if (terminal.json) {
      fmt::print("{}", access::token_answer(*minted));
    } else {
      fmt::print("{}\n", minted->token);
    }
  });
}

void add_audit(CLI::App& app, Terminal& terminal) {
  struct Options {
    std::string shipped;
  };
  auto* command = app.add_subcommand("audit", "The record of who read what");
  command->require_subcommand(1);
  auto* verify = command->add_subcommand("verify", "Check the audit chain; name the first bad record");
  auto options = std::make_shared<Options>();
  verify->add_option("--head", options->shipped, "A head.json kept elsewhere: finds a chain that was cut behind it");
  verify->callback([options, &terminal] {
    const Config config = read_config(find_config(terminal.config));
    const DataFolder folder{config.data};
    std::optional<std::string> shipped;
    if (!options->shipped.empty()) {
      std::ifstream in(options->shipped, std::ios::binary);
      if (!in) throw ConfigError(options->shipped + ": no such file (--head)");
      shipped = std::string((std::istreambuf_iterator<char>(in)), {});
    }
    const auto key = folder.signing_key();
    const auto report = access::verify(folder.audit(), &key, shipped);
    if (!report) return report_failure(terminal, report.error());
    if (terminal.json) {
      fmt::print("{{\"records\":{},\"checkpoints\":{},\"sequence\":{},\"hash\":\"{}\",\"good\":{}", report->records,
                 report->checkpoints, report->head.sequence, report->head.hash, !report->bad.has_value());
      if (report->bad) {
        fmt::print(",\"bad\":{{\"file\":\"{}\",\"line\":{},\"sequence\":{},\"what\":\"{}\"}}", report->bad->file,
                   report->bad->line, report->bad->sequence, report->bad->what);
      }
      fmt::print("}}\n");
    } else if (report->bad) {
      fmt::print("the chain breaks at {} line {} (record {}): {}\n", report->bad->file, report->bad->line,
                 report->bad->sequence, report->bad->what);
    } else {
      fmt::print("{} records, {} signed checkpoints: the chain is whole up to record {}\n", report->records,
                 report->checkpoints, report->head.sequence);
    }
    if (report->bad) terminal.exit_code = 1;
  });
}

}  // namespace hutong::app
