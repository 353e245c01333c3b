// Sends HL7 messages over MLLP: keeps connections, holds up to `window` unanswered messages on each, matches every
// answer to its message (MSA-2, else order), sends again what a lost connection left unanswered. Used by
// `hutong send`, `hutong simulate` and the benchmarks.
// Threads: everything runs on the one thread of the executor that run() is awaited on; supply and callbacks too.
// Lifetime: the supply outlives the transmission.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "adapters/sink/mllp/hl7_bytes.h"
#include "adapters/sink/mllp/send_report.h"
#include "broker/port/net.h"

namespace hutong::mllp_client {

class MessageSupply {
 public:
  virtual ~MessageSupply() = default;

  struct Label {
    std::uint64_t ticket = 0;           // given back with the answer
    std::optional<std::uint32_t> lane;  // messages of one lane keep their order: they take one connection
  };
  enum class Next {
    message,  // appended
    later,    // none is due yet: asked again within 20 ms
    end,      // there will be no more
  };
  // Appends the next message, without framing, to `bytes` (which may hold something already) and labels it.
  virtual Next next(std::string& bytes, Label& label) = 0;
  // Once for every message: its answer, or AnswerCode::none when none came.
  virtual void answered(std::uint64_t ticket, const Answer& answer) {
    (void)ticket;
    (void)answer;
  }
};

struct SendOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 2575;
  std::size_t connections = 1;
  std::size_t window = 16;  // unanswered messages on a connection; 1 is lock-step
  double rate = 0;          // messages a second over all connections; 0: as fast as they are answered
  std::optional<std::chrono::milliseconds> run_for;  // takes nothing more from the supply afterwards
  std::chrono::milliseconds connect_timeout{5'000};  // one attempt
  std::chrono::milliseconds give_up_after{30'000};   // without a connection: the transmission ends with a problem
  std::chrono::milliseconds answer_timeout{60'000};  // the connection is closed and opened anew
  std::chrono::milliseconds drain_timeout{10'000};   // after stop(): how long answers are waited for
  bool resend_unanswered = true;                     // after a lost connection; false: counted as no answer
  unsigned send_again_limit = 20;                    // resends of one message that was answered 207
  std::chrono::milliseconds send_again_pause{500};
  std::function<void(const std::string& what)> trouble;  // at once when no connection can be made, and that it goes on trying
  std::function<void(const SendReport&)> progress;
  std::chrono::milliseconds progress_interval{500};
};

class Transmission {
 public:
  Transmission(SendOptions options, MessageSupply& supply);
  ~Transmission();
  Transmission(const Transmission&) = delete;
  Transmission& operator=(const Transmission&) = delete;

  // Once. Returns when every message is answered or given up; what went wrong stands in the report.
  net::awaitable<SendReport> run();
  // Nothing more is taken from the supply; answers of what is in flight are awaited. From the executor's thread.
  void stop();

 private:
  class State;
  std::shared_ptr<State> state_;
};

// For commands: an io_context of its own, run on the calling thread. `stop` may be set from a signal handler.
SendReport send_all(SendOptions options, MessageSupply& supply, const std::atomic<bool>& stop);

}  // namespace hutong::mllp_client
