#include "adapters/store/postgres/migrations.h"

namespace hutong::store {

const std::vector<Migration>& migrations() {
  static const std::vector<Migration> all{
      {1,
       "cursors and what is kept",
       {R"(CREATE TABLE cursors (topic text NOT NULL, partition bigint NOT NULL, next numeric(20) NOT NULL, log text NOT NULL,
                                 moved timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (topic, partition)))",
        R"(CREATE TABLE kept ("table" text PRIMARY KEY, since bigint NOT NULL))"}},
  };
  return all;
}

const std::vector<View>& views() {
  static const std::vector<View> all{
      {"results_per_hospital_and_day", "reports",
       R"(SELECT facility AS hospital, to_timestamp(-newest / 1e6)::date AS day, kind, count(*) AS results,
               count(*) FILTER (WHERE version > 1) AS corrected
        FROM reports GROUP BY 1, 2, 3)"},
      {"results_readable", "reports",
       R"(SELECT facility AS hospital, number AS patient_number, to_timestamp(-newest / 1e6) AS clinical_time, encode(report, 'hex') AS report,
               version, status, kind, to_timestamp(updated / 1e6) AS updated, event_offset, event_id, body::json AS body
        FROM reports)"},
      {"patients_readable", "patients",
       R"(SELECT facility AS hospital, number AS patient_number, subject::json AS subject, version,
               to_timestamp(first_seen / 1e6) AS first_seen, to_timestamp(updated / 1e6) AS updated FROM patients)"},
      {"feeds_readable", "feeds",
       "SELECT facility AS hospital, to_timestamp(updated / 1e6) AS last_message, state::json AS state FROM feeds"},
      {"refused_messages", "quarantine",
       R"(SELECT facility AS hospital, to_timestamp(received / 1e6) AS received, answer, reason, path, type, control_id, retried,
               encode(raw_hash, 'hex') AS raw_hash FROM quarantine)"},
      {"codes_without_map", "unmapped",
       R"(SELECT facility AS hospital, code, display, count, to_timestamp(first_seen / 1e6) AS first_seen,
               to_timestamp(last_seen / 1e6) AS last_seen FROM unmapped)"},
  };
  return all;
}

}  // namespace hutong::store
