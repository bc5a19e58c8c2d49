# tests/fuzz/fuzz_X.c are fuzz targets; their inputs are in tests/fuzz/corpus/X. Every build
# replays these (unit.fuzz.X); with DUET_FUZZ, and clang, the target is linked with libFuzzer
# instead, and `make fuzz` runs it.
function(duet_fuzz_targets)
  file(GLOB sources CONFIGURE_DEPENDS tests/fuzz/fuzz_*.c)
  add_custom_target(fuzzers)
  foreach(source ${sources})
    get_filename_component(name ${source} NAME_WE)
    string(REGEX REPLACE "^fuzz_" "" subject ${name})
    add_executable(${name} ${source})
    target_include_directories(${name} PRIVATE tests)
    target_link_libraries(${name} PRIVATE duet_static)
    set_target_properties(${name} PROPERTIES
                          RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    add_dependencies(fuzzers ${name})
    if(DUET_FUZZ)
      target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    else()
      target_sources(${name} PRIVATE tests/fuzz/replay.c)
      if(DUET_SANITIZE MATCHES thread)
        duet_tsan_shim(${name})
      endif()
      add_test(NAME unit.fuzz.${subject}
               COMMAND ${name} ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${subject})
      set_tests_properties(unit.fuzz.${subject} PROPERTIES LABELS unit TIMEOUT 120)
      duet_sanitizer_environment(unit.fuzz.${subject})
    endif()
  endforeach()
endfunction()
