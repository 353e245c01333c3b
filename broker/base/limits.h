// Every bound of the broker by name. A test exists at limit + 1 for each (tests/unit and tests/contract).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace hutong::limits {

inline constexpr std::size_t message_bytes = 16 * 1024 * 1024;      // one HL7 message or HTTP body
inline constexpr std::size_t oversize_kept_bytes = 64 * 1024;       // what is kept of a longer one
inline constexpr std::size_t record_bytes = 64 * 1024 * 1024;       // one record in the log: raw + event JSON
inline constexpr std::size_t batch_records = 1024;                  // one append of a session
inline constexpr std::size_t batch_bytes = 4 * 1024 * 1024;         // raw bytes a session takes at once
inline constexpr std::size_t issues_per_message = 100;              // further ones are counted, not listed
inline constexpr std::size_t json_depth = 64;
inline constexpr std::size_t control_id_chars = 199;                // MSH-10 is ST 199 since 2.7
inline constexpr std::size_t patients_per_message = 1000;
inline constexpr std::size_t connections = 10'000;
inline constexpr std::size_t connections_per_peer = 1'000;          // one address; a hospital sits behind one
inline constexpr std::size_t page_items_max = 1000;                 // _count
inline constexpr std::size_t page_items_default = 50;
inline constexpr std::size_t url_bytes = 8 * 1024;
inline constexpr std::size_t http_header_bytes = 16 * 1024;
inline constexpr std::size_t recent_controls = 2'000'000;           // control ids appended but not yet projected
inline constexpr std::size_t messages_per_control = 63;               // other contents under one control id, of those
inline constexpr std::size_t referral_steps = 1'000;                 // changes of one referral; then only what leads on
inline constexpr std::size_t live_subscribers = 100;                // browsers on /api/v1/live
inline constexpr std::chrono::days exact_memory{7};                 // of control ids, by log time

inline constexpr std::chrono::seconds handshake_deadline{10};
inline constexpr std::chrono::seconds header_deadline{10};
inline constexpr std::chrono::seconds frame_deadline{30};           // from first byte to 0x1C 0x0D
inline constexpr std::chrono::seconds idle_timeout{300};            // configurable; HL7 interfaces idle at night
inline constexpr std::chrono::seconds append_deadline{10};          // then AR with 207
inline constexpr std::chrono::seconds write_deadline{30};
inline constexpr std::chrono::seconds verdict_deadline{2};          // FHIR writes: then 202

}  // namespace hutong::limits
