// The writer: the only code that changes a segment. What it promises: an append is told "durable" only after
// fdatasync returned 0 for its bytes; a failed sync is never tried again; a full disk leaves the log as it was.
#include <algorithm>
#include <filesystem>

#include "adapters/log/journal/topic_journal.h"
#include "broker/base/thread.h"

namespace hutong::journal {
namespace {

constexpr std::chrono::milliseconds probe_every{250};

}  // namespace

void TopicJournal::run() {
  name_this_thread("log " + std::string(to_string(place_.topic)));
  batch_this_thread();  // beside a busy shard on the same core: larger batches, fewer writes
  std::unique_lock lock(mutex_);
  const auto work = [this] { return stopping_ || !pending_.empty(); };
  for (;;) {
    if (const auto patience = idle_patience(); !patience) {
      wake_.wait(lock, work);
    } else if (!wake_.wait_for(lock, *patience, work)) {
      lock.unlock();
      blocked_bytes_ > 0 ? probe() : seal();
      lock.lock();
      continue;
    }
    if (pending_.empty()) break;  // stopping, and all is written
    gather(lock);
    Pending batch = std::move(pending_.front());
    pending_.pop_front();
    lock.unlock();
    const std::size_t bytes = batch.used - batch_header_bytes;
    const auto first = write(batch);
    for (Waiting& waiting : batch.waiting) {
      waiting.completion->finish(first ? Result<Offset>(*first + waiting.first_record)
                                       : Result<Offset>(tl::unexpected(first.error())));
    }
    batch = {};
    lock.lock();
    queued_bytes_ -= bytes;
  }
  lock.unlock();
  if (seal_due_) seal();
}

// A sync costs the processor as much as some twenty records, however few it is for.
void TopicJournal::gather(std::unique_lock<std::mutex>& lock) {
  const auto large = [this] { return stopping_ || pending_.front().used >= large_batch_bytes || pending_.size() > 1; };
  wake_.wait_until(lock, next_small_batch_, large);
  next_small_batch_ = std::chrono::steady_clock::now() + shared_.options.gather;
}

Result<Offset> TopicJournal::write(Pending& batch) {
  if (auto refusal = shared_.disk.refusal()) return tl::unexpected(std::move(*refusal));
  const Offset first = cursor_.next;
  if (auto written = write_batch(batch); !written) {
    if (written.error().passes()) blocked_bytes_ = whole_blocks(batch.used);
    return tl::unexpected(shared_.disk.note(written.error()));
  }
  shared_.disk.wrote();
  blocked_bytes_ = 0;
  prepare_next();
  return first;
}

// How long the writer may sleep; nothing: until there is something to write.
std::optional<std::chrono::milliseconds> TopicJournal::idle_patience() const {
  if (shared_.disk.failed()) return std::nullopt;
  if (blocked_bytes_ > 0) return probe_every;
  if (seal_due_ && shared_.options.seal_after.count() >= 0) return shared_.options.seal_after;
  return std::nullopt;
}

// The disk was full: tries, without any record at stake, what the refused batch needed. So the log is writable again,
// and says so, before the next sender dares.
void TopicJournal::probe() {
  DiskResult<void> tried;
  if (needs_roll(blocked_bytes_)) {
    tried = roll();
  } else {
    tried = write_seal();
  }
  if (!tried) {
    shared_.disk.note(tried.error());
    return;
  }
  blocked_bytes_ = 0;
  shared_.disk.wrote();
}

bool TopicJournal::needs_roll(std::uint64_t bytes) const {
  return cursor_.position > block_bytes && cursor_.position + bytes > active_->header.file_bytes;
}

DiskResult<void> TopicJournal::write_batch(Pending& batch) {
  const std::uint64_t bytes = whole_blocks(batch.used);
  if (needs_roll(bytes)) {
    if (auto rolled = roll(); !rolled) return rolled;
  }
  BatchHeader header = follow(active_->header, cursor_, BatchKind::records);
  header.records = batch.records;
  header.payload_bytes = static_cast<std::uint32_t>(batch.used - batch_header_bytes);
  write_batch_header(header, batch.buffer->data(), batch.checksum);
  // Nothing of the cursor moves until all is synced: whatever a failed write leaves behind is overwritten by the next.
  if (auto written =
          write_all(shared_.ops, file_.get(), {batch.buffer->data(), bytes}, cursor_.position, active_->path);
      !written) {
    return written;
  }
  if (auto synced = sync(file_.get(), active_->path); !synced) return synced;
  written_ += bytes;
  const std::uint64_t position = cursor_.position;
  cursor_ = {position + bytes, header.end(), header.sequence + 1, header.checksum};
  last_written_ = batch.last_appended;
  seal_due_ = true;
  publish(&batch, position, header.first_offset);
  return {};
}

DiskResult<void> TopicJournal::sync(int file, const std::string& path) {
  if (shared_.options.unsafe_no_fdatasync) return {};
  return sync_data(shared_.ops, file, path);
}

// The new segment stands, whole and synced, before the old one says that it is closed.
DiskResult<void> TopicJournal::roll() {
  std::optional<Spare> spare;
  {
    const std::lock_guard lock(spare_mutex_);
    if (!spares_.empty()) {
      spare = std::move(spares_.front());
      spares_.pop_front();
    }
  }
  SegmentHeader header;
  header.epoch = active_->header.epoch + 1;
  header.first_offset = cursor_.next;
  header.first_sequence = cursor_.sequence;
  header.previous = cursor_.previous;
  header.last_appended = last_written_;
  auto made = create_segment(place_, header, std::move(spare));
  if (!made) return tl::unexpected(made.error());
  if (!seal_block_.data()) seal_block_ = Buffer(block_bytes);
  write_empty_batch(active_->header, cursor_, BatchKind::closed, seal_block_.data());
  auto closed = write_all(shared_.ops, file_.get(), {seal_block_.data(), block_bytes}, cursor_.position, active_->path);
  if (closed) closed = sync(file_.get(), active_->path);
  if (!closed && !closed.error().passes()) return closed;
  file_ = std::move(made->file);
  active_ = made->segment;
  cursor_.position = block_bytes;
  cursor_.previous = active_->header.checksum;
  shared_.bytes.fetch_add(active_->header.file_bytes, std::memory_order_relaxed);
  const std::lock_guard lock(mutex_);
  segments_.push_back(active_);
  durable_ = cursor_;
  return {};
}

// An idle sync is followed by a seal: from then on damage to the last batch is told from a torn write.
void TopicJournal::seal() {
  if (shared_.disk.failed()) return;
  if (auto sealed = write_seal(); !sealed) {
    seal_due_ = false;
    if (!sealed.error().passes()) shared_.disk.note(sealed.error());
  }
  shared_.buffers->release_idle();
}

DiskResult<void> TopicJournal::write_seal() {
  if (!seal_block_.data()) seal_block_ = Buffer(block_bytes);
  BatchHeader header = follow(active_->header, cursor_, BatchKind::seal);
  write_batch_header(header, seal_block_.data(), 0);
  auto written =
      write_all(shared_.ops, file_.get(), {seal_block_.data(), block_bytes}, cursor_.position, active_->path);
  if (written) written = sync(file_.get(), active_->path);
  if (!written) return written;
  const std::uint64_t position = cursor_.position;
  cursor_ = {position + block_bytes, header.first_offset, header.sequence + 1, header.checksum};
  seal_due_ = false;
  publish(nullptr, position, header.first_offset);
  return {};
}

void TopicJournal::publish(Pending* batch, std::uint64_t position, Offset first) {
  const std::lock_guard lock(mutex_);
  durable_ = cursor_;
  active_->end = cursor_.position;
  if (position - active_->index.back().position >= index_step_bytes) active_->index.push_back({first, position});
  if (batch == nullptr) return;
  remember(*batch, first);
  std::erase_if(tailing_, [this](const Tailing& tailing) {
    if (tailing.seen >= durable_.next) return false;
    tailing.wake();
    return true;
  });
}

void TopicJournal::remember(Pending& batch, Offset first) {
  const std::size_t payload = batch.used - batch_header_bytes;
  std::shared_ptr<Buffer> kept = batch.buffer;
  if (batch.used < kept->capacity() / 4) {  // a small batch must not hold a large buffer
    kept = std::make_shared<Buffer>(whole_blocks(batch.used));
    std::memcpy(kept->data(), batch.buffer->data(), batch.used);
  }
  recent_bytes_ += kept->capacity();
  recent_.push_back({first, first + batch.records, std::move(kept), payload});
  while (recent_bytes_ > shared_.options.recent_bytes) {
    recent_bytes_ -= recent_.front().buffer->capacity();
    recent_.pop_front();
  }
}

// Spares are made slowly and ahead of need: a burst finds several, and beside a busy writer the preparation takes a
// small share of the disk. When they run out, a roll reserves room only, which costs a burst about a quarter.
void TopicJournal::prepare_next() {
  if (cursor_.position < active_->header.file_bytes / 8) return;
  {
    const std::lock_guard lock(spare_mutex_);
    if (preparing_ || spares_.size() >= shared_.options.spare_segments) return;
    preparing_ = true;
  }
  shared_.preparer.post([this] { prepare(); });
}

// One at a time: other topics have their turn in between.
void TopicJournal::prepare() {
  auto made = make_spare(place_, "spare-" + std::to_string(++spares_made_) + ".tmp",
                         [this, since = written_.load()](std::uint64_t done) { return keep_pace(done, since); });
  {
    const std::lock_guard lock(spare_mutex_);
    if (made) spares_.push_back(std::move(*made));
    preparing_ = made && spares_.size() < shared_.options.spare_segments;
    if (!preparing_) return;  // after a fault, the disk is full, it seems: the next roll will see for itself
  }
  shared_.preparer.post([this] { prepare(); });
}

// Twice as fast as is appended, or 12 MiB a second: every sync waits for the zeros, too, that were written before it.
bool TopicJournal::keep_pace(std::uint64_t done, std::uint64_t since) const {
  for (int moment = 0; moment < 10; ++moment) {
    if (stopped()) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    if (done < 2 * (written_ - since)) break;
  }
  return true;
}

}  // namespace hutong::journal
