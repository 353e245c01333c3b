// One topic of the journal: its queue, its writer thread, its readers. Records are encoded straight into the batch
// that the writer takes next, by the thread that appends them, so each byte is copied once; what was queued while a
// sync ran goes out with the next one. Threads: as JournalLog. stop() before destruction.
#pragma once

#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "adapters/log/journal/segments.h"
#include "adapters/log/journal/shared.h"
#include "broker/port/completion.h"

namespace hutong::journal {

using port::await_completion;
using port::Completion;

inline constexpr std::size_t large_batch_bytes = 256 * 1024;  // is written at once, a smaller one may gather more

class TopicJournal {
 public:
  TopicJournal(Shared& shared, TopicPlace place, Recovered recovered);

  net::awaitable<Result<std::vector<port::Position>>> append(std::span<const port::RecordView> batch);
  net::awaitable<Result<port::Slice>> read(Offset from, port::ReadLimit limit);
  net::awaitable<void> wait_beyond(Offset seen, std::chrono::milliseconds patience);
  Offset end() const;
  Offset first() const;
  void stop();  // refuses appends, writes what is queued, seals, ends the thread; blocks; may be called again
  bool stopped() const;

  // The durable log at one moment.
  struct Snapshot {
    SegmentList segments;
    Cursor cursor;  // in the last segment
  };
  Snapshot snapshot() const;

 private:
  // An append that waits for its batch.
  struct Waiting {
    std::shared_ptr<Completion<Offset>> completion;
    std::uint32_t first_record;
  };
  // A batch being filled; its first bytes are left for the header.
  struct Pending {
    std::shared_ptr<Buffer> buffer;
    std::size_t used = batch_header_bytes;
    std::uint32_t records = 0;
    std::uint32_t checksum = 0;  // of the payload so far
    Timestamp last_appended;
    std::vector<Waiting> waiting;
  };
  // A durable batch that is still in memory.
  struct Recent {
    Offset first, end;
    std::shared_ptr<Buffer> buffer;
    std::size_t payload_bytes;
  };
  // A reader that waits for the end to move past `seen`. Its timer is its coroutine's: only woken, never owned.
  struct Tailing {
    Offset seen;
    std::weak_ptr<net::steady_timer> timer;
    void wake() const;
  };

  // topic_journal.cpp
  void enqueue(std::span<const port::RecordView> batch, std::size_t bytes,
               std::shared_ptr<Completion<Offset>> completion);
  Pending& room_for(std::size_t bytes);
  // topic_writer.cpp, on the writer's thread
  void run();
  void gather(std::unique_lock<std::mutex>& lock);
  Result<Offset> write(Pending& batch);
  DiskResult<void> write_batch(Pending& batch);
  DiskResult<void> roll();
  DiskResult<void> sync(int file, const std::string& path);
  std::optional<std::chrono::milliseconds> idle_patience() const;
  bool needs_roll(std::uint64_t bytes) const;
  void seal();
  DiskResult<void> write_seal();
  void probe();
  void publish(Pending* batch, std::uint64_t position, Offset first);
  void remember(Pending& batch, Offset first);
  void prepare_next();
  void prepare();  // these two on the preparer's thread
  bool keep_pace(std::uint64_t done, std::uint64_t since) const;
  // topic_reader.cpp
  bool read_recent(Offset from, const port::ReadLimit& limit, port::Slice& slice);
  Result<port::Slice> read_disk(Offset from, port::ReadLimit limit);  // on the reader's thread
  Result<void> read_files(const port::ReadLimit& limit, port::Slice& slice);

  Shared& shared_;
  const TopicPlace place_;

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::deque<Pending> pending_;
  std::size_t queued_bytes_ = 0;
  Timestamp last_queued_;  // the newest timestamp given
  bool stopping_ = false;
  SegmentList segments_;  // the last is being written; `end` and `index` of each are guarded, too
  Cursor durable_;
  std::deque<Recent> recent_;
  std::size_t recent_bytes_ = 0;
  std::vector<Tailing> tailing_;
  std::thread writer_;

  // The writer's own.
  File file_;
  std::shared_ptr<Segment> active_;
  Cursor cursor_;  // durable_, but for a roll in between
  Timestamp last_written_;
  std::chrono::steady_clock::time_point next_small_batch_;
  Buffer seal_block_;
  bool seal_due_ = false;
  std::uint64_t blocked_bytes_ = 0;  // of the batch that a full disk refused; 0: the disk is not full

  std::atomic<std::uint64_t> written_{0};  // bytes of batches, by the writer
  std::mutex spare_mutex_;                 // between writer and preparer
  bool preparing_ = false;
  std::deque<Spare> spares_;
  std::uint64_t spares_made_ = 0;  // the preparer's own

  // The reader thread's own: durable bytes of one file, kept between reads.
  struct Window;
  std::shared_ptr<Window> window_;
};

}  // namespace hutong::journal
