# tests/unit/test_X.c and tests/component/test_X.c are cmocka programs; each case is a ctest
# entry of its own, so that it can be run, timed and repeated alone. Component tests use
# sockets or threads; both run in sanitizer builds.

# librdkafka's C11 threads are not intercepted by ThreadSanitizer: our executables bring them
# as pthreads, and code that is not instrumented is ignored.
function(duet_tsan_shim target)
  target_sources(${target} PRIVATE ${CMAKE_SOURCE_DIR}/tests/support/tsan_threads.c)
  target_link_options(${target} PRIVATE -rdynamic)
endfunction()

function(duet_cmocka_tests kind label)
  file(GLOB sources CONFIGURE_DEPENDS tests/${kind}/test_*.c)
  set(support "") # unit tests stand alone; component tests share tests/support/, built once
  if(kind STREQUAL component)
    file(GLOB shared CONFIGURE_DEPENDS tests/support/*.c)
    list(FILTER shared EXCLUDE REGEX "tsan_threads")
    add_library(test_support STATIC ${shared})
    target_include_directories(test_support PUBLIC tests)
    target_link_libraries(test_support PUBLIC duet_static PkgConfig::RDKAFKA)
    set(support test_support)
  endif()
  foreach(source ${sources})
    get_filename_component(name ${source} NAME_WE)
    if(name STREQUAL test_outage AND DUET_SANITIZE) # it measures resident memory under load
      continue()
    endif()
    add_executable(${name} ${source})
    target_include_directories(${name} PRIVATE tests)
    target_link_libraries(${name} PRIVATE ${support} duet_static PkgConfig::CMOCKA PkgConfig::CJSON
                          PkgConfig::SQLITE PkgConfig::RDKAFKA)
    target_compile_definitions(${name} PRIVATE SOURCE_DIR="${CMAKE_SOURCE_DIR}"
                               BINARY_DIR="${CMAKE_BINARY_DIR}")
    set_target_properties(${name} PROPERTIES
                          RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    if(DUET_SANITIZE MATCHES thread)
      duet_tsan_shim(${name})
    endif()
    if(name STREQUAL test_rmq_no_memory) # its allocations fail when it says so
      target_link_options(${name} PRIVATE
                          LINKER:--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup)
    endif()
    # re-scan the cases whenever the file changes
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${source})
    file(STRINGS ${source} lines REGEX "cmocka_unit_test[a-z_]*\\(")
    string(REGEX REPLACE "^test_" "" module ${name})
    foreach(line ${lines})
      if(line MATCHES "cmocka_unit_test[a-z_]*\\(([a-z0-9_]+)")
        set(case ${CMAKE_MATCH_1})
        add_test(NAME ${kind}.${module}.${case} COMMAND ${name} ${case})
        set_tests_properties(${kind}.${module}.${case} PROPERTIES
                             LABELS ${label} TIMEOUT 120 SKIP_RETURN_CODE 77)
        if(name STREQUAL test_outage) # half a minute of it, and then all is sent again
          set_tests_properties(${kind}.${module}.${case} PROPERTIES TIMEOUT 300)
        endif()
        duet_sanitizer_environment(${kind}.${module}.${case})
      endif()
    endforeach()
  endforeach()
endfunction()

# What the sanitizers are told for every test that runs our programs.
function(duet_sanitizer_environment)
  if(DUET_SANITIZE MATCHES thread)
    set_property(TEST ${ARGN} APPEND PROPERTY ENVIRONMENT
                 "TSAN_OPTIONS=ignore_noninstrumented_modules=1")
  endif()
endfunction()

# ThreadSanitizer must still see our code: a planted race has to be reported.
function(duet_planted_race)
  add_executable(planted_race tests/race/planted_race.c)
  target_link_libraries(planted_race PRIVATE duet_static)
  duet_tsan_shim(planted_race)
  add_test(NAME unit.race.a_planted_race_is_reported COMMAND planted_race)
  set_tests_properties(unit.race.a_planted_race_is_reported PROPERTIES LABELS unit TIMEOUT 60
                       PASS_REGULAR_EXPRESSION "data race.*dt_buf_")
  duet_sanitizer_environment(unit.race.a_planted_race_is_reported)
endfunction()

# Labels: unit (pure, or one process), memory (scenarios on embedded brokers), real (scenarios
# on a real Kafka and RocketMQ), long (only in `make test-full`).
function(duet_register_tests)
  if(TARGET duet_static)
    duet_fuzz_targets()
  endif()
  if(CMOCKA_FOUND AND TARGET duet_static)
    duet_cmocka_tests(unit unit)
    duet_cmocka_tests(component unit)
    if(DUET_SANITIZE MATCHES thread)
      duet_planted_race()
    endif()
    if(NOT DUET_SANITIZE) # 8 processes, 10,000 writes each, one killed every second
      add_test(NAME house.store_kill_full COMMAND test_store_kill)
      set_tests_properties(house.store_kill_full PROPERTIES LABELS house TIMEOUT 600
                           ENVIRONMENT DUET_TEST_FULL=1)
      add_test(NAME long.journal_crash COMMAND test_journal_crash) # 10,000 crashes
      set_tests_properties(long.journal_crash PROPERTIES LABELS long TIMEOUT 900
                           ENVIRONMENT JOURNAL_CRASHES=12500)
      add_test(NAME long.sketch_mutations COMMAND test_model_differ) # 100,000 of them
      add_test(NAME long.sketch_experiments COMMAND test_sketch_experiments)
      add_test(NAME long.sketch_windows COMMAND test_model_windows_fleet) # 10^6 healthy ones
      set_tests_properties(long.sketch_mutations long.sketch_experiments long.sketch_windows
                           PROPERTIES LABELS long TIMEOUT 1800 ENVIRONMENT
                           "SKETCH_MUTATIONS=100000;SKETCH_FULL=1;SKETCH_WINDOWS=1000000")
    endif()
  endif()
  file(GLOB scripts CONFIGURE_DEPENDS tests/house/*.sh)
  foreach(script ${scripts})
    get_filename_component(name ${script} NAME_WE)
    add_test(NAME house.${name} COMMAND ${script} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(house.${name} PROPERTIES LABELS house TIMEOUT 300 SKIP_RETURN_CODE 77
                         ENVIRONMENT DUET_BUILD=${CMAKE_BINARY_DIR})
  endforeach()
  if(EXISTS ${CMAKE_SOURCE_DIR}/tests/scenario/register.cmake)
    include(${CMAKE_SOURCE_DIR}/tests/scenario/register.cmake)
    include(${CMAKE_SOURCE_DIR}/tests/faults/register.cmake)
  endif()
endfunction()
