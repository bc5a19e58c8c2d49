# librmq.so and libduet.so, of the same objects as the archives.
#
# libduet.so uses insides of librmq that librmq.so does not export (buffers, clocks, JSON). It
# has its own hidden copy of those: they have no state. What has state (the sentence of an error,
# the log) is exported, and comes from librmq.so, which therefore stands first.
# tests/house/exports.sh holds all of this.
if(DUET_SANITIZE)
  return() # programs under a sanitizer are linked with the archives
endif()

function(duet_shared name version)
  set_target_properties(${name}_shared PROPERTIES OUTPUT_NAME ${name} VERSION ${PROJECT_VERSION}
                        SOVERSION ${version})
  target_link_options(${name}_shared PRIVATE -Wl,--no-undefined -Wl,--exclude-libs,ALL)
endfunction()

# The number after .so changes whenever a program that was linked before could no longer run.
add_library(rmq_shared SHARED ${rmq_objects})
target_link_libraries(rmq_shared PRIVATE ${rmq_libraries})
duet_shared(rmq 0)
if(duet_objects)
  add_library(duet_shared SHARED ${duet_objects})
  target_link_libraries(duet_shared PUBLIC rmq_shared PRIVATE rmq_static ${duet_libraries})
  duet_shared(duet 0)
endif()
