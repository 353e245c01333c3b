// What a thread is called and when it may run. Each call is about the calling thread and cannot fail in a way that
// matters: without the scheduler's permission everything works, a little slower. Threads: any.
#pragma once

#include <string_view>

namespace hutong {

// As top -H, gdb and perf show it; the first 15 bytes.
void name_this_thread(std::string_view name);
// For a thread that works in batches: when it is woken it waits for its turn instead of interrupting the one that
// woke it. On a busy core the batches grow; on a free core nothing changes (sched(7), SCHED_BATCH).
void batch_this_thread();
// For work that may lag: it gets what the others leave, and they never wait for its turn to end (SCHED_IDLE).
void lower_this_thread();

}  // namespace hutong
