// What an operator makes the running broker do (port/control.h), carried out with the parts that the composition root
// has. Threads: the shard of the request; what blocks for long runs on a thread of its own.
#pragma once

#include <boost/asio/thread_pool.hpp>

#include "broker/app/config.h"
#include "broker/app/data_folder.h"
#include "broker/model/subscription.h"
#include "broker/pipeline/intake.h"
#include "broker/pipeline/steward.h"
#include "broker/port/control.h"
#include "broker/port/format.h"

namespace hutong::app {

class BrokerControl final : public port::Control {
 public:
  using OnSubscriptions = std::function<void(std::vector<model::Subscription>)>;
  using CopyLog = std::function<Result<void>(const std::filesystem::path&)>;  // as OpenedLog::copy_to
  BrokerControl(const Config& config, port::Log& log, CopyLog copy_log, port::Store& store,
                const port::Format& format, pipeline::CurrentRules& rules, std::function<port::Inbox&()> inbox, std::string identifier_key,
                const Clock& clock, std::function<port::StatusView()> status, OnSubscriptions on_subscriptions = {});
  ~BrokerControl() override;

  port::StatusView status() override { return status_(); }
  net::awaitable<Result<port::Reply>> retry_quarantined(std::string facility, std::string raw_hash_hex) override;
  net::awaitable<Result<Renormalized>> renormalize(std::uint64_t from, std::string sender) override;
  net::awaitable<Result<std::string>> backup(std::string directory) override;
  net::awaitable<Result<port::IdentityVerdict>> decide_identity(port::IdentityCommand command) override {
    return steward_.decide(std::move(command));
  }
  Result<void> reload() override;

 private:
  const Config& config_;
  port::Log& log_;
  CopyLog copy_log_;
  port::Store& store_;
  const port::Format& format_;
  pipeline::CurrentRules& rules_;
  std::function<port::Inbox&()> inbox_;  // of the shard that asks
  const Clock& clock_;
  std::function<port::StatusView()> status_;
  OnSubscriptions on_subscriptions_;
  pipeline::Steward steward_;
  net::thread_pool slow_{1};
  std::vector<std::shared_ptr<const pipeline::Rules>> retired_;  // sessions may still point into them
};

}  // namespace hutong::app
