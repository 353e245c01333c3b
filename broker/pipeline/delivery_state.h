// The working parts of delivery.h; included by delivery*.cpp only.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <unordered_map>

#include "broker/model/subscription_declared.h"
#include "broker/pipeline/delivery.h"
#include "broker/pipeline/delivery_matter.h"
#include "broker/pipeline/lanes.h"
#include "broker/port/scope.h"
#include "broker/routing/matcher.h"

namespace hutong::pipeline {

using Records = std::vector<std::pair<port::Partition, port::StoredRecord>>;

// Up to where each partition was read.
using Positions = std::map<port::Partition, port::Offset>;

// Records of several partitions behind given positions, in the order of their time, with what changed nothing.
struct Read {
  std::vector<std::pair<port::Partition, std::shared_ptr<const port::StoredRecord>>> records;
  std::map<std::pair<port::Partition, port::Offset>, std::string> no_change;  // tables::no_change
  Positions next;               // where to go on once all records are looked at
  bool says_something = false;  // not only of deliveries
};

struct Replay {
  std::uint32_t number = 0;
  std::vector<model::DeliveryCommanded::Range> ranges;
  std::string patient;
  Positions read, to;
  bool done_reading = false;
};

struct Subscriber {
  model::Subscription declared;
  std::shared_ptr<port::Sink> sink;
  std::shared_ptr<const port::Payload> payload;
  std::unique_ptr<Lanes> lanes;
  routing::Matcher own;  // of its filter alone, for reading by itself
  bool live = false;     // the router gives it what it reads
  bool dormant = false;  // a client's that is not active: told nothing, it keeps its place
  bool reading = false;  // a coroutine reads for it
  Positions read;        // where it is not live
  std::vector<Replay> replays;
  std::vector<std::uint32_t> replayed;
  bool has_read = false;   // since the last record
  bool looked_at = false;  // takes of the record that the router looks at
  std::unique_ptr<net::steady_timer> timer, room;
  port::Counter *delivered = nullptr, *refused = nullptr, *broken = nullptr;
  port::Gauge *lag = nullptr, *oldest = nullptr, *held = nullptr, *dead = nullptr;
};
using SubscriberPtr = std::shared_ptr<Subscriber>;

inline model::Stream stream_of(const port::Partition& partition, std::uint32_t replay = 0) {
  return {replay, static_cast<std::uint8_t>(partition.topic), partition.number};
}

struct Shown;

class Delivery::State : public std::enable_shared_from_this<Delivery::State> {
 public:
  State(DeliveryDeps deps, DeliveryOptions options, std::vector<model::Subscription> subscriptions);

  net::awaitable<Result<void>> prepare();
  net::awaitable<void> run();
  void stop() { stopping = true; }
  void reload(std::vector<model::Subscription> subscriptions);
  void projected(port::Partition partition, port::Offset next);

  mutable std::mutex mutex;                                          // of what is told to other threads
  std::shared_ptr<const std::vector<model::Subscription>> declared;  // own and clients'
  std::vector<model::Subscription> own, clients;
  std::vector<port::SubscriptionStatus> told;
  std::atomic<bool> stopping{false}, beginning{false}, delivering{false};
  std::atomic<port::Offset> obeyed{0};  // of operations, read up to here

 private:
  // delivery.cpp: beginning, ending, recording, telling
  net::awaitable<Result<void>> begin();
  net::awaitable<Result<void>> begin_term();
  net::awaitable<Result<void>> applied(port::Offset end);  // until the records of deliveries below are in the store
  port::Record record_of(model::DeliveryProgressed progressed);
  net::awaitable<void> end();
  net::awaitable<void> record();
  net::awaitable<bool> append_progress(bool finally);
  void take_progress();
  net::awaitable<bool> append_taken(bool finally);
  net::awaitable<void> watch_commands();
  void heed_another(const port::Record& record);
  void obey(const model::DeliveryCommanded& command);
  SubscriberPtr make(const model::Subscription& subscription);
  void equip(Subscriber& subscriber, const model::Subscription& subscription);
  void compile();
  net::awaitable<void> tell();
  std::vector<model::StreamCursor> streams_of(const Subscriber& subscriber) const;
  void add_replay(Subscriber& subscriber, std::uint32_t number, std::vector<model::DeliveryCommanded::Range> ranges,
                  std::string patient);
  void trouble(const std::string& what);
  void spawn(std::string_view name, net::awaitable<void> work);
  bool going() const { return delivering && !stopping; }

