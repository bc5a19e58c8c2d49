# What `make install` puts where others find it: libraries, headers, pkg-config and CMake files.
# All of these find their prefix from where they lie, so that `--prefix` and moving both work.
include(CMakePackageConfigHelpers)

install(TARGETS rmq_static ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
foreach(library duet_static rmq_shared duet_shared)
  if(TARGET ${library})
    install(TARGETS ${library} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
                                LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  endif()
endforeach()
install(DIRECTORY include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN *.h)

# The pkg-config names of what a library's folders link, from cmake/libraries.cmake.
function(duet_requirements out)
  set(names "")
  foreach(library ${ARGN})
    if(library MATCHES "^PkgConfig::(.*)$")
      list(APPEND names ${${CMAKE_MATCH_1}_MODULE_NAME})
    endif()
  endforeach()
  list(REMOVE_DUPLICATES names)
  list(JOIN names " " names)
  set(${out} ${names} PARENT_SCOPE)
endfunction()
duet_requirements(rmq_requirements ${rmq_libraries})
# librdkafka's own file asks, for a static program, for libraries that Debian's package of it does
# not bring (libsasl2): of it we name the library alone.
list(REMOVE_ITEM duet_libraries PkgConfig::RDKAFKA)
duet_requirements(duet_requirements ${duet_libraries})

set(pkgconfig_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH prefix_from_pkgconfig /${pkgconfig_dir} /)
foreach(package rmq duet)
  configure_file(cmake/${package}.pc.in ${CMAKE_BINARY_DIR}/${package}.pc @ONLY)
  install(FILES ${CMAKE_BINARY_DIR}/${package}.pc DESTINATION ${pkgconfig_dir})
endforeach()

foreach(package rmq duet)
  set(cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/${package})
  configure_package_config_file(cmake/${package}-config.cmake.in
                                ${CMAKE_BINARY_DIR}/${package}-config.cmake
                                INSTALL_DESTINATION ${cmake_dir}
                                PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR)
  write_basic_package_version_file(${CMAKE_BINARY_DIR}/${package}-config-version.cmake
                                   COMPATIBILITY SameMinorVersion)
  install(FILES ${CMAKE_BINARY_DIR}/${package}-config.cmake
                ${CMAKE_BINARY_DIR}/${package}-config-version.cmake DESTINATION ${cmake_dir})
endforeach()

# The HTML reference: `make docs`.
configure_file(cmake/Doxyfile.in ${CMAKE_BINARY_DIR}/Doxyfile @ONLY)
