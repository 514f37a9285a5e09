#pragma once

// The lock of an image: what exactly it was built from. Kept as the config of the image artifact.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "store/digest.h"

namespace sust::env {

struct Package {
    std::string name;
    std::string version;
    std::string architecture;
    auto operator<=>(const Package&) const = default;
};

struct Lock {
    std::string name;
    std::string summary;
    std::string suite;
    std::vector<std::string> components;
    std::string variant;
    std::string architecture;
    std::string mirror;
    std::int64_t epoch = 0;  // of the file times (SOURCE_DATE_EPOCH), seconds since 1970
    std::string inputs;      // digest of what the build was asked for
    std::string build_file;  // its text
    std::string squashfs;    // digest of the image
    std::uint64_t squashfs_bytes = 0;
    std::vector<Package> packages;  // sorted

    bool operator==(const Lock&) const = default;
    // JSON with fixed key order and a format number.
    std::string encode() const;
    static core::Result<Lock> decode(std::string_view json);
};

// "NAME\tVERSION\tARCHITECTURE" lines, as dpkg-query prints them; sorted.
core::Result<std::vector<Package>> parse_package_lines(std::string_view text);

// What of `wanted` the package index (a Packages file) does not have, removed from `wanted` as it
// is found: call once per index; what remains is gone. `offered` collects what is there instead.
void strike_found(std::string_view packages_index, std::vector<Package>& wanted,
                  std::vector<Package>& offered);

}  // namespace sust::env