  // delivery_clients.cpp: subscriptions that clients declared over FHIR
  net::awaitable<Result<void>> read_clients();
  void declare_all();
  void join_declared();  // under the mutex
  void begin_client(Subscriber& subscriber, const model::SubscriptionDeclared& one) const;
  net::awaitable<Result<void>> heed_client(std::string json);
  void see_to(const model::SubscriptionDeclared& one);
  void end_clients();
  net::awaitable<void> shake_hands(model::SubscriptionDeclared asked);
  void conclude(model::SubscriptionDeclared one, model::DeclaredState state, std::string error);
  net::awaitable<void> say(model::SubscriptionDeclared one);
  void let_rest(Subscriber& subscriber);
  void part_with(Subscriber& subscriber);

  // delivery_read.cpp: router, catching up, replays
  net::awaitable<void> route();
  net::awaitable<Result<std::size_t>> route_some();
  net::awaitable<void> read_behind(SubscriberPtr subscriber);
  net::awaitable<Result<bool>> catch_up_some(Subscriber& subscriber);
  net::awaitable<Result<bool>> replay_some(Subscriber& subscriber, std::uint32_t number);
  net::awaitable<Result<Read>> read(Positions from, Positions to, std::size_t records, std::size_t bytes);
  static void give_back(Read& some, Timestamp safe);
  net::awaitable<Result<void>> keep_order(Read& some, Positions applied);
  net::awaitable<Result<void>> identities_known(Positions up_to);
  net::awaitable<Result<std::vector<std::string>>> centres_of(std::vector<routing::Patient> patients);
  void look_at(const port::Partition& partition, const std::shared_ptr<const port::StoredRecord>& record,
               const model::RecordView& view, const std::string* no_change, const std::vector<std::string>& centres);
  void look_at(const port::Partition& partition, const std::shared_ptr<const port::StoredRecord>& record,
               const Matter& matter, const std::vector<std::string>& centres);
  bool is_for_anybody(const routing::Facts& facts);  // then they are in matched_
  void offer(const Lanes::Task& task, std::vector<SubscriberPtr>& touched);
  void offered(const std::vector<SubscriberPtr>& touched);
  // Of a record that is no event: what it tells.
  net::awaitable<Result<std::optional<Matter>>> matter_in(port::Partition partition, const port::StoredRecord& record);
  Lanes::Task task_of(const port::Partition& partition, const std::shared_ptr<const port::StoredRecord>& record,
                      std::uint32_t ordinal, std::vector<std::string> lanes) const;
  void take(Subscriber& subscriber, Lanes::Task task);
  net::awaitable<Result<void>> take_own(Subscriber& subscriber, port::Partition partition,
                                        std::shared_ptr<const port::StoredRecord> record, const std::string* no_change,
                                        std::uint32_t replay, std::string patient);
  void start_reading(const SubscriberPtr& subscriber);
  net::awaitable<void> turn_to_read();
  void give_turn();
  // Whoever has worked for a moment since then lets sockets and everybody else come first.
  net::awaitable<void> give_way(Lanes::Ticks& since);
  void note_how_late(const port::StoredRecord& record);  // what is read by who is not far behind
  bool is_far_behind(const Subscriber& subscriber) const;
  net::awaitable<void> pause(std::chrono::milliseconds time);
  Positions bounds() const;
  static Positions not_beyond(Positions to, const Lanes& lanes, std::uint32_t replay);
  std::shared_ptr<const port::StoredRecord> counted(port::StoredRecord record);

