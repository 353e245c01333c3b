#include "broker/access/audit_chain.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "broker/access/audit_verify.h"
#include "broker/access/synced_file.h"
#include "broker/base/thread.h"

namespace hutong::access {
namespace {

constexpr std::size_t batch_most = 1024;

std::string reason(const char* what) {
  return std::string("the audit file cannot be ") + what + " (" + std::strerror(errno) + ")";
}

}  // namespace

AuditChain::AuditChain(AuditOptions options, SigningKey key, const Clock& clock)
    : options_(std::move(options)), key_(std::move(key)), clock_(clock), last_checkpoint_(clock.ticks()) {
  if (!options_.write) options_.write = ::write;
  if (!options_.sync) options_.sync = ::fdatasync;
  open();
  writer_ = std::thread([this] {
    name_this_thread("audit");
    run();
  });
}

AuditChain::~AuditChain() {
  close();
  if (file_ >= 0) ::close(file_);
}

void AuditChain::open() {
  std::filesystem::create_directories(options_.directory);
  std::filesystem::permissions(options_.directory, std::filesystem::perms::owner_all);
  auto end = find_audit_end(options_.directory, nullptr);
  if (!end) throw std::runtime_error(end.error().message);
  head_ = end->head;
  cut_bytes_ = end->cut_bytes;
  since_checkpoint_ = end->since_checkpoint;
  if (end->file.empty()) return;  // the first record makes the first file
  file_ = ::open(end->file.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (file_ < 0 || ::ftruncate(file_, static_cast<off_t>(end->file_bytes)) != 0 || options_.sync(file_) != 0) {
    throw std::runtime_error(reason("opened") + ": " + end->file.string());
  }
  file_bytes_ = end->file_bytes;
}

net::awaitable<Result<std::uint64_t>> AuditChain::record(AuditEntry entry) {
  std::vector<AuditEntry> entries;
  entries.push_back(std::move(entry));
  return record(std::move(entries));
}

net::awaitable<Result<std::uint64_t>> AuditChain::record(std::vector<AuditEntry> entries) {
  co_return co_await net::async_initiate<const net::use_awaitable_t<>&, void(Result<std::uint64_t>)>(
      [this](auto handler, std::vector<AuditEntry> taken) {
        auto held = std::make_shared<decltype(handler)>(std::move(handler));
        auto executor = net::get_associated_executor(*held);
        push(std::move(taken), [held, executor, work = net::make_work_guard(executor)](Result<std::uint64_t> result) {
          net::post(executor, [held, result = std::move(result)]() mutable { (*held)(std::move(result)); });
        });
      },
      net::use_awaitable, std::move(entries));
}

void AuditChain::push(std::vector<AuditEntry> entries, Answer answer) {
  Result<std::uint64_t> refused = std::uint64_t{0};
  {
    const std::lock_guard lock(mutex_);
    if (failed_ || closing_) {
      refused = fail(ErrorCode::unavailable, failed_ ? trouble_ : "the broker is stopping");
    } else if (queue_.size() >= options_.queue) {
      refused = fail(ErrorCode::overloaded, "too many audit records are waiting for the disk: try again");
    } else {
      queue_.push_back({std::move(entries), std::move(answer)});
      wake_.notify_one();
      return;
    }
  }
  answer(std::move(refused));
}

void AuditChain::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    const auto work = [this] { return closing_ || !queue_.empty(); };
    if (!trouble_.empty() && !failed_) {
      wake_.wait_for(lock, options_.retry_every, work);  // a freed disk is noticed without a read that fails first
    } else if (since_checkpoint_ > 0) {
      wake_.wait_for(lock, options_.checkpoint_every, work);
    } else {
      wake_.wait(lock, work);
    }
    std::vector<Waiting> batch;
    const std::size_t size = std::min(queue_.size(), batch_most);
    std::move(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(size), std::back_inserter(batch));
    queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(size));
    const bool last = closing_ && queue_.empty();
    lock.unlock();
    commit(std::move(batch), last);
    lock.lock();
    if (last) return;
  }
}

