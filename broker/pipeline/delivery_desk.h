// Where operators look at deliveries and decide about them: from the rows that the projector made and, where this
// broker delivers, from what the deliverer knows of the moment. Commands are appended to the topic operations; whoever
// delivers obeys them when it meets them there. Threads: any. Lifetime: everything given must outlive it.
#pragma once

#include <functional>
#include <memory>

#include "broker/pipeline/delivery.h"
#include "broker/port/deliveries.h"

namespace hutong::pipeline {

class DeliveryDesk final : public port::Deliveries {
 public:
  using Declared = std::function<std::shared_ptr<const std::vector<model::Subscription>>()>;
  using Facilities = std::function<std::shared_ptr<const model::FacilityDirectory>()>;
  // `delivery` may be nullptr: no broker runs, and only what the rows say is told.
  DeliveryDesk(port::Log& log, port::Store& store, const Clock& clock, Delivery* delivery, Declared declared,
               Facilities facilities)
      : log_(log),
        store_(store),
        clock_(clock),
        delivery_(delivery),
        declared_(std::move(declared)),
        facilities_(std::move(facilities)) {}

  net::awaitable<Result<std::vector<port::SubscriptionStatus>>> subscriptions() override;
  net::awaitable<Result<port::DeadLetters>> dead_letters(std::string subscription, std::string state, std::string after,
                                                         std::size_t limit) override;
  net::awaitable<Result<port::DeadLetter>> dead_letter(std::string subscription, std::string id) override;
  net::awaitable<Result<std::string>> letter(std::string subscription, std::string id) override;
  net::awaitable<Result<std::vector<port::Delivered>>> of_record(port::Position position,
                                                                 std::uint32_t ordinal) override;
  net::awaitable<Result<std::uint64_t>> command(port::DeliveryCommand command) override;
  net::awaitable<Result<port::ToldEvents>> told(std::string subscription, std::uint64_t since, std::uint64_t until,
                                                std::size_t limit) override;
  net::awaitable<Result<std::string>> said(model::Subscription subscription, port::ToldEvent event) override;
  net::awaitable<Result<std::vector<model::SubscriptionDeclared>>> declared() override;
  net::awaitable<Result<std::optional<model::SubscriptionDeclared>>> declared(std::string subscription) override;
  net::awaitable<Result<model::SubscriptionDeclared>> declare(model::SubscriptionDeclared declared) override;

 private:
  net::awaitable<Result<void>> describe(std::vector<port::DeadLetter>& letters);
  net::awaitable<Result<void>> add_answers(std::vector<port::Delivered>& found, port::Position position,
                                           std::uint32_t ordinal, Timestamp appended);
  net::awaitable<Result<std::vector<model::EventRef>>> dead_of(std::string subscription);
  net::awaitable<Result<std::vector<model::DeliveryCommanded::Range>>> ranges_of(port::DeliveryCommand command);
  net::awaitable<Result<port::Offset>> offset_since(port::Partition partition, Timestamp time);
  net::awaitable<Result<bool>> is_known(std::string subscription);
  net::awaitable<Result<void>> append(port::Record record);

  port::Log& log_;
  port::Store& store_;
  const Clock& clock_;
  Delivery* delivery_;
  Declared declared_;
  Facilities facilities_;
};

}  // namespace hutong::pipeline
