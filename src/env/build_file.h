#pragma once

// images/NAME.toml: what goes into an environment image. docs/formats/image.md.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "core/result.h"

namespace sust::env {

struct BuildFile {
    std::string name;
    std::string summary;
    std::string suite;
    std::vector<std::string> components{"main"};
    std::vector<std::string> packages;
    std::optional<std::string> mirror;
    bool check_valid_until = true;
    std::string variant = "minbase";
    std::uint64_t disk_bytes = 0;  // free space that a build needs
    std::string text;              // the file as it was read
};

core::Result<BuildFile> parse_build_file(std::string_view text, const core::Path& file);
core::Result<BuildFile> read_build_file(const core::Path& file);

}  // namespace sust::env
