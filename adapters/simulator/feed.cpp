#include "adapters/simulator/feed.h"

#include <algorithm>
#include <fstream>
#include <stdexcept>

namespace hutong::simulator {
namespace {
constexpr std::uint64_t progress_step = 256;
}

Feed::Feed(FeedOptions options) : options_(std::move(options)) {
  state_.seed = options_.seed;
  state_.run = std::max<std::uint32_t>(options_.run, 1);
  state_.clock = options_.start;
  if (options_.resume) {
    if (const auto before = read_run_state(*options_.resume)) {
      if (before->seed != options_.seed) {
        throw std::runtime_error(options_.resume->string() + ": belongs to seed " + std::to_string(before->seed) +
                                 "; give that seed, or another file");
      }
      state_.run = before->run + 1;
      state_.clock = std::max(options_.start, before->clock);
    } else {
      state_.run = 1;
    }
  }
  begun_ = state_.clock;
  simulation_ = std::make_unique<Simulation>(load_region(options_.region, options_.schemas), options_.seed,
                                             state_.clock, state_.run);
  save();  // before the first message bears the run's number
}

Feed::Next Feed::next(std::string& bytes, Label& label, LocalSeconds now) {
  if (options_.messages && given_ >= *options_.messages) return Next::end;
  if (!held_) last_ = &simulation_->next();
  held_ = options_.live && last_->time > now;
  if (options_.simulated && last_->time >= begun_ + *options_.simulated) {
    held_ = true;  // it stays the next one, and the end stays the end
    return Next::end;
  }
  if (held_) return Next::later;
  bytes += last_->bytes;
  label.ticket = given_++;
  const std::size_t institutions = simulation_->region().institutions.size();
  label.lane = options_.connections <= institutions
                   ? static_cast<std::uint32_t>(last_->sender)
                   : static_cast<std::uint32_t>(mix(last_->sender, last_->resident) >> 32);
  truth_.add(*last_, simulation_->region());
  open_.push_back({last_->time, last_->expected[1], false});
  return Next::message;
}

void Feed::answered(std::uint64_t ticket, std::string_view code) {
  if (ticket < first_ || ticket - first_ >= open_.size()) return;
  Open& message = open_[ticket - first_];
  // A message without an answer stays open: the next run begins before it.
  if (code.size() != 2 || message.answered) return;
  message.answered = true;
  if (code[1] != message.expected) ++unexpected_;
  while (!open_.empty() && open_.front().answered) {
    state_.clock = open_.front().time;
    ++state_.answered;
    open_.pop_front();
    ++first_;
  }
}

void Feed::save() {
  if (options_.resume) write_run_state(*options_.resume, state_);
}

FilesReport write_files(Feed& feed, const std::filesystem::path& folder, bool file_per_message,
                        const std::atomic<bool>& stop, const std::function<void(const FilesReport&)>& progress) {
  std::filesystem::create_directories(folder);
  FilesReport report;
  std::map<std::size_t, std::ofstream> files;
  std::string bytes;
  Feed::Label label;
  while (!stop.load(std::memory_order_relaxed)) {
    bytes.clear();
    if (feed.next(bytes, label, 0) != Feed::Next::message) break;
    const Message& message = feed.last();
    const std::string& sender = feed.simulation().region().institutions[message.sender].code;
    std::filesystem::path path = folder / (sender + ".hl7");
    std::ofstream single;
    if (file_per_message) {
      std::string number = std::to_string(++report.files), type = message.type;
      std::replace(type.begin(), type.end(), '^', '_');
      number.insert(0, number.size() < 8 ? 8 - number.size() : 0, '0');
      path = folder / (number + "-" + sender + "-" + type + ".hl7");
      single.open(path, std::ios::binary | std::ios::trunc);
    } else if (!files.contains(message.sender)) {
      files[message.sender].open(path, std::ios::binary | std::ios::trunc);
      ++report.files;
    }
    std::ofstream& file = file_per_message ? single : files[message.sender];
    file << bytes;
    if (bytes.back() != '\r') file << '\r';  // a truncated message ends its line, or it would swallow the next one
    if (!file) throw std::runtime_error(path.string() + ": cannot be written");
    ++report.messages;
    report.bytes += bytes.size();
    feed.answered(label.ticket, message.expected);
    if (progress && report.messages % progress_step == 0) progress(report);
  }
  for (auto& [sender, file] : files) {
    file.close();
    if (!file) throw std::runtime_error(folder.string() + ": cannot be written; is the disk full?");
  }
  feed.save();
  if (progress) progress(report);
  return report;
}

}  // namespace hutong::simulator
