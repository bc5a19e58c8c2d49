# Scenarios: whole stories over several processes, on the embedded brokers (memory.NAME, which
# run in sanitizer builds, too) and on a real Kafka and RocketMQ (real.NAME).
#
# The real ones share one pair of brokers, started before the first and stopped after the last;
# they run one at a time, since some stop a broker and all measure time, while tests of other
# kinds run beside them.

add_executable(probe ${CMAKE_CURRENT_LIST_DIR}/probe.c)
target_link_libraries(probe PRIVATE duet_static PkgConfig::RDKAFKA)
set_target_properties(probe PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
if(DUET_SANITIZE MATCHES thread)
  duet_tsan_shim(probe)
endif()

set(scenario_environment DUET_BUILD=${CMAKE_BINARY_DIR} PYTHONUNBUFFERED=1)
if(DUET_SANITIZE)
  # a part of the rows, and patience: instrumented code on two cores
  list(APPEND scenario_environment DUET_SCENARIO_ROWS=6000 DUET_SCENARIO_SLOWER=4
       TSAN_OPTIONS=ignore_noninstrumented_modules=1:halt_on_error=1:exitcode=66
       ASAN_OPTIONS=detect_leaks=1)
endif()

function(duet_scenario kind name script)
  add_test(NAME ${kind}.${name}
           COMMAND python3 ${CMAKE_SOURCE_DIR}/tests/scenario/${script}.py --brokers ${kind} ${ARGN})
  set_tests_properties(${kind}.${name} PROPERTIES LABELS ${kind} SKIP_RETURN_CODE 77
                       TIMEOUT 420 ENVIRONMENT "${scenario_environment}")
  if(kind STREQUAL real)
    set_tests_properties(real.${name} PROPERTIES FIXTURES_REQUIRED brokers
                         RESOURCE_LOCK brokers
                         ENVIRONMENT "${scenario_environment};DUET_BROKERS_DIR=${brokers_dir}")
  endif()
endfunction()

set(scenarios whole_move consumer_kill producer_kill rocketmq_killed_while_live switch_speed
    commands bad_input journal_adopt)
foreach(name ${scenarios})
  duet_scenario(memory ${name} ${name})
endforeach()
foreach(outage kill spill bound)
  duet_scenario(memory rocketmq_outage_${outage} rocketmq_outage --outage ${outage})
endforeach()
duet_scenario(memory sandbox_control sandbox_control)

if(NOT DUET_SANITIZE)
  set(brokers_dir ${CMAKE_BINARY_DIR}/brokers)
  set(brokers ${CMAKE_SOURCE_DIR}/scripts/brokers)
  # what an earlier run left is stopped and forgotten
  add_test(NAME real.brokers_start
           COMMAND sh -c "'${brokers}' stop --dir '${brokers_dir}' >/dev/null 2>&1; rm -rf '${brokers_dir}' && '${brokers}' start --dir '${brokers_dir}'")
  add_test(NAME real.brokers_stop COMMAND ${brokers} stop --dir ${brokers_dir})
  set_tests_properties(real.brokers_start PROPERTIES LABELS real FIXTURES_SETUP brokers
                       TIMEOUT 300)
  set_tests_properties(real.brokers_stop PROPERTIES LABELS real FIXTURES_CLEANUP brokers
                       TIMEOUT 120)
  foreach(name ${scenarios})
    duet_scenario(real ${name} ${name})
  endforeach()
  foreach(outage kill pause spill bound bound_kafka)
    duet_scenario(real rocketmq_outage_${outage} rocketmq_outage --outage ${outage})
  endforeach()
  set_property(TEST real.rocketmq_outage_bound_kafka APPEND PROPERTY LABELS long)

  add_executable(rmq_interop ${CMAKE_SOURCE_DIR}/tests/interop/rmq_interop.c)
  target_link_libraries(rmq_interop PRIVATE rmq_static)
  set_target_properties(rmq_interop PROPERTIES
                        RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_executable(rmq_member ${CMAKE_SOURCE_DIR}/tests/interop/rmq_member.c)
  target_link_libraries(rmq_member PRIVATE rmq_static)
  set_target_properties(rmq_member PROPERTIES
                        RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  foreach(pair java=interop group=group)
    string(REGEX MATCH "(.*)=(.*)" pair ${pair})
    set(name real.interop_${CMAKE_MATCH_1})
    set(command python3 ${CMAKE_SOURCE_DIR}/tests/interop/${CMAKE_MATCH_2}.py)
    add_test(NAME ${name} COMMAND ${command})
    set_tests_properties(${name} PROPERTIES LABELS real SKIP_RETURN_CODE 77 TIMEOUT 900
                         FIXTURES_REQUIRED brokers RESOURCE_LOCK brokers
                         ENVIRONMENT "${scenario_environment};DUET_BROKERS_DIR=${brokers_dir}")
    foreach(version 5.4.0 4.9.4) # with brokers of their own
      add_test(NAME ${name}_${version} COMMAND ${command} --rocketmq ${version})
      set_tests_properties(${name}_${version} PROPERTIES LABELS "real;long" SKIP_RETURN_CODE 77
                           TIMEOUT 900 RESOURCE_LOCK brokers ENVIRONMENT "${scenario_environment}")
    endforeach()
  endforeach()

  add_test(NAME real.rmq_admin WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}
           COMMAND tests/interop/admin.sh ${CMAKE_BINARY_DIR} ${brokers_dir})
  set_tests_properties(real.rmq_admin PROPERTIES LABELS real TIMEOUT 300 FIXTURES_REQUIRED brokers
                       RESOURCE_LOCK brokers)

  add_executable(rmq_traps ${CMAKE_SOURCE_DIR}/tests/interop/rmq_traps.c)
  target_link_libraries(rmq_traps PRIVATE rmq_static)
  set_target_properties(rmq_traps PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME real.rmq_traps COMMAND python3 ${CMAKE_SOURCE_DIR}/tests/interop/traps.py)
  set_tests_properties(real.rmq_traps PROPERTIES LABELS real SKIP_RETURN_CODE 77 TIMEOUT 400
                       FIXTURES_REQUIRED brokers RESOURCE_LOCK brokers
                       ENVIRONMENT "${scenario_environment};DUET_BROKERS_DIR=${brokers_dir}")

  add_executable(rmq_security ${CMAKE_SOURCE_DIR}/tests/interop/rmq_security.c)
  target_link_libraries(rmq_security PRIVATE rmq_static)
  set_target_properties(rmq_security PROPERTIES
                        RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  foreach(version 5.3.3 5.4.0 4.9.4)
    add_test(NAME real.security_${version}
             COMMAND ${CMAKE_SOURCE_DIR}/tests/interop/security.sh ${CMAKE_BINARY_DIR} ${version})
    set_tests_properties(real.security_${version} PROPERTIES LABELS real TIMEOUT 300)
  endforeach()
  set_property(TEST real.security_5.4.0 real.security_4.9.4 APPEND PROPERTY LABELS long)
endif()

# Load on a broker that is killed meanwhile: a minute here, ten in `make test-full`.
if(NOT DUET_SANITIZE)
  add_executable(rmq_load ${CMAKE_SOURCE_DIR}/tests/load/rmq_load.c)
  target_link_libraries(rmq_load PRIVATE rmq_static)
  set_target_properties(rmq_load PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  foreach(kind real long)
    if(kind STREQUAL real)
      set(words --seconds 60 --restarts 2)
    else()
      set(words --seconds 600 --restarts 10)
    endif()
    add_test(NAME ${kind}.rmq_load
             COMMAND python3 ${CMAKE_SOURCE_DIR}/tests/load/rmq_load.py ${words})
    set_tests_properties(${kind}.rmq_load PROPERTIES LABELS ${kind} SKIP_RETURN_CODE 77
                         TIMEOUT 1200 FIXTURES_REQUIRED brokers RESOURCE_LOCK brokers
                         ENVIRONMENT "${scenario_environment};DUET_BROKERS_DIR=${brokers_dir}")
  endforeach()
endif()
