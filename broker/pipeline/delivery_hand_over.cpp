// One delivery: the record, what is known of it in the views, the receiver's format, the receiver.
#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "broker/model/event_json.h"
#include "broker/pipeline/delivery_matter.h"
#include "broker/pipeline/delivery_state.h"
#include "broker/port/tables.h"
#include "broker/referral/view.h"

namespace hutong::pipeline {

// What is shown of an event, and what it points to.
struct Shown {
  std::shared_ptr<const port::StoredRecord> stored;
  Arena arena;
  model::RecordView record;
  model::ReportView report;
  model::EncounterView encounter;
  model::OrderView order;
  std::optional<Matter> matter;
  model::ReferralView referral;
  port::OperationsNotice operations;
  port::IdentityNotice identity;
  port::Notice notice;
  bool withheld = false;
  bool with_views = false;  // notice.report ...
};

namespace {

namespace tables = port::tables;
using port::Row;
using port::Taken;

// Columns of tables::reports and report_versions.
enum : std::size_t { report_version = 4, report_updated = 7, report_event = 9, report_body = 11 };
enum : std::size_t { earlier_version = 1, earlier_updated = 3, earlier_event = 5, earlier_body = 6 };
enum : std::size_t { order_body = 9 };  // of tables::orders

constexpr const char* withheld = "withheld";
constexpr std::size_t shown_at_most = 16, shown_bytes = 64 * 1024;  // a large record is not kept in memory for this
constexpr Lanes::Ticks a_moment = std::chrono::milliseconds(5);

std::int64_t number_in(const Row& row, std::size_t column) {
  return std::get<std::int64_t>(row[column]);
}
const std::string& text_in(const Row& row, std::size_t column) {
  return std::get<std::string>(row[column]);
}

bool is_labelled(const model::Report& report) {
  return !report.labels.empty() || std::any_of(report.observations.begin(), report.observations.end(),
                                               [](const auto& item) { return !item.labels.empty(); });
}

bool any_of(const std::vector<std::string>& parties, const std::vector<std::string>& these) {
  return std::any_of(these.begin(), these.end(), [&](const auto& each) {
    return std::find(parties.begin(), parties.end(), each) != parties.end();
  });
}

net::awaitable<Result<PersonId>> person_of(port::Store& store, std::string facility, std::string number) {
  auto link = co_await store.get(tables::person_of, {facility, number});
  if (!link) co_return tl::unexpected(link.error());
  if (*link) co_return PersonId::from_bytes(text_in(**link, 2)).value_or(model::first_person_id(facility, number));
  co_return model::first_person_id(facility, number);
}

// Whose the local patients of a decision are now, and, of its first two, who became part of these. Errors: the store's;
// corrupt.
net::awaitable<Result<void>> look_up_persons(const PersonShown& shows, port::IdentityNotice& said, Arena& arena) {
  std::vector<PersonId> ids;
  const auto add = [&](const PersonId& id) {
    const bool known = std::find(ids.begin(), ids.end(), id) != ids.end();
    if (!known) ids.push_back(id);
    return !known;
  };
  for (const auto& local : {said.patient, said.other}) add(local.person);
  for (const auto* side : {&said.rest, &said.apart}) {
    for (const auto& local : *side) add(local.person);
  }
  for (const auto& local : {said.patient, said.other}) add(model::first_person_id(local.facility, local.number));
  for (std::size_t i = 0; i < ids.size(); ++i) {
    auto person = co_await shows(ids[i], arena);
    if (!person && person.error().code == ErrorCode::not_found) continue;  // nobody has registered the patient yet
    if (!person) co_return tl::unexpected(person.error());
    if (!person->replaced_by.empty()) add(person->replaced_by);
    said.persons.push_back(std::move(*person));
  }
  co_return Result<void>();
}

// The version of a report that this event made, with what earlier messages said of it. Not there: the event's own.
net::awaitable<Result<void>> show_report(port::Store& store, std::string event_id, Shown& shown) {
  const std::string id(shown.report.report.id.view());
  const auto take = [&](const Row& row, std::size_t version, std::size_t updated, std::size_t body) {
    model::Report report;
    if (!model::read_report(shown.arena.copy(text_in(row, body)), shown.arena, report)) return;
    report.id = shown.report.report.id;
    shown.report.report = report;
    shown.report.version = static_cast<std::uint64_t>(number_in(row, version));
    shown.report.updated = {number_in(row, updated)};
  };
  auto where = co_await store.get(tables::report_ids, {id});
  if (!where) co_return tl::unexpected(where.error());
  if (!*where) co_return Result<void>();
  const auto& place = **where;
  auto now = co_await store.get(tables::reports, {place[1], place[2], place[3], id});
  if (!now) co_return tl::unexpected(now.error());
  if (*now) {  // what is sensitive in it by now was sensitive before
    model::Report report;
    shown.withheld =
        model::read_report(shown.arena.copy(text_in(**now, report_body)), shown.arena, report) && is_labelled(report);
  }
  if (*now && text_in(**now, report_event) == event_id) {
    take(**now, report_version, report_updated, report_body);
    co_return Result<void>();
  }
  port::Scan scan;
  scan.prefix = {id};
  auto earlier = co_await store.scan(tables::report_versions, std::move(scan));
  if (!earlier) co_return tl::unexpected(earlier.error());
  for (const auto& row : *earlier) {
    if (text_in(row, earlier_event) == event_id) take(row, earlier_version, earlier_updated, earlier_body);
  }
  co_return Result<void>();
}

// The report as its event made it, and whether it is withheld: a better map may have labelled meanwhile what the
// message was read without.
net::awaitable<Result<void>> look_up_report(port::Store& store, Shown& shown) {
  shown.report.report = *shown.notice.event->report;
  shown.report.version = shown.notice.event->version;
  shown.report.updated = shown.notice.appended;
  auto found = co_await show_report(store, shown.notice.event_id, shown);
  shown.withheld = shown.withheld || is_labelled(shown.report.report);
  co_return found;
}

// Likewise of an order.
net::awaitable<Result<void>> look_up_order(port::Store& store, Shown& shown) {
  const std::string id(shown.notice.event->order->id.view());
  auto where = co_await store.get(tables::order_ids, {id});
  if (!where) co_return tl::unexpected(where.error());
  if (!*where) co_return Result<void>();
  const auto& place = **where;
  auto now = co_await store.get(tables::orders, {place[1], place[2], place[3], id});
  if (!now) co_return tl::unexpected(now.error());
  model::Order order;
  shown.withheld = *now && model::read_order(shown.arena.copy(text_in(**now, order_body)), shown.arena, order) &&
                   !order.labels.empty();
  co_return Result<void>();
}

net::awaitable<Result<void>> look_up(port::Store& store, Shown& shown) {
  auto& notice = shown.notice;
  auto person = co_await person_of(store, std::string(notice.facility), std::string(notice.number));
  if (!person) co_return tl::unexpected(person.error());
  notice.person = *person;
  const auto& event = *notice.event;
  if (event.report) {
    shown.report.person = *person;
    shown.report.facility = notice.facility;
    shown.report.number = notice.number;
    shown.report.event_id = shown.arena.copy(notice.event_id);
    shown.report.item_ids = model::item_ids(shown.report.report);
    notice.report = &shown.report;
  } else if (event.order) {
    shown.order = {*event.order,
                   *person,
                   notice.facility,
                   notice.number,
                   event.version,
                   notice.appended,
                   shown.arena.copy(notice.event_id)};
    notice.order = &shown.order;
  } else if (event.kind == model::EventKind::encounter_changed) {
    shown.encounter = {event.encounter, *person, notice.facility, notice.number, event.version, notice.appended};
    notice.encounter = &shown.encounter;
  }
  co_return Result<void>();
}

// Errors: corrupt, it does not read.
Result<void> show_event(const port::StoredRecord& stored, std::uint32_t ordinal, Shown& shown) {
  if (auto read = model::read_record(stored.record.json, shown.arena, shown.record); !read) return read;
  if (shown.record.id.empty()) shown.record.id = stored.record.id;
  const auto& events = shown.record.events;
  const auto event =
      std::find_if(events.begin(), events.end(), [&](const auto& each) { return each.ordinal == ordinal; });
  if (event == events.end()) return fail(ErrorCode::corrupt, "the record has no such event");
  auto& notice = shown.notice;
  const auto patient = routing::patient_of(shown.record, shown.record.id);
  notice.record = &shown.record;
  notice.event = &*event;
  notice.kind = to_string(event->kind);
  notice.version = event->version;
  notice.event_id = shown.record.id.hex() + "." + std::to_string(ordinal);
  notice.facility = shown.arena.copy(patient.facility);
  notice.number = shown.arena.copy(patient.number);
  notice.appended = stored.appended;
  return {};
}

// As it stands now, and to who is a party still.
void show_referral(const ReferralMatter& what, const model::FacilityDirectory& facilities,
                   const model::SubscriptionFilter& filter, Shown& shown) {
  const auto& referral = what.referral;
  auto whose = shown.matter->parties;
  if (filter.as == model::AsParty::sender) whose = {referral.sender};
  if (filter.as == model::AsParty::receiver) whose = {referral.receiver, what.former};
  shown.withheld = !any_of(filter.parties, whose);
  shown.referral = referral::view_of(referral, facilities, what.updated, what.due);
  auto& operations = shown.operations;
  operations.referral = &shown.referral;
  operations.answered = &what.answered;
  operations.command = &what.command;
  operations.follows_sender = what.follows_sender;
  operations.follows_number = what.follows_number;
  operations.lost = !any_of(filter.parties, {referral.sender, referral.receiver});
}

// Errors: the store's.
net::awaitable<Result<void>> show_decision(port::Store& store, const PersonShown* shows, const DecisionMatter& what,
                                           Shown& shown) {
  const auto& decision = what.decision;
  auto& said = shown.identity;
  said.id = decision.id;
  said.at = decision.at;
  said.reasons = decision.reasons;
  said.chance = decision.chance;
  if (decision.of) said.of = decision.of->hex();
  said.undoes = what.undoes;
  said.unites = what.unites;
  const auto show_local = [&](const identity::LocalKey& local,
                              port::IdentityNotice::Local& to) -> net::awaitable<Result<void>> {
    auto person = co_await person_of(store, local.facility, local.number);
    if (!person) co_return tl::unexpected(person.error());
    to = {local.facility, local.number, *person};
    co_return Result<void>();
  };
  for (const auto& [local, to] : {std::pair(&decision.patient, &said.patient), {&decision.other, &said.other}}) {
    if (auto good = co_await show_local(*local, *to); !good) co_return good;
  }
  for (const auto& [side, to] : {std::pair(&decision.rest, &said.rest), {&decision.apart, &said.apart}}) {
    for (const auto& local : *side) {
      if (auto good = co_await show_local(local, to->emplace_back()); !good) co_return good;
    }
  }
  shown.notice.person = said.patient.person;
  if (shows) co_return co_await look_up_persons(*shows, said, shown.arena);
  co_return Result<void>();
}

// The same of a record that is no event, for a subscription with this filter: as it stands now. `shows`: nullptr, no
// persons are shown. Errors: corrupt, it tells nobody anything (any more).
net::awaitable<Result<void>> show_matter(port::Store& store, const model::FacilityDirectory& facilities,
                                         const model::SubscriptionFilter& filter, port::Partition partition,
                                         const port::StoredRecord& stored, const PersonShown* shows, Shown& shown) {
  auto found = co_await matter_of(store, partition, stored);
  if (!found) co_return tl::unexpected(found.error());
  if (!*found) co_return fail(ErrorCode::corrupt, "the record tells nothing");
  shown.matter = std::move(*found);
  const auto& matter = *shown.matter;
  auto& notice = shown.notice;
  notice.record = &shown.record;
  notice.kind = matter.kind;
  notice.event_id = stored.record.id.hex() + ".0";
  notice.facility = matter.patients.front().facility;
  notice.number = matter.patients.front().number;
  notice.appended = stored.appended;
  shown.record.id = stored.record.id;
  shown.record.source.facility = matter.facility;
  shown.record.subject.number = notice.number;
  if (const auto* decision = std::get_if<DecisionMatter>(&matter.what)) {
    notice.identity = &shown.identity;
    co_return co_await show_decision(store, shows, *decision, shown);
  }
  notice.operations = &shown.operations;
  notice.person = PersonId::from_hex(matter.person).value_or(PersonId());
  shown.operations.document = stored.record.json;
  if (const auto* referral = std::get_if<ReferralMatter>(&matter.what)) {
    show_referral(*referral, facilities, filter, shown);
  } else {
    shown.operations.critical = std::get_if<model::CriticalOpened>(&matter.what);
    shown.withheld = !any_of(filter.parties, matter.parties);
  }
  shown.withheld = shown.withheld || matter.labelled;
  co_return Result<void>();
}

// Who the patient is, as the facility last described it.
net::awaitable<Result<void>> look_up_patient(port::Store& store, Shown& shown) {
  auto row =
      co_await store.get(tables::patients, {std::string(shown.notice.facility), std::string(shown.notice.number)});
  if (!row) co_return tl::unexpected(row.error());
  if (!*row) co_return Result<void>();
  co_return model::read_subject(shown.arena.copy(text_in(**row, 2)), shown.arena, shown.record.subject);
}

}  // namespace

struct Delivery::State::Written {
  port::Parcel parcel;
  const char* instead = nullptr;  // nothing is handed over, and why
};

// Errors: corrupt, it does not read; not_found, the log does not hold it; the log's and the store's.
net::awaitable<Result<Delivery::State::ShownPtr>> Delivery::State::show(
    std::shared_ptr<const port::StoredRecord> record, model::EventRef ref, bool with_views,
    const model::Subscription& subscription) {
  const port::Partition partition{static_cast<port::Topic>(ref.stream.topic), ref.stream.partition};
  if (!record) {
    auto slice = co_await deps_.log.read(partition, ref.offset, {1, 1, false});
    if (!slice) co_return tl::unexpected(slice.error());
    if (slice->records.empty() || slice->records.front().offset != ref.offset) {
      co_return fail(ErrorCode::not_found, "the log does not hold this record");
    }
    record = std::make_shared<const port::StoredRecord>(std::move(slice->records.front()));
  }
  auto shown = std::make_shared<Shown>();
  shown->stored = std::move(record);
  if (partition.topic != port::Topic::events) {
    const auto facilities = deps_.facilities();
    auto good = co_await show_matter(deps_.store, *facilities, subscription.filter, partition, *shown->stored,
                                     with_views ? &deps_.person : nullptr, *shown);
    if (!good) co_return tl::unexpected(good.error());
    if (!shown->operations.lost) {
      if (auto found = co_await look_up_patient(deps_.store, *shown); !found) co_return tl::unexpected(found.error());
    }
    co_return shown;
  }
  if (auto good = show_event(*shown->stored, ref.ordinal, *shown); !good) co_return tl::unexpected(good.error());
  const auto& event = *shown->notice.event;
  if (event.report) {
    if (auto found = co_await look_up_report(deps_.store, *shown); !found) co_return tl::unexpected(found.error());
  } else if (event.order) {
    if (auto found = co_await look_up_order(deps_.store, *shown); !found) co_return tl::unexpected(found.error());
  }
  if (with_views && !shown->withheld) {
    if (auto found = co_await look_up(deps_.store, *shown); !found) co_return tl::unexpected(found.error());
  }
  shown->with_views = with_views;
  co_return shown;
}

// As show(), once for all who are told of an event at one moment. What becomes of a referral is another thing to each.
net::awaitable<Result<Delivery::State::ShownPtr>> Delivery::State::show_lately(const SubscriberPtr& subscriber,
                                                                               const Lanes::Task& task) {
  const auto with_views = subscriber->payload->shows_views();
  auto ref = task.ref;
  if (ref.stream.topic != static_cast<std::uint8_t>(port::Topic::events))
    co_return co_await show(task.record, ref, with_views, subscriber->declared);
  ref.stream.replay = 0;
  const auto moved = views_moved_.load();
  if (std::exchange(shown_at_, moved) != moved) shown_.clear();
  const auto known = std::find_if(shown_.begin(), shown_.end(), [&](const auto& each) {
    return each.first == ref && each.second->with_views >= with_views;
  });
  if (known != shown_.end()) co_return known->second;
  auto shown = co_await show(task.record, ref, with_views, subscriber->declared);
  if (shown && (**shown).stored->record.json.size() <= shown_bytes && shown_at_ == moved && views_moved_ == moved) {
    if (shown_.size() == shown_at_most) shown_.erase(shown_.begin());
    shown_.emplace_back(ref, *shown);
  }
  co_return shown;
}

// Errors: invalid and corrupt, this event cannot be said.
Result<Delivery::State::Written> Delivery::State::compose(const Shown& shown, model::EventRef ref,
                                                          const port::Payload& payload,
                                                          const model::Subscription& subscription,
                                                          std::uint64_t number) {
  Written written;
  if (shown.withheld) {
    written.instead = withheld;
    return written;
  }
  auto notice = shown.notice;
  notice.replay = ref.stream.replay != 0;
  notice.event_number = number;
  auto letter = payload.write(notice, subscription);
  if (!letter) return tl::unexpected(letter.error());
  if (letter->unsaid) written.instead = "nothing to say";
  auto& parcel = written.parcel;
  parcel.body = std::move(letter->body);
  parcel.content_type = std::move(letter->content_type);
  parcel.control_id = std::move(letter->control_id);
  parcel.event_id = notice.event_id;
  parcel.kind = notice.kind;
  parcel.version = notice.version;
  parcel.replay = notice.replay;
  return written;
}

// While what is new is late, those who are far behind hand over only in every other moment.
std::optional<Lanes::Ticks> Delivery::State::rests_until(const Subscriber& subscriber, Lanes::Ticks now) const {
  constexpr auto turn = 2 * a_moment;
  if (subscriber.live || now >= late_until_ || now % turn < a_moment || !is_far_behind(subscriber)) return std::nullopt;
  return (now / turn + 1) * turn;
}

void Delivery::State::pump(const SubscriberPtr& subscriber) {
  if (!going() || log_away_ || unrecorded_ >= options_.unrecorded_max) return;
  if (!deps_.confirmed()) {
    unsure_ = true;
    return;
  }
  if (subscriber->dormant) return;
  auto& lanes = *subscriber->lanes;
  const auto now = deps_.clock.ticks();
  auto at = rests_until(*subscriber, now);
  if (!at) {
    while (auto* task = lanes.next(now, subscriber->sink->parallel())) {
      spawn("delivery to " + subscriber->declared.name, hand_over(subscriber, task));
    }
    at = lanes.next_at();
  }
  if (!at) return;
  subscriber->timer->expires_after(std::max(*at - now, Lanes::Ticks(0)));
  subscriber->timer->async_wait([weak = weak_from_this(), subscriber](boost::system::error_code cancelled) {
    if (cancelled) return;
    if (auto self = weak.lock()) self->pump(subscriber);
  });
}

net::awaitable<void> Delivery::State::hand_over(SubscriberPtr subscriber, Lanes::Task* task) {
  // The task stays until it is settled here, whatever operators ask for meanwhile.
  auto& lanes = *subscriber->lanes;
  const auto& to = subscriber->declared;
  const auto appended = task->appended;
  auto shown = co_await show_lately(subscriber, *task);
  auto written = shown ? compose(**shown, task->ref, *subscriber->payload, to, task->place)
                       : Result<Written>(tl::unexpected(shown.error()));
  port::Receipt receipt;
  if (!written) {
    const auto& error = written.error();
    switch (error.code) {
      case ErrorCode::unavailable:
      case ErrorCode::overloaded:
      case ErrorCode::timeout:
        co_await pause(std::chrono::milliseconds(200));
        lanes.put_back(*task);
        break;
      default: lanes.cannot_be_said(*task, "cannot be written: " + error.message, deps_.clock.now()); break;
    }
    subscriber->broken->add();
  } else if (written->instead) {
    if (written->instead == withheld) withheld_->add();
    lanes.pass_over(*task, written->instead, deps_.clock.now());
  } else {
    auto& parcel = written->parcel;
    parcel.subscription = to.name;
    parcel.attempt = task->attempts + 1;
    if (!task->lanes.empty()) parcel.lane = task->lanes.front();
    parcel.appended = appended;
    parcel.offset = task->ref.offset;
    receipt = co_await subscriber->sink->hand_over(std::move(parcel));
    const auto now = deps_.clock.now();
    lanes.settle(*task, receipt, deps_.clock.ticks(), now);
    switch (receipt.taken) {
      case Taken::delivered:
        subscriber->delivered->add();
        latency_->observe(std::chrono::duration<double>(now - appended).count());
        ++unrecorded_;
        break;
      case Taken::refused: subscriber->refused->add(); break;
      default: subscriber->broken->add(); break;
    }
    if (lanes.is_shut()) lanes.forget_records();
  }
  dirty_ = true;
  made_room(*subscriber);
  pump(subscriber);
}

net::awaitable<Result<port::Letter>> Delivery::State::letter(model::Subscription subscription, model::EventRef ref,
                                                             std::uint64_t number) {
  const auto payload = deps_.payload(subscription);
  const auto shown = co_await show(nullptr, ref, payload->shows_views(), subscription);
  if (!shown) co_return tl::unexpected(shown.error());
  auto written = compose(**shown, ref, *payload, subscription, number);
  if (!written) co_return tl::unexpected(written.error());
  if (written->instead == withheld)
    co_return fail(ErrorCode::forbidden,
                   "what is shown of this event is sensitive, or not for this subscriber any more");
  co_return port::Letter{std::move(written->parcel.body), std::move(written->parcel.content_type),
                         std::move(written->parcel.control_id)};
}

}  // namespace hutong::pipeline
