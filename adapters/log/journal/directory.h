// The journal's directory as a whole: its lock, its id, its topics' folders; and what works on all of them while no
// broker runs (verify) or beside one (backup). Threads: one caller at a time.
#pragma once

#include <filesystem>
#include <string>

#include "adapters/log/journal/journal_log.h"
#include "adapters/log/journal/segments.h"

namespace hutong::journal {

// Held while a broker has the log open; the kernel lets go of it when the process ends, however it ends.
Result<File> lock_directory(const std::filesystem::path& directory);

// The id in DIR/log.id; not_found when the directory holds no log yet.
Result<LogId> read_log_id(FileOps& ops, const std::filesystem::path& directory);

// The topics' places for `options`.
TopicPlace place_of(FileOps& ops, const JournalOptions& options, const LogId& log, Topic topic);

// Makes the folders and first segments of a new log, then its id: the log is there when its id is. What an
// interrupted creation left is made anew; segments that hold records are never touched (corrupt).
Result<LogId> create_log(FileOps& ops, const JournalOptions& options);

// Walks one topic without changing it.
Result<VerifyReport> verify_topic(const TopicPlace& place);

// Copies the durable part of one topic into `directory`/TOPIC, synced.
Result<void> copy_topic(FileOps& ops, const SegmentList& segments, const Cursor& cursor, Topic topic,
                        const std::filesystem::path& directory);
std::string log_id_text(const LogId& log);

}  // namespace hutong::journal