bool AuditChain::checkpoint_due(std::uint64_t records) const {
  return records >= options_.checkpoint_records ||
         (records > 0 && clock_.ticks() - last_checkpoint_ >= options_.checkpoint_every);
}

void AuditChain::commit(std::vector<Waiting> batch, bool closing) {
  AuditHead head = head_;  // only this thread changes it
  const std::uint64_t durable = head.sequence;
  std::string lines;
  for (const auto& waiting : batch) {
    for (const auto& entry : waiting.entries) append_audit_entry(lines, head, durable, entry);
  }
  const std::uint64_t records = since_checkpoint_ + (head.sequence - durable);
  const bool probe = batch.empty() && !closing && !trouble_.empty();
  const bool checkpoint = !failed_ && (checkpoint_due(records) || (closing && records > 0) || probe);
  std::string signed_head;
  if (checkpoint) {
    const Timestamp at = clock_.now();
    signed_head = write_audit_head(head, at, key_);
    append_audit_checkpoint(lines, head, durable, at, key_);
  }
  Result<void> done = lines.empty() ? Result<void>() : put(lines);
  if (done && checkpoint) {
    since_checkpoint_ = 0;
    last_checkpoint_ = clock_.ticks();
  } else if (done) {
    since_checkpoint_ = records;
  }
  {
    const std::lock_guard lock(mutex_);
    if (done) head_ = head;
    if (done && !lines.empty()) trouble_.clear();
    if (!done) trouble_ = done.error().message;
  }
  std::uint64_t sequence = durable;
  for (auto& waiting : batch) {
    sequence += waiting.entries.size();
    waiting.answer(done ? Result<std::uint64_t>(sequence) : Result<std::uint64_t>(tl::unexpected<Error>(done.error())));
  }
  // Nobody waits for the copy, and losing it loses no record: the chain itself carries the checkpoint.
  if (done && checkpoint) static_cast<void>(replace_file(options_.directory / audit_head_file, signed_head));
}

Result<void> AuditChain::put(std::string_view bytes) {
  if (failed_) return fail(ErrorCode::unavailable, trouble_);
  if (file_ < 0 || file_bytes_ >= options_.rotate_bytes) {
    if (auto rotated = rotate(); !rotated) return rotated;
  }
  std::string_view rest = bytes;
  while (!rest.empty()) {
    const ssize_t written = options_.write(file_, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      std::string what = reason("written") + ": nothing is read until it can; free or repair the disk of DIR/audit";
      // A full disk may be freed: the chain goes on where it was, if the half line can be taken back.
      if (::ftruncate(file_, static_cast<off_t>(file_bytes_)) == 0)
        return fail(ErrorCode::unavailable, std::move(what));
      const std::lock_guard lock(mutex_);
      failed_ = true;
      return fail(ErrorCode::unavailable, std::move(what));
    }
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  if (options_.sync(file_) != 0) {
    // A second sync may succeed after the pages were dropped: never again with this file in this process.
    const std::lock_guard lock(mutex_);
    failed_ = true;
    return fail(ErrorCode::unavailable,
                reason("synced") + ": check the disk of DIR/audit, then start the broker again");
  }
  file_bytes_ += bytes.size();
  return {};
}

Result<void> AuditChain::rotate() {
  const auto path = options_.directory / audit_file_name(head_.sequence + 1);
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return fail(ErrorCode::unavailable, reason("made") + ": " + path.string());
  if (auto synced = sync_directory(options_.directory); !synced) {
    ::close(fd);
    return synced;
  }
  if (file_ >= 0) ::close(file_);
  file_ = fd;
  file_bytes_ = 0;
  return {};
}

Result<void> AuditChain::health() const {
  const std::lock_guard lock(mutex_);
  if (!trouble_.empty()) return fail(ErrorCode::unavailable, trouble_);
  return {};
}

AuditHead AuditChain::head() const {
  const std::lock_guard lock(mutex_);
  return head_;
}

void AuditChain::close() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    wake_.notify_one();
  }
  if (writer_.joinable()) writer_.join();
}

}  // namespace hutong::access
