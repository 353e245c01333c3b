// A simulated population (tests/support/population.h) through the projector: journal, RocksDB, the weights that are
// shipped. What it counts and what it must reach, see usage(). Exit: 0 reached, 1 not, 2 bad usage.
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <sstream>
#include <unordered_map>

#include "adapters/log/journal/journal_log.h"
#include "adapters/metrics/prometheus_metrics.h"
#include "adapters/store/rocksdb/rocksdb_store.h"
#include "broker/identity/estimate.h"
#include "broker/model/event_json.h"
#include "broker/pipeline/effects_identity.h"
#include "broker/pipeline/projector.h"
#include "broker/port/tables.h"
#include "tests/support/await.h"
#include "tests/support/population.h"

namespace {

using namespace hutong;
using tests::await;
using tests::Population;
using tests::Registration;

void usage() {
  std::fputs(
      "identity_population [--people N] [--seed S] [--weights FILE] [--rate N] [--cache MIB] [--folder DIR]\n"
      "    [--rebuild] [--until N] [--resume]\n"
      "  links N people (20000) as the projector does; precision and recall of pairs, wrong persons, registrations a "
      "second;\n"
      "  fails below F1 0.99, at one person made of two over a card, at one with two valid cards that no steward is "
      "asked\n"
      "  about, at a mother and her child or two newborns in one, below N registrations a second in any stretch of\n"
      "  100,000 (--rate), or where a rebuild's persons differ (--rebuild).\n"
      "  --until stops after N registrations and leaves the folder; --resume goes on in one\n"
      "identity_population --estimate FILE [--people N] [--region N] [--seed S]\n"
      "  writes the weights of a population of N; `prior` for a region of --region people\n",
      stderr);
}

port::Record record_of(const Registration& registration, std::size_t time) {
  model::Draft draft;
  const std::string control =
      registration.facility + "-" + registration.number + (time == 0 ? "" : "-" + std::to_string(time));
  draft.source = {.facility = registration.facility,
                  .protocol = "mllp",
                  .format = "hl7v2",
                  .sender_application = "HIS",
                  .sender_facility = registration.facility,
                  .control_id = control,
                  .type = "ADT^A04",
                  .version = "2.5.1",
                  .charset = "UTF-8"};
  draft.times.received = {1'780'000'000'000'000};
  model::Part part;
  part.subject = registration.subject(draft.arena);
  part.events.push(draft.arena).kind = model::EventKind::patient_updated;
  const auto id = model::record_id(draft.source, sha256(control), 0);
  Arena arena;
  return {id, registration.facility + "/" + registration.number, "patient.updated",
          std::string(model::write_record(arena, id, draft, part)), ""};
}

// `whose`: RUSAGE_SELF, all threads; or RUSAGE_THREAD, the one that asks.
double cpu_seconds(int whose) {
  rusage used{};
  getrusage(whose, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

struct Arguments {
  std::uint32_t people = 20'000, region = 1'000'000;
  std::uint64_t seed = 1;
  double rate = 0;
  std::uint64_t until = 0;  // 0: to the end
  std::size_t cache_mib = 64;
  std::string weights = HUTONG_SOURCE_DIR "/schemas/identity/weights.csv", estimate, folder;
  bool rebuild = false, resume = false;
};

// What projecting a stretch of registrations took. `all`: the processor's time of every thread, compactions included,
// but without the making of the registrations; `projector`: of the projecting thread alone.
struct Stretch {
  std::uint64_t registrations = 0;
  double wall = 0, all = 0, projector = 0;
  double rate() const { return static_cast<double>(registrations) / wall; }
  double each(double cpu) const { return cpu * 1e3 / static_cast<double>(registrations); }
};
constexpr std::uint64_t stretch_registrations = 100'000;

int estimate(const Arguments& arguments) {
  const Population population(arguments.seed, arguments.people);
  std::vector<identity::Candidate> candidates;
  for (std::uint32_t person = 0; person < arguments.people; ++person) {
    for (const auto& registration : population.registrations(person)) {
      Arena arena;
      candidates.push_back(
          identity::candidate(registration.facility, registration.number, registration.subject(arena)));
    }
  }
  auto weights = identity::estimate(candidates, "2026-11-26");
  if (!weights) return std::fprintf(stderr, "%s\n", weights.error().message.c_str()), 1;
  weights->prior *= static_cast<double>(arguments.people) / static_cast<double>(arguments.region);
  // A name that this simulation does not have is no rare one for that.
  weights->family_rest = std::max(weights->family_rest, 0.002);
  weights->given_rest = std::max(weights->given_rest, 0.0005);
  const std::string remark =
      "What agreements between two local patients are worth (broker/identity/weights.h), and how common names are.\n"
      "Estimated by: identity_population --estimate FILE --people " +
      std::to_string(arguments.people) + " --region " + std::to_string(arguments.region) + " --seed " +
      std::to_string(arguments.seed) +
      "\nfrom a simulated population. An installation estimates its own: hutong identity estimate";
  std::ofstream(arguments.estimate, std::ios::binary) << identity::write_weights(*weights, remark);
  return 0;
}

struct Pairs {
  std::uint64_t true_pairs = 0, linked = 0, right = 0;
};

int run(const Arguments& arguments) {
  std::stringstream csv;
  csv << std::ifstream(arguments.weights, std::ios::binary).rdbuf();
  auto weights = identity::read_weights(csv.str());
  if (!weights) return std::fprintf(stderr, "%s: %s\n", arguments.weights.c_str(), weights.error().message.c_str()), 1;

  namespace fs = std::filesystem;
  const fs::path folder = arguments.folder.empty()
                              ? fs::temp_directory_path() / ("hutong-population-" + std::to_string(::getpid()))
                              : fs::path(arguments.folder);
  if (!arguments.resume) fs::remove_all(folder);
  fs::create_directories(folder);
  auto opened_log = journal::JournalLog::open({.directory = folder / "log"});
  const std::size_t cache = arguments.cache_mib * 1024 * 1024;
  const auto open_store = [&](const fs::path& directory) {
    return store::RocksdbStore::open({.directory = directory,
                                      .tables = port::tables::all,
                                      .cache_bytes = cache,
                                      .write_buffer_bytes = 96 * 1024 * 1024});  // as a broker's by default
  };
  auto opened_store = open_store(folder / "store");
  if (!opened_log || !opened_store) return std::fprintf(stderr, "cannot open %s\n", folder.c_str()), 1;
  auto& journal = **opened_log;
  auto& store = **opened_store;
  PrometheusMetrics metrics;
  pipeline::ProjectorOptions options;
  options.hmac_key = "the key of a simulated installation";
  options.weights = std::make_shared<const identity::Weights>(std::move(*weights));
  pipeline::Projector projector(journal, store, metrics, system_clock(), options);

  // First everybody's first registration, in an order of its own, then the second ones: as years go by.
  const Population population(arguments.seed, arguments.people);
  const std::uint64_t stride = 7'368'787;  // a prime
  const auto projected = await(journal.end({port::Topic::events, 0}));
  if (!projected) return 1;
  std::uint64_t registered = 0;  // those of an earlier run too
  Stretch whole, stretch;
  double slowest = 1e18, elsewhere_before = cpu_seconds(RUSAGE_SELF) - cpu_seconds(RUSAGE_THREAD);
  std::vector<port::Record> batch;
  const auto flush = [&]() -> bool {
    if (batch.empty()) return true;
    const auto count = batch.size();
    for (std::size_t from = 0; from < count; from += 1'000) {
      std::vector<port::Record> some(
          std::make_move_iterator(batch.begin() + static_cast<std::ptrdiff_t>(from)),
          std::make_move_iterator(batch.begin() + static_cast<std::ptrdiff_t>(std::min(count, from + 1'000))));
      if (auto appended = await(journal.append(port::Topic::events, std::move(some))); !appended) {
        return std::fprintf(stderr, "%s\n", appended.error().message.c_str()), false;
      }
    }
    batch.clear();
    const auto began = std::chrono::steady_clock::now();
    const double projector_began = cpu_seconds(RUSAGE_THREAD);
    if (auto done = await(projector.catch_up()); !done)
      return std::fprintf(stderr, "%s\n", done.error().message.c_str()), false;
    const double projector_cpu = cpu_seconds(RUSAGE_THREAD) - projector_began;
    const double elsewhere = cpu_seconds(RUSAGE_SELF) - cpu_seconds(RUSAGE_THREAD);
    const double wall_took = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    for (auto* sum : {&whole, &stretch}) {
      sum->registrations += count;
      sum->wall += wall_took;
      sum->projector += projector_cpu;
      sum->all += projector_cpu + elsewhere - elsewhere_before;
    }
    elsewhere_before = elsewhere;
    if (stretch.registrations < stretch_registrations) return true;
    slowest = std::min(slowest, stretch.rate());
    std::printf("%-9llu registrations     %.0f a second, CPU %.3f ms each (projector %.3f)\n",
                static_cast<unsigned long long>(registered), stretch.rate(), stretch.each(stretch.all),
                stretch.each(stretch.projector));
    std::fflush(stdout);
    stretch = {};
    return true;
  };
  std::uint64_t shared_cards = 0;
  struct Told {
    std::uint32_t person = 0;
    bool shared = false;
    std::vector<std::string> cards;
    std::set<std::string> ever;  // numbers of cards, placeholders too, whenever they were told
  };
  std::map<std::pair<std::string, std::string>, Told> last;  // of each local patient, what was told at last
  const auto tell = [&](const Registration& registration, std::size_t time) {
    shared_cards += registration.placeholder || registration.borrowed;
    if (++registered > *projected) batch.push_back(record_of(registration, time));
    Arena arena;
    auto& told = last[{registration.facility, registration.number}];
    told.person = registration.person;
    told.shared = registration.placeholder || registration.borrowed;
    told.cards = identity::candidate(registration.facility, registration.number, registration.subject(arena)).cards;
    if (!registration.card.empty()) told.ever.insert(registration.card);
    return batch.size() < 5'000 || flush();
  };
  const auto enough = [&] { return arguments.until > 0 && registered >= arguments.until; };
  for (std::size_t time = 0; time < 4; ++time) {
    for (std::uint64_t i = 0; i < arguments.people && !enough(); ++i) {
      const auto person = static_cast<std::uint32_t>((i * stride + time * 1'000'003) % arguments.people);
      const auto all = population.registrations(person);
      if (time < all.size() && !tell(all[time], 0)) return 1;
      // Children are born after their mothers were registered; cards are brought between the second and the third time.
      for (const auto& child : population.newborns(person)) {
        if (time > 0 && time <= child.size() && !tell(child[time - 1], time)) return 1;
      }
    }
    for (std::uint32_t person = 0; time == 1 && person < arguments.people && !enough(); ++person) {
      for (const auto& update : population.updates(person)) {
        const bool known = last.contains({update.facility, update.number});
        if (known && !tell(update, 1)) return 1;
      }
    }
  }
  if (!flush()) return 1;
  if (enough()) return 0;

  // By person as linked: whose registrations these are, and the valid cards that they stand with now.
  struct Made {
    std::vector<const Told*> members;
    std::set<std::string> cards;
    std::set<std::uint32_t> newborns, mothers;
  };
  std::unordered_map<std::string, Made> persons;
  std::map<std::uint32_t, std::uint64_t> registrations_of;
  Pairs pairs;
  for (const auto& [local, told] : last) {
    auto row = await(store.get(port::tables::person_of, {local.first, local.second}));
    if (!row) return 1;
    const std::string id = *row ? std::get<std::string>((**row)[2])
                                : std::string(model::first_person_id(local.first, local.second).view());
    auto& made = persons[id];
    made.members.push_back(&told);
    made.cards.insert(told.cards.begin(), told.cards.end());
    (told.person >= arguments.people ? made.newborns : made.mothers).insert(told.person);
    pairs.true_pairs += registrations_of[told.person]++;
  }
  // Over a card: two people of one person hold the same number. One that only has such a card among its members was
  // linked by something else, before the card was told or without it.
  const auto same_card = [](const Told& a, const Told& b) {
    return std::any_of(a.ever.begin(), a.ever.end(), [&](const auto& card) { return b.ever.contains(card); });
  };
  std::uint64_t wrong_persons = 0, wrong_over_cards = 0, wrong_otherwise = 0;
  std::uint64_t two_cards = 0, two_cards_asked = 0, families = 0;
  for (const auto& [id, made] : persons) {
    const auto& members = made.members;
    bool wrong = false, over_card = false, odd_card = false;
    for (std::size_t i = 0; i < members.size(); ++i) {
      odd_card = odd_card || members[i]->shared;
      for (std::size_t j = i + 1; j < members.size(); ++j) {
        const bool right = members[i]->person == members[j]->person;
        ++pairs.linked;
        pairs.right += right;
        wrong = wrong || !right;
        over_card = over_card || (!right && same_card(*members[i], *members[j]));
      }
    }
    wrong_persons += wrong;
    wrong_over_cards += over_card;
    wrong_otherwise += wrong && !over_card && odd_card;
    families += made.newborns.size() > 1 || (!made.newborns.empty() && !made.mothers.empty());
    if (made.cards.size() < 2) continue;
    const auto question = pipeline::question_id(PersonId::from_bytes(id).value_or(PersonId()));
    auto asked = await(store.get(port::tables::conflicts, {std::string(question.view())}));
    if (!asked) return 1;
    ++(*asked ? two_cards_asked : two_cards);
  }
  const double precision = pairs.linked ? double(pairs.right) / double(pairs.linked) : 1;
  const double recall = pairs.true_pairs ? double(pairs.right) / double(pairs.true_pairs) : 1;
  const double f1 = 2 * precision * recall / (precision + recall);
  port::Scan scan;
  scan.limit = 100'000'000;
  const auto waiting = await(store.scan(port::tables::conflicts, scan));
  std::printf(
      "people                      %u\nregistrations               %llu (%llu with a placeholder's or another's card)\n"
      "pairs of one person         %llu\nprecision                   %.6f\nrecall                      %.6f\n"
      "F1                          %.6f\nwrong persons               %llu (over a shared or lent card: %llu; by "
      "other evidence, one of them with such a card: %llu; newborns %llu)\npersons with two cards      %llu (and %llu "
      "that a steward is asked about)\n"
      "waiting for a steward       %zu\nregistrations a second      %.0f (slowest 100,000: %.0f), CPU %.3f ms each "
      "(projector %.3f)\n"
      "store                       %.0f MB\n",
      arguments.people, (unsigned long long)registered, (unsigned long long)shared_cards,
      (unsigned long long)pairs.true_pairs, precision, recall, f1, (unsigned long long)wrong_persons,
      (unsigned long long)wrong_over_cards, (unsigned long long)wrong_otherwise, (unsigned long long)families,
      (unsigned long long)two_cards, (unsigned long long)two_cards_asked, waiting ? waiting->size() : 0, whole.rate(),
      std::min(slowest, whole.rate()), whole.each(whole.all), whole.each(whole.projector),
      static_cast<double>(store.bytes()) / 1e6);
  bool good = f1 >= 0.99 && wrong_over_cards == 0 && two_cards == 0 && families == 0 &&
              std::min(slowest, whole.rate()) >= arguments.rate;
  if (arguments.rebuild) {
    auto fresh = open_store(folder / "rebuilt");
    PrometheusMetrics other;
    const auto began = std::chrono::steady_clock::now();
    if (!fresh || !await(pipeline::rebuild(journal, **fresh, other, system_clock(), options))) return 1;
    std::uint64_t differing = 0;
    for (const auto* table :
         {&port::tables::persons, &port::tables::person_of, &port::tables::conflicts, &port::tables::decisions,
          &port::tables::pending, &port::tables::decided, &port::tables::blocks}) {
      const auto a = await(store.scan(*table, scan)), b = await((*fresh)->scan(*table, scan));
      if (!a || !b) return 1;
      if (*a != *b) {
        ++differing;
        std::printf("rebuilt table %s differs: %zu rows, was %zu\n", std::string(table->name).c_str(), b->size(),
                    a->size());
      }
    }
    std::printf("rebuilt in                  %.1f s, %s\n",
                std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count(),
                differing == 0 ? "equal" : "NOT equal");
    good = good && differing == 0;
  }
  if (arguments.folder.empty()) fs::remove_all(folder);
  return good ? 0 : 1;
}

}  // namespace

int main(int count, char** words) {
  Arguments arguments;
  for (int i = 1; i < count; ++i) {
    const std::string name = words[i];
    if (name == "--rebuild") {
      arguments.rebuild = true;
      continue;
    }
    if (name == "--resume") {
      arguments.resume = true;
      continue;
    }
    if (i + 1 == count) return usage(), 2;
    const std::string value = words[++i];
    if (name == "--people") {
      arguments.people = static_cast<std::uint32_t>(std::stoul(value));
    } else if (name == "--region") {
      arguments.region = static_cast<std::uint32_t>(std::stoul(value));
    } else if (name == "--seed") {
      arguments.seed = std::stoull(value);
    } else if (name == "--weights") {
      arguments.weights = value;
    } else if (name == "--estimate") {
      arguments.estimate = value;
    } else if (name == "--rate") {
      arguments.rate = std::stod(value);
    } else if (name == "--until") {
      arguments.until = std::stoull(value);
    } else if (name == "--cache") {
      arguments.cache_mib = std::stoul(value);
    } else if (name == "--folder") {
      arguments.folder = value;
    } else {
      return usage(), 2;
    }
  }
  return arguments.estimate.empty() ? run(arguments) : estimate(arguments);
}
