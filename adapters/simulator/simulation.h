// The region at work: visits arrive by the hour's rhythm, are registered, ordered for, measured, corrected, resent,
// and leave as HL7 v2 messages in the order of a simulated clock. The same region, seed, start and run give the same
// bytes; another run number gives new control ids and report numbers for the same people.
// Threads: one owner. No clock, no file, no network here.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "adapters/simulator/charset.h"
#include "adapters/simulator/local_time.h"
#include "adapters/simulator/random.h"
#include "adapters/simulator/region.h"
#include "adapters/simulator/residents.h"

namespace hutong::simulator {

enum class Nature { original, correction, resend, malformed };

// A message and the truth about it.
struct Message {
  std::string bytes;       // in the sender's character set; CR line ends
  std::size_t sender = 0;  // index in Region::institutions
  std::string control_id;  // MSH-10 (empty where the fault is that there is none)
  std::string type;        // "ORU^R01"
  LocalSeconds time = 0;   // MSH-7
  std::uint32_t resident = 0;
  CardKind card = CardKind::own;
  std::string patient_number;  // PID-3; of a merge: the number that is kept
  Nature nature = Nature::original;
  std::string detail;           // correction kind, fault, or what differs in a resend
  std::string expected = "AA";  // the acknowledgement that a right broker gives
  std::string report;           // "performer/filler number"; of results only
  bool first_of_report = false, examination = false, preliminary = false;
  std::uint32_t items = 0, unmapped = 0;
};

struct Visit;
struct Report;
enum class Action : std::uint8_t;

class Simulation {
 public:
  // `start` is the first moment of the simulated clock; `run` is at least 1.
  Simulation(Region region, std::uint64_t seed, LocalSeconds start, std::uint32_t run);
  ~Simulation();
  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;

  // The next message in time; valid until the next call. There is always one.
  const Message& next();

  LocalSeconds clock() const { return clock_; }
  std::uint64_t count() const { return count_; }
  const Region& region() const { return region_; }
  const Residents& residents() const { return residents_; }

 private:
  struct Planned {
    Action action;
    std::shared_ptr<Visit> visit;
    std::shared_ptr<Report> report;
    Correction correction{};
    std::shared_ptr<Message> ready;  // a resend or a malformed message
  };
  using VisitPtr = std::shared_ptr<Visit>;
  using ReportPtr = std::shared_ptr<Report>;

  // visits.cpp: what will happen.
  void plan(LocalSeconds time, Planned planned);
  void plan_minute();
  void plan_visit(LocalSeconds time);
  void plan_stay(const VisitPtr& visit, LocalSeconds time, bool known);
  void plan_orders(const VisitPtr& visit, LocalSeconds time);
  void plan_laboratory(const VisitPtr& visit, LocalSeconds time);
  void plan_examination(const VisitPtr& visit, LocalSeconds time);
  void plan_after(const ReportPtr& report, LocalSeconds time);
  void perform(const Planned& planned);

  // reports.cpp: what becomes of a report.
  void measure_report(Report& report);
  void describe_exam(Report& report);
  void correct(Report& report, Correction correction);

  // messages.cpp: HL7 v2 text.
  void open(const Institution& sender, std::size_t index, const std::string& application, const std::string& type,
            const std::string& structure);
  void write_pid(const Visit& visit, const Institution& sender, const std::string& number);
  void write_pv1(const Visit& visit, const Institution& sender);
  void write_adt(const Visit& visit, Action action);
  void write_order(const Report& report);
  void write_report(Report& report);
  void write_observation(const Report& report, const Institution& performer, std::size_t index);
  void write_exam_observations(const Report& report, int& set, char status);
  void close(const Institution& sender);
  std::string stamp(const Institution& sender, LocalSeconds time) const;

  // resends.cpp: what goes wrong on the way.
  void plan_resend();
  void plan_fault();
  bool spoil(Fault fault, Message& message, std::string text);

  std::string next_control_id();
  std::string serial(std::uint32_t& counter) const;

  Region region_;
  std::uint64_t seed_;
  std::uint32_t run_;
  Residents residents_;
  Random random_;
  Gb18030Encoder gb18030_;
  std::map<std::pair<LocalSeconds, std::uint64_t>, Planned> planned_;
  std::uint64_t planned_count_ = 0;
  LocalSeconds planned_until_, clock_;
  double visits_due_ = 0;
  std::unordered_set<std::uint64_t> registered_;  // (institution, resident) of this run
  std::vector<double> shares_;
  std::uint64_t control_ = 0, count_ = 0;
  std::vector<std::uint32_t> visits_, placers_, fillers_, accessions_;  // by institution
  std::uint32_t temporary_ = 0;
  std::string text_;  // the message in UTF-8, before it is encoded
  Message message_;
};

}  // namespace hutong::simulator
