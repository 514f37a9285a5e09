#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/file.h"
#include "core/log.h"
#include "core/result.h"

namespace sust::daemon {

struct Options {
    core::Path root;      // --root: everything under one directory
    core::Path log_file;  // absent: standard error
    std::uint64_t log_bytes = 16 << 20;
    int log_files = 5;
    core::Level log_level = core::Level::info;
    enum class Show { nothing, help, version } show = Show::nothing;
};

core::Result<Options> read_options(const std::vector<std::string>& words);
std::string_view help_text();

}  // namespace sust::daemon
