#include "adapters/log/journal/journal_log.h"

#include "adapters/log/journal/directory.h"
#include "adapters/log/journal/topic_journal.h"
#include "broker/base/hash.h"

namespace hutong::journal {

struct JournalLog::State {
  explicit State(JournalOptions options) : shared(std::move(options)) {}
  Shared shared;
  File lock;
  std::vector<std::unique_ptr<TopicJournal>> topics;  // by number

  TopicJournal& of(Topic topic) { return *topics.at(static_cast<std::size_t>(topic)); }
  void stop_topics() {
    for (auto& topic : topics) topic->stop();
  }
};

JournalLog::JournalLog(std::unique_ptr<State> state) : state_(std::move(state)) {}

JournalLog::~JournalLog() {
  state_->shared.reader.stop();
  state_->stop_topics();
  state_->shared.preparer.stop();
}

Result<std::unique_ptr<JournalLog>> JournalLog::open(JournalOptions options) {
  auto state = std::make_unique<State>(std::move(options));
  Shared& shared = state->shared;
  std::error_code error;
  std::filesystem::create_directories(shared.options.directory, error);
  if (error) {
    return fail(ErrorCode::unavailable, "making " + shared.options.directory.string() + ": " + error.message());
  }
  auto lock = lock_directory(shared.options.directory);
  if (!lock) return tl::unexpected(lock.error());
  state->lock = std::move(*lock);
  auto log = read_log_id(shared.ops, shared.options.directory);
  if (!log && log.error().code == ErrorCode::not_found) log = create_log(shared.ops, shared.options);
  if (!log) return tl::unexpected(log.error());
  shared.log = *log;
  for (const Topic topic : port::all_topics) {
    TopicPlace place = place_of(shared.ops, shared.options, shared.log, topic);
    auto recovered = recover_topic(place);
    if (!recovered) return tl::unexpected(recovered.error());
    for (const auto& segment : recovered->segments) shared.bytes += segment->header.file_bytes;
    state->topics.push_back(std::make_unique<TopicJournal>(shared, std::move(place), std::move(*recovered)));
  }
  return std::unique_ptr<JournalLog>(new JournalLog(std::move(state)));
}

Result<VerifyReport> JournalLog::verify(const std::filesystem::path& directory) {
  FileOps& ops = system_file_ops();
  JournalOptions options;
  options.directory = directory;
  const auto log = read_log_id(ops, directory);
  if (!log) return tl::unexpected(log.error());
  VerifyReport total;
  for (const Topic topic : port::all_topics) {
    const auto report = verify_topic(place_of(ops, options, *log, topic));
    if (!report) return tl::unexpected(report.error());
    total.segments += report->segments;
    total.batches += report->batches;
    total.records += report->records;
    total.torn_bytes += report->torn_bytes;
  }
  return total;
}

net::awaitable<Result<std::vector<port::Position>>> JournalLog::append(Topic topic,
                                                                       std::span<const port::RecordView> batch) {
  return state_->of(topic).append(batch);
}

net::awaitable<Result<port::Slice>> JournalLog::read(port::Partition partition, Offset from, port::ReadLimit limit) {
  return state_->of(partition.topic).read(from, limit);
}

net::awaitable<Result<Offset>> JournalLog::end(port::Partition partition) {
  co_return state_->of(partition.topic).end();
}

Offset JournalLog::first(port::Partition partition) const {
  return state_->of(partition.topic).first();
}

net::awaitable<void> JournalLog::wait_beyond(port::Partition partition, Offset seen,
                                             std::chrono::milliseconds patience) {
  return state_->of(partition.topic).wait_beyond(seen, patience);
}

std::string JournalLog::id() const {
  return to_hex({state_->shared.log.data(), state_->shared.log.size()});
}

port::Log::Health JournalLog::health() const {
  Health health;
  health.reason = state_->shared.disk.reason();
  health.writable = health.reason.empty();
  health.bytes = state_->shared.bytes.load(std::memory_order_relaxed);
  health.end = state_->of(Topic::events).end();
  return health;
}

net::awaitable<Result<void>> JournalLog::close() {
  auto closed = co_await await_completion<void>([this](std::shared_ptr<Completion<void>> completion) {
    const bool taken = state_->shared.reader.post([this, completion] {
      state_->stop_topics();
      if (state_->shared.disk.failed()) {
        completion->finish(fail(ErrorCode::unavailable, state_->shared.disk.reason()));
      } else {
        completion->finish({});
      }
    });
    if (!taken) completion->finish({});
  });
  co_return closed;
}

Result<void> JournalLog::copy_to(const std::filesystem::path& directory) {
  FileOps& ops = state_->shared.ops;
  std::error_code error;
  if (std::filesystem::exists(directory, error)) {
    return fail(ErrorCode::conflict, directory.string() + " exists already; give a new directory");
  }
  std::filesystem::create_directories(directory, error);
  if (error) return fail(ErrorCode::unavailable, "making " + directory.string() + ": " + error.message());
  // Effects first, causes last: what a decision was made from is in the copy whenever the decision is.
  static constexpr Topic order[] = {Topic::operations, Topic::identity, Topic::quarantine, Topic::events};
  std::vector<TopicJournal::Snapshot> snapshots;
  for (const Topic topic : order) snapshots.push_back(state_->of(topic).snapshot());
  for (std::size_t i = 0; i < snapshots.size(); ++i) {
    auto copied = copy_topic(ops, snapshots[i].segments, snapshots[i].cursor, order[i], directory);
    if (!copied) return copied;
  }
  auto written = write_file(ops, directory.string(), "log.id", log_id_text(state_->shared.log));
  if (!written) return tl::unexpected(as_error(written.error()));
  return {};
}

}  // namespace hutong::journal
