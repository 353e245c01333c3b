// Broken invariants end the process, in release builds too: a broker that goes on with a state it
// does not understand loses data quietly, one that stops is restarted and replays its log.
#pragma once

#include <cstdio>
#include <cstdlib>

#define HUTONG_INVARIANT(condition, what)                                                        \
  do {                                                                                           \
    if (!(condition)) [[unlikely]] {                                                             \
      std::fprintf(stderr, "hutong: broken invariant at %s:%d: %s\n", __FILE__, __LINE__, what); \
      std::abort();                                                                              \
    }                                                                                            \
  } while (false)
