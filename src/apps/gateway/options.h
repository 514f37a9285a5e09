#pragma once

// The command line of sust-gateway.

#include <cstdint>
#include <optional>
#include <string>

#include "core/file.h"
#include "core/log.h"
#include "core/result.h"

namespace sust::gateway {

struct Options {
    core::Path root;
    std::string address = "127.0.0.1";
    std::uint16_t port = 8080;
    unsigned threads = 0;  // 0: one per core
    core::Path log_file;   // empty: standard error
    std::uint64_t log_size = 8 << 20;
    int log_files = 4;
    core::Level log_level = core::Level::info;
};

// Nothing if help or the version was asked for, which was printed.
core::Result<std::optional<Options>> parse_options(int argc, char** argv);

}  // namespace sust::gateway
