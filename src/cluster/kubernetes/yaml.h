#pragma once

// YAML as people write configuration in it, read into a tree that is bounded: size, depth and
// number of values; anchors and aliases (whose expansion has no bound) are refused.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/result.h"

namespace sust::cluster::kubernetes {

using core::Result;

struct Yaml {
    enum class Kind { null, text, list, map };
    Kind kind = Kind::null;
    int line = 0;  // from 1
    std::string text{};
    std::vector<Yaml> list{};
    std::vector<std::pair<std::string, Yaml>> map{};

    // The value at `key`; null if there is none, or this is no map.
    const Yaml* find(std::string_view key) const;
};

// The first document of `text`. invalid and too_large name `origin` and the line.
Result<Yaml> parse_yaml(std::string_view text, const std::string& origin);

}  // namespace sust::cluster::kubernetes
