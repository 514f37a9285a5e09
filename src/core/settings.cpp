#include "core/settings.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include <fmt/format.h>

#include "core/text.h"
#include "core/toml.h"

namespace sust::core {
namespace {

constexpr std::size_t k_max_file_bytes = 1 << 20;

Result<void> check(const SettingSpec& spec, const std::string& value, const std::string& source) {
    const auto judged = [&]() -> Result<void> {
        switch (spec.kind) {
            case SettingKind::text:
                break;
            case SettingKind::integer:
                TRY(parse_integer(value));
                break;
            case SettingKind::duration:
                TRY(parse_duration(value));
                break;
            case SettingKind::size:
                TRY(parse_size(value));
                break;
        }
        return {};
    }();
    if (judged) {
        return {};
    }
    auto error = judged.error();
    error.message = fmt::format("setting '{}': {}", spec.key, error.message);
    error.where = source;
    return tl::unexpected<Error>(error);
}

// The value as written: integers may stand without quotes.
Result<std::optional<std::string>> value_in(const TomlTable& table, std::string_view key,
                                            SettingKind kind) {
    if (kind == SettingKind::integer) {
        const auto number = TRY(table.integer(key));
        return number ? std::optional(std::to_string(*number)) : std::nullopt;
    }
    return table.text(key);
}

Result<void> apply_file(std::span<const SettingSpec> specs, const Path& file,
                        std::vector<Setting>& all) {
    const auto text = TRY(read_file_if_any(file, k_max_file_bytes));
    if (!text) {
        return {};
    }
    const auto document = TRY(TomlTable::parse(*text, file.string()));
    std::map<std::string, TomlTable> tables;
    for (std::size_t i = 0; i < specs.size(); ++i) {
        const auto parts = split(specs[i].key, '.');
        if (!tables.contains(parts[0])) {
            const auto found = TRY(document.table(parts[0]));
            if (!found) {
                continue;
            }
            tables.emplace(parts[0], *found);
        }
        const auto& table = tables.at(parts[0]);
        if (const auto value = TRY(value_in(table, parts[1], specs[i].kind))) {
            TRY(check(specs[i], *value, table.where(parts[1])));
            all[i].value = *value;
            all[i].source = table.where(parts[1]);
        }
    }
    for (const auto& [name, table] : tables) {
        TRY(table.no_other_keys());
    }
    return document.no_other_keys();
}

}  // namespace

std::string variable_of(std::string_view key) {
    std::string name = "SUST_";
    for (const char c : key) {
        name += c == '.' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
    return name;
}

Result<Settings> Settings::load(std::span<const SettingSpec> specs, const Environment& environment,
                                std::span<const Path> files_weakest_first,
                                const std::map<std::string, std::string>& overrides) {
    Settings settings;
    for (const auto& spec : specs) {
        settings.all_.push_back({std::string(spec.key), std::string(spec.fallback), "default"});
    }
    for (const auto& file : files_weakest_first) {
        TRY(apply_file(specs, file, settings.all_));
    }
    for (std::size_t i = 0; i < specs.size(); ++i) {
        auto& setting = settings.all_[i];
        if (const auto found = environment.find(variable_of(setting.key));
            found != environment.end()) {
            TRY(check(specs[i], found->second, found->first));
            setting = {setting.key, found->second, found->first};
        }
        if (const auto found = overrides.find(setting.key); found != overrides.end()) {
            TRY(check(specs[i], found->second, "command line"));
            setting = {setting.key, found->second, "command line"};
        }
    }
    return settings;
}

const std::string& Settings::text(std::string_view key) const {
    const auto found = std::find_if(all_.begin(), all_.end(),
                                    [&](const Setting& setting) { return setting.key == key; });
    if (found == all_.end()) {
        std::abort();  // a key outside the table of settings is a defect of the caller
    }
    return found->value;
}

std::int64_t Settings::integer(std::string_view key) const {
    return parse_integer(text(key)).value();
}
Duration Settings::duration(std::string_view key) const {
    return parse_duration(text(key)).value();
}
std::uint64_t Settings::size(std::string_view key) const {
    return parse_size(text(key)).value();
}

}  // namespace sust::core
