// What the read side shows: a person with all local records, a report in one of its versions, a stay, a facility; and
// the single things that can be named in them (a report's third item, its specimen). Made by broker/query from the
// store's rows, or from a record without any store; turned into a wire format by a port::Rendering.
// Everything is a view: texts live in the Arena of the answer that holds them. Threads: read from any, written by none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/base/error.h"
#include "broker/model/event.h"
#include "broker/model/facility.h"
#include "broker/model/record.h"

namespace hutong::model {

// A patient as one facility knows it.
struct LocalPatient {
  Text facility, number;
  Subject subject;
  std::uint64_t version = 1;
  Timestamp updated;
};

struct PersonView {
  PersonId id;
  std::vector<LocalPatient> members;  // by facility and number
  PersonId replaced_by;               // empty: this person stands for itself
  std::vector<PersonId> replaces;
  std::uint64_t version = 1;  // of the links
  Timestamp updated;          // zero: not appended anywhere (offline)
};

// A person's local patients as a row of the store has them: [["facility","number"],…]. Errors: corrupt.
Result<std::vector<std::pair<std::string, std::string>>> read_members(std::string_view json);

struct ReportView {
  Report report;
  PersonId person;
  Text facility, number;  // the local patient
  std::uint64_t version = 1;
  Timestamp updated;
  Text event_id;
  std::vector<std::string> item_ids;  // one for each of report.observations
};

struct EncounterView {
  Encounter encounter;
  PersonId person;
  Text facility, number;
  std::uint64_t version = 1;
  Timestamp updated;
};

// An order as a message placed it, in its last word.
struct OrderView {
  Order order;
  PersonId person;
  Text facility, number;  // the local patient
  std::uint64_t version = 1;
  Timestamp updated;
  Text event_id;
};

enum class ViewKind { person, encounter, report, observation, specimen, order, study, image_access, facility };

// One thing that has an id of its own.
struct View {
  ViewKind kind = ViewKind::person;
  const PersonView* person = nullptr;
  const EncounterView* encounter = nullptr;
  const ReportView* report = nullptr;  // of report, observation, specimen, order, study and image_access
  const OrderView* order = nullptr;    // of an order that a message placed; others are known by their report
  const Facility* facility = nullptr;
  std::size_t item = 0;  // index of the observation or image access in the report
};

// Ids: a report's hash in hex, and from it "<report>-<item>", "<report>-s" specimen, "-r" order, "-i" study,
// "-e<n>" image access (n from 1); an order's that was placed by a message is its hash; a facility's is its code.
std::string id_of(const View& view);
std::uint64_t version_of(const View& view);
Timestamp updated_of(const View& view);

// Unique within the report: where a report repeats item and sub-id, the second gets "-2" and so on.
std::vector<std::string> item_ids(const Report& report);

// Everything in a report that has an id, the report first.
std::vector<View> views_of(const ReportView& report);
bool has_order(const Report& report);
bool has_specimen(const Report& report);

// When it clinically happened: for an item its own time, else the report's observed, issued or requested time; for an
// encounter from admission to discharge (open: far future). nullopt: never said.
std::optional<TimeSpan> clinical_span(const View& view);

struct Coding {
  std::string system;  // URI, "" unknown
  Text code, display;
};
// The mapped code first, then the sender's own and its alternate; each once.
std::vector<Coding> codings(const Coded& coded, Text facility);
// The URI of a code system as a sender names it: "LN" → http://loinc.org, "HL70078" → the v2 table's, an OID or URI as
// it is, and everything local to "urn:hutong:facility:<facility>:codes[:<name>]".
std::string code_system(Text sent, Text facility);
struct Numbered {
  std::string_view type;  // HL7 table 0203: PLAC, FILL, PGN
  std::string system;     // "urn:hutong:facility:<code>:placer"
  Text value;
};
// The numbers of an order, the orderer's first.
std::vector<Numbered> order_numbers(const View& order);
// What a thing is filed under: laboratory or imaging (procedure for ECG and endoscopy), and the section the sender
// named.
std::vector<Coding> categories(const View& view);
std::string_view status_of(const View& view);  // the wire's spelling, FHIR R4 value sets

inline constexpr std::string_view loinc_system = "http://loinc.org";
inline constexpr std::string_view facility_system = "urn:hutong:facility";
// 统一社会信用代码: no URI of it was found published.
inline constexpr std::string_view uscc_system = "urn:hutong:uscc";

}  // namespace hutong::model
