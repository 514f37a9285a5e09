# Every outside library, once. Debian ships fmt only as a shared object, while `sust` and
# `sust-agent` must start on nodes that have nothing but glibc: core/fmt.cpp compiles its bodies.
find_package(Threads REQUIRED)
find_package(tl-expected REQUIRED)
find_package(OpenSSL REQUIRED)
find_library(SUST_CRYPTO libcrypto.a REQUIRED)
find_library(SUST_SQLITE libsqlite3.a REQUIRED)
find_library(SUST_YAML libyaml-cpp.a REQUIRED)

add_library(sust_crypto INTERFACE)
target_link_libraries(sust_crypto INTERFACE ${SUST_CRYPTO} ${CMAKE_DL_LIBS} Threads::Threads)
add_library(sust_sqlite INTERFACE)
target_link_libraries(sust_sqlite INTERFACE ${SUST_SQLITE} m ${CMAKE_DL_LIBS} Threads::Threads)
# For sustd alone, which reads megabytes of a scheduler's answers.
find_package(simdjson REQUIRED)
add_library(sust_simdjson INTERFACE)
target_link_libraries(sust_simdjson INTERFACE simdjson::simdjson)
if(SUST_TESTS)
  find_package(GTest REQUIRED)
endif()
