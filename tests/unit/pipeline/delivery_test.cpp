// The deliverer between a log, a projector and receivers, all on one thread: what it makes of a log that fails, of a
// projector that lags, and of a restart or reload in the midst of things.
#include "broker/pipeline/delivery.h"

#include <boost/asio/steady_timer.hpp>
#include <set>

#include "broker/pipeline/delivery_desk.h"
#include "broker/pipeline/effects_identity.h"
#include "broker/pipeline/renormalize.h"
#include "tests/unit/pipeline/projector_fixture.h"

namespace hutong::pipeline {
namespace {

using namespace std::chrono_literals;
using port::Receipt;
using port::Taken;
using port::Topic;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// A store that counts how often rows of reports are asked for.
class CountingStore final : public port::Store {
 public:
  explicit CountingStore(port::Store& store) : store_(store) {}
  int reports = 0;

  net::awaitable<Result<void>> write(port::StoreBatch batch) override { return store_.write(std::move(batch)); }
  net::awaitable<Result<std::vector<std::optional<port::Row>>>> get_many(std::vector<port::Lookup> lookups) override {
    for (const auto& each : lookups) reports += each.table == &tables::reports;
    return store_.get_many(std::move(lookups));
  }
  net::awaitable<Result<std::vector<port::Row>>> scan(const port::Table& table, port::Scan scan) override {
    return store_.scan(table, std::move(scan));
  }
  net::awaitable<Result<std::optional<port::Cursor>>> cursor(port::Partition partition) override {
    return store_.cursor(partition);
  }
  net::awaitable<Result<void>> checkpoint(const std::filesystem::path& path) override {
    return store_.checkpoint(path);
  }
  std::uint64_t bytes() const override { return store_.bytes(); }
  net::awaitable<Result<void>> close() override { return store_.close(); }

 private:
  port::Store& store_;
};

// A log whose operations the deliverer reads no further while they are kept from it.
class KeptLog final : public port::Log {
 public:
  explicit KeptLog(port::Log& log) : log_(log) {}
  bool keeps = false;

  using Log::append;
  net::awaitable<Result<std::vector<port::Position>>> append(Topic topic,
                                                             std::span<const port::RecordView> batch) override {
    return log_.append(topic, batch);
  }
  net::awaitable<Result<port::Slice>> read(port::Partition partition, port::Offset from,
                                           port::ReadLimit limit) override {
    net::steady_timer timer(co_await net::this_coro::executor);
    while (keeps && partition.topic == Topic::operations) {
      timer.expires_after(1ms);
      co_await timer.async_wait(net::use_awaitable);
    }
    co_return co_await log_.read(partition, from, limit);
  }
  net::awaitable<Result<port::Offset>> end(port::Partition partition) override { return log_.end(partition); }
  port::Offset first(port::Partition partition) const override { return log_.first(partition); }
  net::awaitable<void> wait_beyond(port::Partition partition, port::Offset seen,
                                   std::chrono::milliseconds patience) override {
    return log_.wait_beyond(partition, seen, patience);
  }
  std::uint32_t partitions(Topic topic) const override { return log_.partitions(topic); }
  std::string id() const override { return log_.id(); }
  Health health() const override { return log_.health(); }
  net::awaitable<Result<void>> close() override { return log_.close(); }

 private:
  port::Log& log_;
};

// A receiver, whoever connects to it: what it was told, by control id, "-r" behind what is told again.
struct Receiver {
  std::vector<std::string> told;
  std::set<std::string> refuses, keeps;  // keeps: gives no answer as long as it is in here
  bool away = false;
  std::chrono::milliseconds takes{0};
  int connected = 0;
  std::function<void()> on_close;
};

class FakeSink final : public port::Sink {
 public:
  explicit FakeSink(Receiver& receiver) : receiver_(receiver) { ++receiver_.connected; }
  std::size_t parallel() const override { return 4; }
  net::awaitable<Receipt> hand_over(port::Parcel parcel) override {
    if (receiver_.away) co_return Receipt{Taken::unreachable, "connection refused", {}};
    const std::string name = parcel.body;
    receiver_.told.push_back(parcel.replay ? name + "-r" : name);
    net::steady_timer timer(co_await net::this_coro::executor, receiver_.takes);
    if (receiver_.takes > 0ms) co_await timer.async_wait(net::use_awaitable);
    while (receiver_.keeps.contains(name) && !closed_) {
      timer.expires_after(1ms);
      co_await timer.async_wait(net::use_awaitable);
    }
    if (receiver_.keeps.contains(name)) co_return Receipt{Taken::broken, "closed without an answer", {}};
    if (receiver_.refuses.contains(name)) co_return Receipt{Taken::refused, "AE", {}};
    co_return Receipt{Taken::delivered, "AA", {}};
  }
  void close() override {
    closed_ = true;
    if (receiver_.on_close) receiver_.on_close();
  }

