# Test programs that are neither a GoogleTest folder nor Python. Several rooms add here: one line each.

# The disk of the crash tests, an LD_PRELOAD library: build/<preset>/tests/libhutong_shim.so.
add_library(hutong_shim SHARED crash/shim/shim.cpp)
target_compile_options(hutong_shim PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Werror)
target_link_libraries(hutong_shim PRIVATE ${CMAKE_DL_LIBS})

# hutong_fuzz(name library...): libFuzzer program fuzz_<name> from fuzz/<name>.cpp; its corpus is fuzz/corpus/<name>.
# Built by the fuzz preset only (cmake --preset fuzz), run by fuzz/run.sh.
function(hutong_fuzz name)
  if(NOT HUTONG_FUZZ OR NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/${name}.cpp)
    return()
  endif()
  add_executable(fuzz_${name} fuzz/${name}.cpp)
  target_link_libraries(fuzz_${name} PRIVATE ${ARGN})
  target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
endfunction()

hutong_fuzz(journal_reader hutong_log_journal)
hutong_fuzz(hl7v2 hutong_format_hl7v2)
hutong_fuzz(gb18030 hutong_format_hl7v2)
hutong_fuzz(mllp hutong_source_mllp)

# The wall clock of the stories of referral: build/<preset>/tests/libhutong_wall.so.
add_library(hutong_wall SHARED e2e/shim/wall.cpp)
target_compile_options(hutong_wall PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Werror)
target_link_libraries(hutong_wall PRIVATE ${CMAKE_DL_LIBS})

# The names of the stories of webhooks: build/<preset>/tests/libhutong_names.so.
add_library(hutong_names SHARED e2e/shim/names.cpp)
target_compile_options(hutong_names PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Werror)
target_link_libraries(hutong_names PRIVATE ${CMAKE_DL_LIBS})

# Who takes thousands of deliveries a second: build/<preset>/tests/many_receivers; the benchmarks use it, too.
add_executable(many_receivers support/many_receivers.cpp)
target_link_libraries(many_receivers PRIVATE hutong_options Boost::headers Threads::Threads)
