# Warnings and sanitizers are an interface target that our own code links privately,
# so that headers of libraries are never judged by our rules.
add_library(sust_flags INTERFACE)
target_compile_options(sust_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Werror
  -Wno-missing-field-initializers)
# g++ 12 warns of std::string's own copies when it optimises (GCC bug 105651).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(sust_flags INTERFACE $<$<CONFIG:Release>:-Wno-restrict>)
endif()
# Designated initialisers leave out members that have defaults; the warning would forbid that.
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  target_compile_options(sust_flags INTERFACE -Wno-gnu-statement-expression -Wno-unused-command-line-argument)
endif()
target_include_directories(sust_flags INTERFACE ${CMAKE_SOURCE_DIR}/src)
if(SUST_SANITIZE)
  add_compile_options(-fsanitize=${SUST_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${SUST_SANITIZE})
  if(SUST_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=undefined)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
      # clang 14 cannot emit this check's data for coroutines ("difference across sections").
      add_compile_options(-fno-sanitize=function)
    endif()
    add_link_options(-fno-sanitize-recover=undefined)
  endif()
  if(SUST_SANITIZE STREQUAL "thread")
    # Asio's stand-alone fences are invisible to ThreadSanitizer and would be reported as races.
    add_compile_definitions(BOOST_ASIO_DISABLE_FENCED_BLOCK)
  endif()
endif()
add_compile_definitions(BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_HAS_CO_AWAIT)