 private:
  Receiver& receiver_;
  bool closed_ = false;
};

class NamePayload final : public port::Payload {
 public:
  bool has_words_for(std::string_view) const override { return true; }
  Result<port::Letter> write(const port::Notice& notice, const model::Subscription&) const override {
    if (notice.identity) return port::Letter{std::string(notice.kind), "text/plain", {}};
    return port::Letter{std::string(notice.record->source.control_id), "text/plain", {}};
  }
};

class DeliveryRun : public ::testing::Test {
 protected:
  ~DeliveryRun() override {
    stop();
    over = true;
    until([&] { return !projector_runs; });
  }

  // --- the parts ---
  void make(std::uint32_t partitions) { log = std::make_unique<memory::MemoryLog>(system_clock(), partitions); }
  void start() {
    if (!log) make(1);
    if (!projector) {
      ProjectorOptions with;
      with.hmac_key = "installation key of the tests";
      with.on_projected = [this](port::Partition partition, port::Offset next) {
        if (delivery) delivery->projected(partition, next);
      };
      projector = std::make_unique<Projector>(*log, store, metrics, system_clock(), with);
      projector_runs = true;
      net::co_spawn(io, project(), [this](std::exception_ptr) { projector_runs = false; });
    }
    if (!kept) kept = std::make_unique<KeptLog>(*log);
    DeliveryDeps deps{.log = *kept,
                      .store = counting,
                      .metrics = metrics,
                      .clock = system_clock(),
                      .facilities = [this] { return directory; },
                      .sink = [this](const model::Subscription&) { return std::make_shared<FakeSink>(receiver); },
                      .payload = [](const model::Subscription&) { return std::make_shared<NamePayload>(); },
                      .person = {},
                      .handshake =
                          [](const model::Subscription&) {
                            return port::Letter{"handshake", "", {}};
                          },
                      .may_be_told = [](const model::SubscriptionDeclared&) { return Result<void>(); },
                      .ours = [this] { return ours; },
                      .confirmed = [this] { return doubts == 0 || doubts-- == 0; },
                      .on_event = [this](std::string_view, std::string what) { events.push_back(std::move(what)); }};
    auto declared = others;
    declared.push_back(ward);
    delivery = std::make_unique<Delivery>(std::move(deps), options, std::move(declared));
    runs = true;
    net::co_spawn(io, run(), [this](std::exception_ptr) { runs = false; });
    ASSERT_TRUE(until([&] { return delivery->delivering(); }));
  }
  void stop() {
    if (!delivery) return;
    delivery->stop();
    EXPECT_TRUE(until([&] { return !runs; }, 20s));
    delivery.reset();
  }
  void reload() {
    ward.timeout += 1ms;  // another declaration
    const auto before = receiver.connected;
    delivery->reload({ward});
    ASSERT_TRUE(until([&] { return receiver.connected > before && delivery->delivering(); }));
  }
  net::awaitable<void> run() {
    auto prepared = co_await delivery->prepare();
    EXPECT_TRUE(prepared);
    co_await delivery->run();
  }
  net::awaitable<void> project() {
    EXPECT_TRUE(co_await projector->prepare());
    net::steady_timer timer(io);
    while (!over) {
      if (projecting) EXPECT_TRUE(co_await projector->step());
      timer.expires_after(1ms);
      co_await timer.async_wait(net::use_awaitable);
    }
  }
  template <class Condition>
  bool until(Condition condition, std::chrono::steady_clock::duration patience = 10s) {
    for (const auto end = std::chrono::steady_clock::now() + patience; !condition();) {
      if (std::chrono::steady_clock::now() >= end) return false;
      io.restart();
      io.run_for(1ms);
    }
    return true;
  }
  void pass(std::chrono::milliseconds time) {
    until([] { return false; }, time);
  }

