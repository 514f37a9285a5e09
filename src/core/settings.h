#pragma once

// Settings with their origin: command line > SUST_* > user file > system file > default.
// All of a configuration is checked before any of it is used.

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/file.h"
#include "core/process.h"
#include "core/result.h"

namespace sust::core {

enum class SettingKind { text, integer, duration, size };

struct SettingSpec {
    std::string_view key;  // "gateway.listen": key `listen` of table [gateway]
    SettingKind kind;
    std::string_view fallback;
    std::string_view help;
};

struct Setting {
    std::string key;
    std::string value;
    std::string source;  // "default", "settings.toml:3:1", "SUST_GATEWAY_LISTEN", "command line"
};

// "gateway.listen" -> "SUST_GATEWAY_LISTEN"
std::string variable_of(std::string_view key);

class Settings {
  public:
    // Files that are absent are skipped. `overrides` are the command line's.
    static Result<Settings> load(std::span<const SettingSpec> specs, const Environment& environment,
                                 std::span<const Path> files_weakest_first,
                                 const std::map<std::string, std::string>& overrides);

    // For keys of the specs only; checked at load, so these cannot fail.
    const std::string& text(std::string_view key) const;
    std::int64_t integer(std::string_view key) const;
    Duration duration(std::string_view key) const;
    std::uint64_t size(std::string_view key) const;
    const std::vector<Setting>& all() const { return all_; }

  private:
    std::vector<Setting> all_;
};

}  // namespace sust::core