  // delivery_hand_over.cpp
  void pump(const SubscriberPtr& subscriber);
  std::optional<Lanes::Ticks> rests_until(const Subscriber& subscriber, Lanes::Ticks now) const;
  net::awaitable<void> hand_over(SubscriberPtr subscriber, Lanes::Task* task);
  struct Written;
  using ShownPtr = std::shared_ptr<const Shown>;
  // What there is to say of an event to this subscription. Any thread.
  net::awaitable<Result<ShownPtr>> show(std::shared_ptr<const port::StoredRecord> record, model::EventRef ref,
                                        bool with_views, const model::Subscription& subscription);
  net::awaitable<Result<ShownPtr>> show_lately(const SubscriberPtr& subscriber, const Lanes::Task& task);
  static Result<Written> compose(const Shown& shown, model::EventRef ref, const port::Payload& payload,
                                 const model::Subscription& subscription, std::uint64_t number);
  void made_room(Subscriber& subscriber);

 public:
  // What a subscriber would get of an event, without a subscriber: for operators.
  net::awaitable<Result<port::Letter>> letter(model::Subscription subscription, model::EventRef ref,
                                              std::uint64_t number);

 private:
  DeliveryDeps deps_;
  DeliveryOptions options_;
  net::any_io_executor executor_;
  port::Scope scope_;
  std::map<std::string, SubscriberPtr> subscribers_;
  std::vector<SubscriberPtr> places_;  // as the matcher names them
  // Clients', by the names of their subscriptions, as the store has them; and up to which version, by id, what they ask
  // for is seen to: the sink of its handshake, or that what came of it is being said.
  std::map<std::string, model::SubscriptionDeclared> clients_;
  struct SeenTo {
    std::uint64_t version = 0;
    bool concluded = false;
    std::shared_ptr<port::Sink> sink;
  };
  std::map<std::string, SeenTo> seen_to_;
  std::optional<Timestamp> next_end_;
  routing::Matcher matcher_;
  routing::Matcher::Scratch scratch_;
  std::vector<std::uint32_t> matched_;
  Arena arena_;
  Positions router_;
  bool router_moved_ = false;
  Lanes::Ticks late_until_{0};  // what is new is late
  std::uint64_t term_ = 0, sequence_ = 0;
  std::string run_;  // names the records of this run
  bool dirty_ = false;
  bool unsure_ = false;    // something was not handed over because it is not known whose turn it is
  bool log_away_ = false;  // progress cannot be recorded: nothing is handed over
  std::size_t unrecorded_ = 0;
  std::vector<port::Record> taken_;  // what became of deliveries, not in the log yet
  bool appending_ = false;
  std::string trouble_;
  std::atomic<bool> anew_{false};  // it begins again: others are declared, or another broker had begun
  std::vector<model::SubscriberProgress> left_behind_;  // not declared any more: where they stay
  std::size_t readers_ = 0;
  std::deque<std::shared_ptr<net::steady_timer>> waiting_readers_;
  // What was shown lately, while the views are what they were: several subscribers are told of an event at one moment.
  std::vector<std::pair<model::EventRef, ShownPtr>> shown_;
  std::uint64_t shown_at_ = 0;
  std::atomic<std::uint64_t> views_moved_{0};                                                       // how often
  std::shared_ptr<std::atomic<std::size_t>> kept_ = std::make_shared<std::atomic<std::size_t>>(0);  // bytes of records
  std::unique_ptr<net::steady_timer> projected_, recorder_;
  std::atomic<bool> woken_{false};
  mutable std::mutex bounds_mutex_;
  Positions bounds_;
  Positions since_;  // where those begin that are new: the log's ends when they were declared
  port::Histogram* latency_ = nullptr;
  port::Counter* withheld_ = nullptr;
};

}  // namespace hutong::pipeline