  // --- what is told ---
  port::Position append(port::Record record, Topic topic = Topic::events) {
    std::vector<port::Record> batch;
    batch.push_back(std::move(record));
    return await(log->append(topic, std::move(batch)))->front();
  }
  static port::Record result(const std::string& control, Said said = {}) {
    return Message(control, said).report({.number = "R" + control}).record();
  }
  void command(model::DeliveryCommanded said) {
    said.id = RecordId(sha256("command" + std::to_string(++commands)));
    said.log = log->id();
    said.subscription = ward.name;
    append({said.id, "delivery", std::string(model::delivery_commanded_kind), write(said), ""}, Topic::operations);
  }
  void replay(std::uint64_t to, std::string patient = {}) {
    model::DeliveryCommanded said;
    said.action = model::DeliveryAction::replay;
    said.patient = std::move(patient);
    said.ranges = {{{}, 0, to}};
    command(std::move(said));
  }
  // A report that a better map labels later.
  static port::Record read_as(const std::string& label, std::uint32_t version) {
    return Message("HIV")
        .report({.items = {{.code = "A1", .value = "5.8", .label = label}}})
        .event_version(version)
        .record();
  }
  void label_it() {
    auto healed = read_as("HIV", 2);
    healed.id = RecordId(sha256("healed"));
    healed.kinds = std::string(renormalized_kind);
    append(std::move(healed));
    ASSERT_TRUE(until([&] { return rows(tables::report_versions).size() == 1; }));
  }
  static model::Subscription another(std::string name) {
    model::Subscription one;
    one.name = std::move(name);
    return one;
  }
  void operate(model::DeliveryAction action) {
    model::DeliveryCommanded said;
    said.action = action;
    command(std::move(said));
  }
  port::SubscriptionStatus status() {
    for (auto& one : delivery->status()) {
      if (one.name == ward.name) return one;
    }
    return {};
  }
  bool is_told(const std::string& name) const {
    return std::find(receiver.told.begin(), receiver.told.end(), name) != receiver.told.end();
  }
  std::vector<port::Row> rows(const port::Table& table) {
    port::Scan scan;
    scan.limit = 100'000;
    return *await(store.scan(table, std::move(scan)));
  }
  bool is_recorded(std::uint64_t read, std::size_t open) {
    for (const auto& row : rows(tables::subscribers)) {
      if (std::get<std::string>(row[0]) != ward.name) continue;
      const auto standing = model::read_standing(std::get<std::string>(row[1]));
      for (const auto& cursor : standing->cursors) {
        if (cursor.stream == model::Stream{} && cursor.read >= read && standing->open.size() == open) return true;
      }
    }
    return false;
  }

