#include "broker/pipeline/lanes.h"

#include <algorithm>
#include <limits>

#include "broker/base/invariant.h"

namespace hutong::pipeline {
namespace {

using model::EventRef;
using model::HeldState;
using port::Taken;

constexpr std::uint32_t silences_allowed = 3;  // answers that did not come, in a row, before the receiver is left alone
constexpr std::chrono::milliseconds after_silence{100};
constexpr std::uint32_t exponent_max = 20;
constexpr double whole_token = 1 - 1e-6;  // sums of tenths

// From the back: what was read last is asked for, and before it may stand all that a dead letter holds.
template <class Queue, class Task>
auto place_in(Queue& queue, const Task* task) {
  const auto at = std::find(queue.rbegin(), queue.rend(), task);
  return at == queue.rend() ? queue.end() : std::prev(at.base());
}

}  // namespace

LanePolicy lane_policy(const model::Subscription& subscription) {
  LanePolicy policy;
  policy.on_refusal = subscription.on_refusal;
  policy.attempts = subscription.attempts;
  policy.retry_for = subscription.retry_for;
  policy.rate = subscription.rate;
  policy.numbered = !subscription.notification.empty();
  return policy;
}

Lanes::Lanes(LanePolicy policy, std::uint64_t seed)
    : policy_(policy), random_(static_cast<std::minstd_rand::result_type>(seed)) {}

// --- reading ---

Lanes::Task* Lanes::insert(Task task) {
  const EventRef ref = task.ref;
  auto [at, fresh] = tasks_.emplace(ref, std::make_unique<Task>(std::move(task)));
  HUTONG_INVARIANT(fresh, "an event is read twice by one subscriber");
  return at->second.get();
}

bool Lanes::wants(const EventRef& ref) const {
  if (tasks_.contains(ref)) return false;  // it is held
  const auto before = read_before_.find(ref.stream);
  return before == read_before_.end() || ref.offset >= before->second || awaited_.contains(ref);
}

std::uint64_t Lanes::read_before(const model::Stream& stream) const {
  const auto found = read_before_.find(stream);
  return found == read_before_.end() ? 0 : found->second;
}

void Lanes::passed(const model::Stream& stream, std::uint64_t offset) {
  const auto first = awaited_.lower_bound(EventRef{stream, 0, 0});
  const auto last = awaited_.lower_bound(EventRef{stream, offset, 0});
  if (first == last) return;
  awaited_.erase(first, last);
  changed_ = true;
}

void Lanes::read(Task given) {
  if (const auto again = awaited_.find(given.ref); again != awaited_.end()) {
    given.place = again->second;
    awaited_.erase(again);
  } else {
    given.place = ++places_;
  }
  Task* task = insert(std::move(given));
  changed_ = true;  // no cursor passes it
  enter(*task);
  const bool behind_held = std::any_of(task->lanes.begin(), task->lanes.end(), [&](const auto& lane) {
    const auto& queue = lanes_[lane];
    const auto at = place_in(queue, task);
    return at != queue.begin() && (*std::prev(at))->held;
  });
  if (behind_held) {
    hold(*task);
  } else {
    open_.insert(task->ref);
  }
}

void Lanes::restore(const model::HeldEvent& held) {
  Task task;
  task.ref = held.ref;
  task.lanes = held.lanes;
  task.appended = held.appended;
  task.held = true;
  task.attempts = held.attempts;
  task.first_failed = held.first_failed;
  task.last = held.last;
  task.answer = held.answer;
  task.place = held.place;
  places_ = std::max(places_, held.place);
  Task* made = insert(std::move(task));
  held_.insert(made->ref);
  awaited_.erase(made->ref);
  if (held.state != HeldState::dead) {
    enter(*made);  // what was tried is tried again: the receiver may have changed with us
    return;
  }
  made->stage = Stage::dead;
  ++dead_;
  if (policy_.on_refusal == model::OnRefusal::skip) {
    made->out_of_lanes = true;
  } else {
    enter(*made);
  }
}

void Lanes::restore(const model::SubscriberProgress& recorded) {
  for (const auto& cursor : recorded.cursors) read_before_[cursor.stream] = cursor.read;
  for (const auto& open : recorded.open) {
    awaited_.emplace(open.ref, open.place);
    places_ = std::max(places_, open.place);
  }
  places_ = std::max(places_, recorded.numbers);
  delivered_ = recorded.delivered;
  refused_ = recorded.refused;
  broken_ = recorded.broken;
}

// --- lanes ---

// At their ends, but for what comes back: a letter that was skipped, or what was open before a restart. Never before
// one that is under way.
void Lanes::enter(Task& task) {
  task.behind = 0;
  for (const auto& lane : task.lanes) {
    auto& queue = lanes_[lane];
    auto at = queue.end();
    while (at != queue.begin() && (*std::prev(at))->place > task.place && (*std::prev(at))->stage != Stage::under_way)
      --at;
    if (at != queue.begin()) {
      ++task.behind;
    } else if (!queue.empty()) {
      Task& displaced = *queue.front();
      forget_ready(displaced);
      ++displaced.behind;
    }
    queue.insert(at, &task);
  }
  wake(task);
}

void Lanes::leave(Task& task) {
  if (task.out_of_lanes) return;
  forget_ready(task);
  for (const auto& lane : task.lanes) {
    const auto found = lanes_.find(lane);
    auto& queue = found->second;
    const auto at = std::find(queue.begin(), queue.end(), &task);
    const bool was_first = at == queue.begin();
    queue.erase(at);
    if (queue.empty()) {
      lanes_.erase(found);
    } else if (was_first) {
      --queue.front()->behind;
      wake(*queue.front());
    }
  }
}

void Lanes::wake(Task& task) {
  if (task.behind == 0 && task.stage == Stage::waiting) ready_.push_back(&task);
}

void Lanes::forget_ready(Task& task) {
  if (task.stage != Stage::waiting || task.behind > 0) return;
  if (const auto at = std::find(ready_.begin(), ready_.end(), &task); at != ready_.end()) ready_.erase(at);
}

// --- handing over ---

bool Lanes::take_token(Ticks now) {
  if (policy_.rate <= 0) return true;
  const double most = std::max(1.0, policy_.rate / 10);  // a burst is a tenth of a second's
  const double passed = std::chrono::duration<double>(now - tokens_at_).count();
  tokens_ = std::min(most, tokens_ + std::max(0.0, passed) * policy_.rate);
  tokens_at_ = now;
  if (tokens_ < whole_token) return false;
  tokens_ -= 1;
  return true;
}

Lanes::Task* Lanes::next(Ticks now, std::size_t parallel) {
  if (paused_ || under_way_ >= parallel) return nullptr;
  const bool probing = shut_until_.has_value();
  if (probing && (now < *shut_until_ || under_way_ > 0)) return nullptr;
  while (!resting_.empty() && resting_.begin()->first <= now) {
    Task& task = *tasks_.at(resting_.begin()->second);
    stop_resting(task);
    wake(task);
  }
  // A probe may be what rests: whether the receiver answers at all is the question now.
  if (ready_.empty() && probing && !resting_.empty()) {
    Task& task = *tasks_.at(resting_.begin()->second);
    stop_resting(task);
    wake(task);
  }
  // The window is full of what rests and of what stands behind it: the cursor goes on without them.
  if (ready_.empty() && !probing && !has_room() && !resting_.empty()) hold_what_rests();
  // What was open before a restart and was not met again yet may come before some of these.
  std::uint64_t before = UINT64_MAX;
  for (const auto& [ref, place] : awaited_) before = std::min(before, place);
  const auto pick = [&](auto good) {
    return std::find_if(ready_.begin(), ready_.end(),
                        [&](const Task* each) { return each->place < before && good(*each); });
  };
  auto chosen = ready_.end();
  // A probe is, where there is one, an event that did not fail yet: so it tells the receiver's fault from the event's.
  if (probing) chosen = pick([](const Task& each) { return each.attempts == 0; });
  if (chosen == ready_.end()) chosen = pick([](const Task&) { return true; });
  if (chosen == ready_.end() || !take_token(now)) return nullptr;
  Task* task = *chosen;
  ready_.erase(chosen);
  task->stage = Stage::under_way;
  ++under_way_;
  return task;
}

std::optional<Lanes::Ticks> Lanes::next_at() const {
  if (paused_) return std::nullopt;
  if (shut_until_) {
    if (under_way_ > 0 || (ready_.empty() && resting_.empty())) return std::nullopt;
    return *shut_until_;
  }
  std::optional<Ticks> at;
  if (!resting_.empty()) at = resting_.begin()->first;
  if (!ready_.empty() && policy_.rate > 0 && tokens_ < whole_token) {
    const auto token =
        tokens_at_ + std::chrono::duration_cast<Ticks>(std::chrono::duration<double>((1 - tokens_) / policy_.rate));
    at = at ? std::min(*at, token) : token;
  }
  return at;
}

Lanes::Ticks Lanes::jittered(std::chrono::milliseconds base, std::uint32_t exponent,
                             std::chrono::milliseconds longest) {
  auto pause = std::chrono::duration_cast<Ticks>(base);
  const auto most = std::chrono::duration_cast<Ticks>(longest);
  for (std::uint32_t i = 0; i < std::min(exponent, exponent_max) && pause < most; ++i) pause *= 2;
  pause = std::min(pause, most);
  const double part = 0.5 + 0.5 * static_cast<double>(random_() - std::minstd_rand::min()) /
                                static_cast<double>(std::minstd_rand::max() - std::minstd_rand::min());
  return std::chrono::duration_cast<Ticks>(pause * part);
}

void Lanes::rest(Task& task, Ticks now, std::chrono::milliseconds base, std::uint32_t exponent) {
  task.stage = Stage::resting;
  task.due = now + jittered(base, exponent, policy_.longest_pause);
  resting_.emplace(task.due, task.ref);
}

void Lanes::stop_resting(Task& task) {
  resting_.erase({task.due, task.ref});
  task.stage = Stage::waiting;
}

void Lanes::shut(Ticks now, std::optional<std::chrono::milliseconds> asked) {
  auto pause = jittered(policy_.first_probe, failures_, policy_.longest_probe);
  if (asked) pause = std::max(pause, std::chrono::duration_cast<Ticks>(std::min(*asked, policy_.longest_pause)));
  shut_until_ = now + pause;
  ++failures_;
}

void Lanes::opened() {
  shut_until_.reset();
  failures_ = silences_ = 0;
}

void Lanes::put_back(Task& task) {
  --under_way_;
  if (task.discarded) return finish(task, task.last, true);
  task.stage = Stage::waiting;
  ready_.push_front(&task);
}

void Lanes::pass_over(Task& task, std::string why, Timestamp time) {
  --under_way_;
  task.answer = std::move(why);
  task.last = time;
  changed_ = true;
  if (task.held) changed_held_.insert(task.ref);
  finish(task, time, task.discarded);
}

void Lanes::settle(Task& task, const port::Receipt& receipt, Ticks now, Timestamp time) {
  if (receipt.taken == Taken::unreachable) {
    trouble_ = receipt.answer;
    ++broken_;
    changed_ = true;
    put_back(task);
    shut(now, receipt.wait);
    return;
  }
  --under_way_;
  ++task.attempts;
  task.answer = receipt.answer;
  task.last = time;
  changed_ = true;
  if (task.held) changed_held_.insert(task.ref);
  if (receipt.taken == Taken::delivered) {
    opened();
    trouble_.clear();
    ++through_;
    ++delivered_;
    last_delivered_ = time;
    return finish(task, time, task.discarded, policy_.numbered ? task.place : 0);
  }
  trouble_ = receipt.answer;
  if (task.first_failed.micros == 0) task.first_failed = time;
  if (receipt.taken == Taken::refused) {
    opened();
    ++refused_;
    if (task.discarded) return finish(task, time, true);
    if (++task.refusals >= policy_.attempts) return die(task);
    return rest(task, now, policy_.first_pause, task.refusals - 1);
  }
  ++broken_;
  if (task.discarded) return finish(task, time, true);
  // Others got through since this one failed last: it is this one, not the receiver.
  const bool at_fault = task.attempts > 1 && through_ > task.through_at_failure;
  task.through_at_failure = through_;
  if (at_fault) {
    ++task.overtaken;
    if (time - task.first_failed >= policy_.retry_for) return die(task);
    return rest(task, now, policy_.first_pause, task.overtaken - 1);
  }
  if (receipt.taken == Taken::not_now || ++silences_ >= silences_allowed || shut_until_) {
    shut(now, receipt.wait);
    task.stage = Stage::waiting;
    ready_.push_back(&task);  // the probe is another patient's, where there is one
    return;
  }
  rest(task, now, after_silence, 0);
}

void Lanes::cannot_be_said(Task& task, std::string why, Timestamp time) {
  --under_way_;
  ++task.attempts;
  ++refused_;
  task.answer = std::move(why);
  task.last = time;
  if (task.first_failed.micros == 0) task.first_failed = time;
  changed_ = true;
  if (task.discarded) return finish(task, time, true);
  die(task);
}

void Lanes::finish(Task& task, Timestamp time, bool discarded, std::uint64_t number) {
  leave(task);
  if (task.stage == Stage::resting) resting_.erase({task.due, task.ref});
  done_.push_back({task.ref, time, task.attempts, discarded ? std::string() : task.answer, discarded, number});
  if (task.held) {
    held_.erase(task.ref);
    dead_ -= task.stage == Stage::dead;
    changed_held_.erase(task.ref);
    released_.insert(task.ref);
  } else {
    open_.erase(task.ref);
  }
  changed_ = true;
  tasks_.erase(EventRef(task.ref));
}

// --- what fails ---

void Lanes::die(Task& task) {
  hold(task);
  task.stage = Stage::dead;
  ++dead_;
  changed_held_.insert(task.ref);
  if (policy_.on_refusal == model::OnRefusal::hold) return;
  leave(task);
  task.out_of_lanes = true;
}

void Lanes::hold(Task& task) {
  std::vector<Task*> rest{&task};
  while (!rest.empty()) {
    Task& one = *rest.back();
    rest.pop_back();
    if (one.held) continue;
    one.held = true;
    one.record.reset();
    open_.erase(one.ref);
    held_.insert(one.ref);
    changed_held_.insert(one.ref);
    changed_ = true;
    if (policy_.on_refusal == model::OnRefusal::skip && one.stage == Stage::under_way) continue;  // it is dying
    for (const auto& lane : one.lanes) {
      const auto& queue = lanes_[lane];
      auto at = place_in(queue, &one);
      for (at = at == queue.end() ? at : at + 1; at != queue.end(); ++at) rest.push_back(*at);
    }
  }
}

void Lanes::hold_what_rests() {
  std::vector<EventRef> resting;
  for (const auto& [due, ref] : resting_) resting.push_back(ref);
  for (const auto& ref : resting) hold(*tasks_.at(ref));
}

// --- operators ---

std::size_t Lanes::retry(const std::vector<EventRef>& letters) {
  std::vector<Task*> dead;
  for (const auto& ref : letters) {
    const auto found = tasks_.find(ref);
    if (found != tasks_.end() && found->second->stage == Stage::dead) dead.push_back(found->second.get());
  }
  for (Task* task : dead) {
    task->stage = Stage::waiting;
    task->attempts = task->refusals = task->overtaken = 0;
    task->first_failed = {};
    --dead_;
    changed_ = true;
    changed_held_.insert(task->ref);
    if (task->out_of_lanes) {
      task->out_of_lanes = false;
      enter(*task);
    } else {
      wake(*task);
    }
  }
  // Of different lanes the oldest goes first, too.
  std::stable_sort(ready_.begin(), ready_.end(), [](const Task* a, const Task* b) { return a->place < b->place; });
  return dead.size();
}

std::size_t Lanes::retry_all() {
  std::vector<EventRef> letters;
  for (const auto& ref : held_) letters.push_back(ref);
  return retry(letters);
}

std::size_t Lanes::discard(const std::vector<EventRef>& letters, Timestamp time) {
  std::size_t count = 0;
  for (const auto& ref : letters) {
    const auto found = tasks_.find(ref);
    if (found == tasks_.end() || !found->second->held) continue;
    Task& task = *found->second;
    ++count;
    changed_ = true;
    if (task.stage == Stage::under_way) {
      task.discarded = true;
    } else {
      finish(task, time, true);
    }
  }
  return count;
}

// --- what is to be recorded, what is told ---

model::SubscriberProgress Lanes::take_changes(std::string name, const std::vector<model::StreamCursor>& streams) {
  model::SubscriberProgress progress;
  progress.name = std::move(name);
  std::map<EventRef, std::uint64_t> open;
  for (const auto& ref : open_) open.emplace(ref, tasks_.at(ref)->place);
  for (model::StreamCursor cursor : streams) {
    const auto start = EventRef{cursor.stream, 0, 0};
    passed(cursor.stream, cursor.read);
    for (auto at = awaited_.lower_bound(start); at != awaited_.end() && at->first.stream == cursor.stream; ++at)
      open.insert(*at);
    if (const auto before = read_before_.find(cursor.stream); before != read_before_.end()) {
      if (cursor.read >= before->second) {
        read_before_.erase(before);
      } else {
        cursor.read = before->second;
      }
    }
    const auto first = open.lower_bound(start);
    const bool is_open = first != open.end() && first->first.stream == cursor.stream;
    cursor.next = is_open ? std::min(cursor.read, first->first.offset) : cursor.read;
    progress.cursors.push_back(cursor);
  }
  for (const auto& [ref, place] : open) progress.open.push_back({ref, place});
  for (const auto& ref : changed_held_) {
    const Task& task = *tasks_.at(ref);
    model::HeldEvent held;
    held.ref = ref;
    held.lanes = task.lanes;
    held.place = task.place;
    held.state = task.stage == Stage::dead ? HeldState::dead
                 : task.attempts > 0       ? HeldState::retrying
                                           : HeldState::behind;
    held.attempts = task.attempts;
    held.appended = task.appended;
    held.first_failed = task.first_failed;
    held.last = task.last;
    held.answer = task.answer;
    progress.held.push_back(std::move(held));
  }
  progress.released.assign(released_.begin(), released_.end());
  progress.done = std::move(done_);
  progress.idle = idle();
  progress.delivered = delivered_;
  progress.refused = refused_;
  progress.broken = broken_;
  if (policy_.numbered) progress.numbers = places_;
  done_.clear();
  changed_held_.clear();
  released_.clear();
  changed_ = false;
  return progress;
}

void Lanes::forget_records() {
  for (const auto& ref : open_) {
    auto& task = *tasks_.at(ref);
    if (task.stage != Stage::under_way) task.record.reset();
  }
}

bool Lanes::has_open(const model::Stream& stream) const {
  const EventRef start{stream, 0, 0};
  const auto first = open_.lower_bound(start);
  const auto awaited = awaited_.lower_bound(start);
  return (first != open_.end() && first->stream == stream) ||
         (awaited != awaited_.end() && awaited->first.stream == stream);
}

// The first of each stream: within one times never fall.
std::optional<Timestamp> Lanes::oldest_of(const std::set<EventRef>& refs) const {
  constexpr auto end = std::numeric_limits<std::uint64_t>::max();
  std::optional<Timestamp> oldest;
  for (auto at = refs.begin(); at != refs.end(); at = refs.lower_bound(EventRef{at->stream, end, 0})) {
    const auto& task = *tasks_.at(*at);
    if (!oldest || task.appended < *oldest) oldest = task.appended;
  }
  return oldest;
}

std::optional<Timestamp> Lanes::oldest_open() const {
  return oldest_of(open_);
}

std::optional<Timestamp> Lanes::oldest_held() const {
  return oldest_of(held_);
}

}  // namespace hutong::pipeline