  net::io_context io{1};
  std::unique_ptr<memory::MemoryLog> log;
  std::unique_ptr<KeptLog> kept;  // as the deliverer has it
  store::MemoryStore store;
  CountingStore counting{store};  // what the deliverer asks
  PrometheusMetrics metrics;
  std::shared_ptr<model::FacilityDirectory> directory = std::make_shared<model::FacilityDirectory>();
  std::unique_ptr<Projector> projector;
  std::unique_ptr<Delivery> delivery;
  DeliveryOptions options{.record_every = 5ms, .reading_every = 20ms, .drain = 500ms};
  model::Subscription ward = [] {
    model::Subscription one;
    one.name = "ward";
    one.attempts = 1;
    return one;
  }();
  std::vector<model::Subscription> others;
  Receiver receiver;
  std::vector<std::string> events;
  bool ours = true, projecting = true, over = false, runs = false, projector_runs = false;
  int commands = 0, doubts = 0;  // doubts: for so many questions it is not known whose turn it is
};

// --- what operators ask for ---

TEST_F(DeliveryRun, who_is_answered_that_it_is_paused_can_rely_on_it) {
  start();
  DeliveryDesk desk(
      *log, store, system_clock(), delivery.get(),
      [this] { return std::make_shared<std::vector<model::Subscription>>(1, ward); }, [this] { return directory; });
  append(result("X"));
  ASSERT_TRUE(until([&] { return is_told("X"); }));
  kept->keeps = true;
  port::DeliveryCommand pause;
  pause.subscription = ward.name;
  pause.kind = port::DeliveryCommand::Kind::pause;
  bool answered = false;
  net::co_spawn(io, desk.command(std::move(pause)), [&](std::exception_ptr, Result<std::uint64_t> result) {
    EXPECT_TRUE(result);
    answered = true;
  });
  ASSERT_TRUE(until([&] {
    const auto row = rows(tables::subscribers);
    return std::any_of(row.begin(), row.end(), [](const auto& each) { return std::get<std::int64_t>(each[2]) != 0; });
  }));
  pass(50ms);
  EXPECT_FALSE(answered) << "the views show it, the deliverer does not know of it yet";
  kept->keeps = false;
  ASSERT_TRUE(until([&] { return answered; }));
  append(result("Y"));
  pass(50ms);
  EXPECT_FALSE(is_told("Y"));
}

// --- recording ---

TEST_F(DeliveryRun, what_is_held_is_not_lost_when_a_reload_comes_while_the_log_fails) {
  start();
  receiver.refuses = {"X"};
  receiver.keeps = {"Y"};
  append(result("X", {.number = "P1"}));
  append(result("Y", {.number = "P2"}));
  ASSERT_TRUE(until([&] { return is_told("X") && is_told("Y"); }));
  append(result("Z", {.number = "P3"}));  // having read it is to be recorded, whatever of X was in time
  log->fail_appends(1'000'000, {ErrorCode::unavailable, "the log is away"});
  const auto is_unrecorded = [](const std::string& what) { return what.find("recorded") != std::string::npos; };
  ASSERT_TRUE(until([&] { return status().dead == 1 && std::any_of(events.begin(), events.end(), is_unrecorded); }));
  receiver.on_close = [&] { log->fail_appends(0, {}); };  // Y settles, and the log is back
  reload();
  ASSERT_TRUE(until([&] { return status().dead == 1; }, 3s));
  EXPECT_THAT(rows(tables::held), SizeIs(1));
}

TEST_F(DeliveryRun, what_a_former_deliverer_says_late_does_not_count) {
  ward.attempts = 5;
  start();
  append(result("X"));
  receiver.keeps = {"X"};
  ASSERT_TRUE(until([&] { return is_told("X") && is_recorded(1, 1); }));
  stop();
  receiver.keeps.clear();
  options.record_every = 10s;
  start();
  model::DeliveryProgressed late;  // of who was frozen meanwhile
  late.log = log->id();
  late.id = RecordId(sha256("late"));
  late.term = 0;
  model::SubscriberProgress one;
  one.name = ward.name;
  one.cursors = {{{}, 1, 1}};
  model::HeldEvent held;
  held.lanes = {"h1/P1"};
  held.place = 1;
  held.state = model::HeldState::dead;
  one.held = {held};
  late.subscribers = {one};
  append({late.id, "delivery", std::string(model::delivery_progressed_kind), write(late), ""}, Topic::operations);
  ASSERT_TRUE(until([&] { return receiver.told.size() == 2; }));
  pass(50ms);
  EXPECT_THAT(rows(tables::held), IsEmpty()) << "a ghost: it was delivered";
  stop();
  EXPECT_TRUE(until([&] { return is_recorded(1, 0); }));
}

// Two brokers start; one says its term, loses the turn, and is never heard again.
TEST_F(DeliveryRun, who_keeps_the_turn_goes_on_recording_after_another_has_begun) {
  start();
  append(result("X"));
  ASSERT_TRUE(until([&] { return is_told("X") && is_recorded(1, 0); }));
  model::DeliveryProgressed other;
  other.id = RecordId(sha256("another"));
  other.log = log->id();
  other.term = 1ULL << 40U;
  append({other.id, "delivery", std::string(model::delivery_progressed_kind), write(other), ""}, Topic::operations);
  ASSERT_TRUE(until([&] { return receiver.connected == 2 && delivery->delivering(); }));
  append(result("Y"));
  ASSERT_TRUE(until([&] { return is_told("Y") && is_recorded(2, 0); }));
  EXPECT_EQ(receiver.told, (std::vector<std::string>{"X", "Y"}));
  pass(200ms);
  EXPECT_EQ(receiver.connected, 2);  // its own word is nobody else's
  stop();
}

TEST_F(DeliveryRun, a_new_one_that_is_killed_at_once_begins_where_it_began) {
  options.record_every = 1h;
  start();
  append(result("X"));
  ASSERT_TRUE(until([&] { return is_told("X"); }));
  log->fail_appends(1'000'000, {ErrorCode::unavailable, "killed before it could say anything"});
  stop();
  log->fail_appends(0, {});
  receiver.told.clear();
  start();
  EXPECT_TRUE(until([&] { return is_told("X"); }, 2s)) << "what it was to get is passed over";
}

// --- order ---

TEST_F(DeliveryRun, what_two_facilities_say_of_one_patient_stands_in_one_order) {
  start();
  receiver.keeps = {"A"};
  append(Message("A", {.number = "P1", .facility = "h1"}).sent_by("lab").report({}).record());
  append(result("B", {.number = "P1", .facility = "h1"}));
  append(result("C", {.number = "P1", .facility = "lab"}));
  ASSERT_TRUE(until([&] { return is_told("A") && is_told("C"); })) << "the laboratory's own P1 is somebody else";
  pass(50ms);
  EXPECT_FALSE(is_told("B"));
  receiver.keeps.clear();
  EXPECT_TRUE(until([&] { return is_told("B"); }));
  replay(3, "h1/P1");
  EXPECT_TRUE(until([&] { return is_told("A-r") && is_told("B-r"); }));
  pass(20ms);
  EXPECT_FALSE(is_told("C-r"));
}

TEST_F(DeliveryRun, a_merge_does_not_overtake_what_the_projector_has_not_reached_in_another_partition) {
  make(4);
  const auto partition_of = [](const std::string& number) { return std::hash<std::string_view>()("h1/" + number) % 4; };
  std::string other = "P2";
  while (partition_of(other) == partition_of("P1")) other += "2";
  start();
  projecting = false;
  const auto at = append(result("ORU", {.number = "P1"}));
  const auto merge = append(Message("A40", {.number = other}).merge("P1").record());
  ASSERT_NE(at.partition, merge.partition);
  delivery->projected(merge.partition, merge.offset + 1);  // this partition's turn came first
  pass(100ms);
  EXPECT_THAT(receiver.told, IsEmpty());
  projecting = true;
  ASSERT_TRUE(until([&] { return receiver.told.size() == 2; }));
  EXPECT_THAT(receiver.told, ElementsAre("ORU", "A40"));
}

// --- decisions about persons ---

class DeliveryOfDecisions : public DeliveryRun {
 protected:
  // A steward's, of these two patients of h1.
  void decide(const std::string& name, DecisionKind kind = DecisionKind::linked, std::string a = "P1",
              std::string b = "P2") {
    IdentityDecision decision;
    decision.id = RecordId(sha256("decision " + name));
    decision.kind = kind;
    decision.patient = {"h1", std::move(a)};
    decision.other = {"h1", std::move(b)};
    if (kind == DecisionKind::split) {
      decision.rest = {decision.patient};
      decision.apart = {decision.other};
    }
    decision.by = decision.client = decision.note = "steward";
    decision.at = system_clock().now();
    append({decision.id, "h1/P1", std::string(to_string(kind)), write(decision), ""}, Topic::identity);
  }
  // The ward, by its own cursor; one that is idle, and whoever is new, by the router's.
  bool has_place(bool is_idle) {
    for (const auto& row : rows(tables::subscribers)) {
      if (std::get<std::string>(row[0]) != (is_idle ? "" : ward.name)) continue;
      const auto standing = model::read_standing(std::get<std::string>(row[1]));
      for (const auto& cursor : standing->cursors) {
        if (cursor.stream == model::Stream{0, static_cast<std::uint8_t>(Topic::identity), 0}) return true;
      }
    }
    return false;
  }
  // As a version recorded it that told nobody of decisions.
  void forget_identity() {
    model::DeliveryProgressed before;
    before.log = log->id();
    before.id = RecordId(sha256("before"));
    for (const auto& row : rows(tables::subscribers)) {
      auto standing = *model::read_standing(std::get<std::string>(row[1]));
      std::erase_if(standing.cursors, [](const auto& cursor) { return cursor.stream.topic == 2; });
      if (const auto name = std::get<std::string>(row[0]); name.empty()) {
        before.term = standing.term;
        before.router = standing.cursors;
      } else {
        standing.name = name;
        before.subscribers.push_back(std::move(standing));
      }
    }
    append({before.id, "delivery", std::string(model::delivery_progressed_kind), write(before), ""}, Topic::operations);
    ASSERT_TRUE(until([&] { return !has_place(true) && !has_place(false); }));
  }
};

TEST_F(DeliveryOfDecisions, come_in_the_order_of_both_patients) {
  start();
  receiver.keeps = {"A"};
  append(result("A", {.number = "P2"}));
  ASSERT_TRUE(until([&] { return is_told("A"); }));
  decide("1");
  append(result("B", {.number = "P1"}));
  append(result("C", {.number = "P3"}));
  ASSERT_TRUE(until([&] { return is_told("C"); }));
  pass(50ms);
  EXPECT_THAT(receiver.told, ElementsAre("A", "C"));
  receiver.keeps.clear();
  ASSERT_TRUE(until([&] { return receiver.told.size() == 4; }));
  EXPECT_THAT(receiver.told, ElementsAre("A", "C", "identity.linked", "B"));
}

TEST_F(DeliveryOfDecisions, one_that_is_not_applied_yet_is_not_overtaken_and_nobody_waits_who_does_not_hear_of_it) {
  for (const bool hears : {true, false}) {
    if (!hears) ward.filter.kinds = {"result.reported"};
    projecting = true;
    const auto before = receiver.told.size();
    start();
    projecting = false;
    decide(hears ? "1" : "2");
    auto record = result(hears ? "A" : "B");
    record.kinds = "result.reported";
    const auto at = append(std::move(record));
    delivery->projected(at.partition, at.offset + 1);  // this partition's turn came first
    if (!hears) {
      EXPECT_TRUE(until([&] { return is_told("B"); }, 2s));
      break;
    }
    pass(100ms);
    EXPECT_EQ(receiver.told.size(), before);
    projecting = true;
    ASSERT_TRUE(until([&] { return is_told("A"); }));
    EXPECT_THAT(receiver.told, ElementsAre("identity.linked", "A"));
    stop();
  }
}

TEST_F(DeliveryOfDecisions, are_told_once_across_a_restart_and_again_where_an_operator_asks) {
  start();
  decide("1");
  ASSERT_TRUE(until([&] { return is_told("identity.linked"); }));
  stop();
  decide("2", DecisionKind::split);
  start();
  ASSERT_TRUE(until([&] { return is_told("identity.split"); }));
  pass(50ms);
  EXPECT_THAT(receiver.told, ElementsAre("identity.linked", "identity.split"));
  model::DeliveryCommanded said;
  said.action = model::DeliveryAction::replay;
  said.patient = "h1/P2";  // of either
  said.ranges = {{{0, static_cast<std::uint8_t>(Topic::identity), 0}, 0, 2}};
  command(std::move(said));
  ASSERT_TRUE(until([&] { return receiver.told.size() == 4; }));
  EXPECT_THAT(receiver.told, ElementsAre("identity.linked", "identity.split", "identity.linked-r", "identity.split-r"));
}

TEST_F(DeliveryOfDecisions, who_is_declared_anew_from_the_beginning_gets_the_old_ones_too) {
  ward.from_beginning = true;
  make(1);
  decide("1");
  append(result("A", {.number = "P3"}));
  start();
  EXPECT_TRUE(until([&] { return is_told("identity.linked") && is_told("A"); }));
}

// Whatever else it has open, and from wherever it was declared: nobody is told of ten years of links.
TEST_F(DeliveryOfDecisions, after_an_upgrade_begin_with_what_comes_from_then_on) {
  for (const bool from_beginning : {false, true}) {
    for (const bool is_open : {false, true}) {
      const auto tag = std::to_string(from_beginning) + std::to_string(is_open);
      SCOPED_TRACE(tag);
      ward.name = "ward" + tag;
      ward.from_beginning = from_beginning;
      receiver.away = false;
      start();
      const auto end = *await(log->end({Topic::events, 0}));
      append(result("known" + tag));
      ASSERT_TRUE(until([&] { return is_told("known" + tag) && is_recorded(end + 1, 0); }));
      receiver.away = is_open;
      if (is_open) {
        append(result("open" + tag));
        ASSERT_TRUE(until([&] { return is_recorded(end + 2, 1); }));
      }
      stop();
      receiver.told.clear();
      decide("old" + tag, DecisionKind::linked, "P1", "Q" + tag);
      pass(20ms);
      forget_identity();
      start();
      ASSERT_TRUE(until([&] { return has_place(!is_open); })) << "where it begins is recorded at once";
      stop();  // what is decided while nobody delivers is told, all the same
      decide("new" + tag, DecisionKind::split, "P1", "R" + tag);
      pass(20ms);
      start();
      receiver.away = false;
      ASSERT_TRUE(until([&] { return is_told("identity.split") && is_told("open" + tag) == is_open; }));
      pass(50ms);
      EXPECT_FALSE(is_told("identity.linked"));
      stop();
    }
  }
}

// --- what is sensitive ---

TEST_F(DeliveryRun, what_a_better_map_has_labelled_meanwhile_is_withheld_in_every_form) {
  start();
  operate(model::DeliveryAction::pause);
  ASSERT_TRUE(until([&] { return status().paused; }));
  append(read_as("", 1));
  append(result("GLU", {.number = "P2"}));
  ASSERT_TRUE(until([&] { return is_recorded(2, 2); }));
  label_it();
  operate(model::DeliveryAction::resume);
  ASSERT_TRUE(until([&] { return is_told("GLU") && status().open == 0; }));
  EXPECT_FALSE(is_told("HIV"));
}

TEST_F(DeliveryRun, what_another_was_told_before_it_was_labelled_is_withheld) {
  others = {another("earlier")};
  start();
  operate(model::DeliveryAction::pause);
  ASSERT_TRUE(until([&] { return status().paused; }));
  append(read_as("", 1));
  ASSERT_TRUE(until([&] { return is_told("HIV"); }));
  label_it();
  receiver.told.clear();
  operate(model::DeliveryAction::resume);
  ASSERT_TRUE(until([&] { return !status().paused && status().open == 0; }));
  EXPECT_THAT(receiver.told, IsEmpty());
}

// --- what a delivery costs ---

TEST_F(DeliveryRun, what_several_are_told_at_one_moment_is_looked_up_once) {
  others = {another("a"), another("b"), another("c")};
  start();
  append(result("X"));
  ASSERT_TRUE(until([&] { return receiver.told.size() == 4; }));
  EXPECT_EQ(counting.reports, 1);
}

TEST_F(DeliveryRun, who_is_far_behind_comes_on_although_everything_new_is_late) {
  options.far_behind = 10;
  receiver.away = true;
  start();
  for (int i = 0; i < 600; ++i) append(result("O" + std::to_string(i), {.number = std::to_string(i)}));
  ASSERT_TRUE(until([&] { return status().open >= 200 && status().lag_records >= 300; }))
      << status().open << ' ' << status().lag_records;
  receiver.away = false;
  receiver.takes = 4ms;
  projecting = false;
  for (int i = 0; !is_told("O599") && i < 1'000; ++i) {  // each new one is 7 ms old when it is read
    append(result("N" + std::to_string(i)));
    pass(7ms);
    projecting = true;
    pass(1ms);
    projecting = false;
  }
  projecting = true;
  EXPECT_TRUE(is_told("O599"));
}

// --- replays ---

TEST_F(DeliveryRun, a_replay_does_not_go_beyond_what_the_projector_has_applied) {
  start();
  append(result("A"));
  ASSERT_TRUE(until([&] { return is_told("A") && is_recorded(1, 0); }));
  projecting = false;
  append(result("B"));
  replay(2);
  ASSERT_TRUE(until([&] { return is_told("A-r"); }));
  pass(100ms);
  EXPECT_FALSE(is_told("B-r"));
  projecting = true;
  EXPECT_TRUE(until([&] { return is_told("B-r") && is_told("B"); }));
}

TEST_F(DeliveryRun, a_replay_that_was_open_at_a_restart_ends_although_much_that_is_new_has_come) {
  start();
  for (int i = 0; i < 10; ++i) append(result("old" + std::to_string(i), {.number = "P" + std::to_string(i)}));
  ASSERT_TRUE(until([&] { return receiver.told.size() == 10 && is_recorded(10, 0); }));
  receiver.away = true;
  replay(10);
  ASSERT_TRUE(until([&] { return status().replaying == 1 && is_recorded(10, 10); }));
  stop();
  for (int i = 0; i < 300; ++i) append(result("new" + std::to_string(i), {.number = "N" + std::to_string(i)}));
  pass(100ms);
  receiver.away = false;
  start();
  EXPECT_TRUE(until([&] { return receiver.told.size() == 320; })) << receiver.told.size();
  EXPECT_TRUE(until([&] { return status().replaying == 0; }));
}

TEST_F(DeliveryRun, what_another_filter_does_not_want_any_more_of_a_replay_holds_nothing_up) {
  start();
  append(result("old"));
  ASSERT_TRUE(until([&] { return is_told("old") && is_recorded(1, 0); }));
  receiver.away = true;
  replay(1);
  ASSERT_TRUE(until([&] { return status().replaying == 1 && is_recorded(1, 1); }));
  stop();
  ward.filter.kinds = {"order.placed"};
  receiver.away = false;
  start();
  auto ordered = Message("order").order({}).record();
  ordered.kinds = "order.placed";
  append(std::move(ordered));
  EXPECT_TRUE(until([&] { return is_told("order"); }));
  EXPECT_FALSE(is_told("old-r"));
  EXPECT_TRUE(until([&] { return status().replaying == 0; }));
}

// --- beginning anew ---

TEST_F(DeliveryRun, declared_as_before_everything_goes_on_undisturbed) {
  start();
  receiver.keeps = {"A"};
  append(result("A"));
  ASSERT_TRUE(until([&] { return is_told("A"); }));
  delivery->reload({ward});
  pass(2 * options.drain);  // longer than anybody who is stopped is waited for
  receiver.keeps.clear();
  ASSERT_TRUE(until([&] { return is_recorded(1, 0); }));
  EXPECT_THAT(receiver.told, ElementsAre("A"));
  EXPECT_EQ(receiver.connected, 1);
  ward.authority = "county-ca.pem";  // what stands in a file may be another
  delivery->reload({ward});
  EXPECT_TRUE(until([&] { return receiver.connected == 2; }));
  delivery->reload({ward});
  EXPECT_TRUE(until([&] { return receiver.connected == 3; }));
}

// --- what clients declare ---

class DeliveryToClients : public DeliveryRun {
 protected:
  void declare(model::DeclaredState state) {
    one.subscription = "00112233445566778899aabbccddeeff";
    ++one.version;
    one.state = state;
    one.id = RecordId(sha256("declared" + std::to_string(one.version)));
    one.client = "c";
    one.criteria = "DiagnosticReport?";
    one.endpoint = "https://his.example.cn/in";
    one.filter.kinds = {"result.reported"};
    append({one.id, "delivery", std::string(model::subscription_declared_kind), write(one), ""}, Topic::operations);
  }
  static port::Record report(const std::string& control, Said said = {}) {
    auto record = result(control, said);
    record.kinds = "result.reported";
    return record;
  }
  bool stands(model::DeclaredState state) {
    for (const auto& row : rows(tables::declared_subscriptions)) {
      auto read = model::read_subscription_declared(std::get<std::string>(row[2]));
      if (read->state != state) continue;
      one = *read;
      return true;
    }
    return false;
  }
  std::ptrdiff_t times(const std::string& name) { return std::count(receiver.told.begin(), receiver.told.end(), name); }
  model::SubscriptionDeclared one = [] {
    model::SubscriptionDeclared fresh;
    fresh.version = 0;
    return fresh;
  }();
};

TEST_F(DeliveryToClients, they_come_and_go_while_everything_goes_on_undisturbed) {
  start();
  receiver.keeps = {"A"};
  append(report("A"));
  ASSERT_TRUE(until([&] { return is_told("A"); }));
  declare(model::DeclaredState::requested);
  ASSERT_TRUE(until([&] { return stands(model::DeclaredState::active); }));
  EXPECT_EQ(times("handshake"), 1);
  append(report("B", {.number = "P2"}));
  ASSERT_TRUE(until([&] { return times("B") == 2; })) << "the ward's and the client's";
  declare(model::DeclaredState::off);
  ASSERT_TRUE(until([&] { return delivery->subscriptions()->size() == 1; }));
  append(report("C", {.number = "P3"}));
  ASSERT_TRUE(until([&] { return is_told("C"); }));
  pass(50ms);
  EXPECT_EQ(times("C"), 1);
  declare(model::DeclaredState::requested);
  EXPECT_TRUE(until([&] { return times("C") == 2; })) << "it goes on where it was";
  ASSERT_TRUE(until([&] { return stands(model::DeclaredState::active); }));
  declare(model::DeclaredState::deleted);
  ASSERT_TRUE(until([&] { return rows(tables::declared_subscriptions).empty(); }));
  receiver.keeps.clear();
  EXPECT_TRUE(until([&] { return is_recorded(3, 0); }));
  EXPECT_EQ(times("A"), 1) << "the ward's delivery was cut off";
}

TEST_F(DeliveryToClients, what_one_missed_while_it_was_off_comes_once) {
  make(4);
  start();
  declare(model::DeclaredState::requested);
  ASSERT_TRUE(until([&] { return stands(model::DeclaredState::active); }));
  append(report("B", {.number = "P2"}));
  ASSERT_TRUE(until([&] { return times("B") == 2; }));
  declare(model::DeclaredState::off);
  ASSERT_TRUE(until([&] { return delivery->subscriptions()->size() == 1; }));
  append(report("C", {.number = "P3"}));
  append(report("D", {.number = "P4"}));
  ASSERT_TRUE(until([&] { return is_told("C") && is_told("D"); }));
  for (const bool restarts : {false, true}) {
    if (restarts) {
      declare(model::DeclaredState::off);
      ASSERT_TRUE(until([&] { return delivery->subscriptions()->size() == 1; }));
      append(report("E", {.number = "P5"}));
      stop();
      start();
    }
    ASSERT_TRUE(stands(model::DeclaredState::off));
    declare(model::DeclaredState::requested);
    ASSERT_TRUE(until([&] { return stands(model::DeclaredState::active); }));
    pass(500ms);
    EXPECT_EQ(times("C"), 2);
    EXPECT_EQ(times("D"), 2);
    EXPECT_EQ(times("E"), restarts ? 2 : 0);
  }
}

TEST_F(DeliveryToClients, what_was_declared_while_the_router_was_behind_is_heeded_once) {
  start();
  declare(model::DeclaredState::requested);
  ASSERT_TRUE(until([&] { return stands(model::DeclaredState::active); }));
  append(report("B", {.number = "P2"}));
  ASSERT_TRUE(until([&] { return times("B") == 2; }));
  projecting = false;
  declare(model::DeclaredState::off);
  append(report("C", {.number = "P3"}));
  declare(model::DeclaredState::requested);
  declare(model::DeclaredState::active);
  append(report("D", {.number = "P4"}));
  projecting = true;
  ASSERT_TRUE(until([&] { return times("D") == 2; }));
  pass(200ms);
  EXPECT_EQ(times("B"), 2);
  EXPECT_EQ(times("C"), 2);
  EXPECT_EQ(times("D"), 2);
}

TEST_F(DeliveryToClients, one_begins_where_its_record_says_although_it_is_killed_at_once) {
  options.record_every = 1h;
  start();
  declare(model::DeclaredState::requested);
  ASSERT_TRUE(until([&] { return stands(model::DeclaredState::active); }));
  append(report("X"));
  ASSERT_TRUE(until([&] { return times("X") == 2; }));
  log->fail_appends(1'000'000, {ErrorCode::unavailable, "killed before it could say anything"});
  stop();
  log->fail_appends(0, {});
  receiver.told.clear();
  start();
  EXPECT_TRUE(until([&] { return times("X") == 2; }, 2s)) << "what it was to get is passed over";
  EXPECT_EQ(times("handshake"), 0);
}

TEST_F(DeliveryToClients, what_is_asked_for_is_asked_again_by_who_begins) {
  start();
  receiver.keeps = {"handshake"};
  declare(model::DeclaredState::requested);
  ASSERT_TRUE(until([&] { return times("handshake") == 1; }));
  stop();
  receiver.keeps.clear();
  start();
  EXPECT_TRUE(until([&] { return stands(model::DeclaredState::active); }));
  EXPECT_EQ(times("handshake"), 2);
}

TEST_F(DeliveryToClients, what_came_of_an_earlier_version_does_not_count) {
  start();
  receiver.keeps = {"handshake"};
  declare(model::DeclaredState::requested);
  ASSERT_TRUE(until([&] { return times("handshake") == 1; }));
  receiver.keeps.clear();
  declare(model::DeclaredState::off);
  ASSERT_TRUE(until([&] { return stands(model::DeclaredState::off); }));
  pass(100ms);
  EXPECT_TRUE(stands(model::DeclaredState::off));
}

TEST_F(DeliveryToClients, its_end_is_said_when_it_has_come) {
  start();
  one.end = system_clock().now() + 300ms;
  declare(model::DeclaredState::requested);
  ASSERT_TRUE(until([&] { return stands(model::DeclaredState::active); }));
  EXPECT_TRUE(until([&] { return stands(model::DeclaredState::off); }, 3s));
  append(report("X"));
  ASSERT_TRUE(until([&] { return is_told("X"); }));
  pass(50ms);
  EXPECT_EQ(times("X"), 1);
}

TEST_F(DeliveryRun, what_came_while_it_was_not_sure_whose_turn_it_is_is_handed_over_afterwards) {
  start();
  for (int i = 0; i < 20; ++i) {  // the doubt is as short as one question
    const auto name = "A" + std::to_string(i);
    doubts = 1;
    append(result(name));
    ASSERT_TRUE(until([&] { return is_told(name); }, 1s)) << i;
  }
}

}  // namespace
}  // namespace hutong::pipeline
