#include <nlohmann/json.hpp>

#include "core/text.h"
#include "core/toml.h"
#include "env/environment.h"

namespace sust::env {

using core::fail;
using core::Fault;
using nlohmann::json;

namespace {

Result<void> set_flag(Mount& mount, std::string_view flag) {
    if (flag == "ro" || flag == "rw") {
        mount.read_only = flag == "ro";
        return {};
    }
    return fail(Fault::invalid, "unknown mount flag '" + core::printable(flag) + "'",
                {.hint = "the flags are ro and rw"});
}

// EDFs in use say `base_environment = "a"` as well as `["a", "b"]`.
Result<std::vector<std::string>> text_or_texts(const core::TomlTable& table, std::string_view key) {
    auto raw = TRY(table.json(key));
    if (!raw) {
        return std::vector<std::string>{};
    }
    if (raw->starts_with('"')) {
        return std::vector<std::string>{*TRY(table.text(key))};
    }
    return table.texts(key);
}

void flatten(const json& value, const std::string& prefix,
             std::map<std::string, std::string>& into) {
    for (const auto& [key, item] : value.items()) {
        auto name = prefix.empty() ? key : prefix + "." + key;
        if (item.is_object()) {
            flatten(item, name, into);
        } else {
            into[name] = item.is_string() ? item.get<std::string>() : item.dump();
        }
    }
}

Result<std::map<std::string, std::string>> annotations(const core::TomlTable& table) {
    std::map<std::string, std::string> found;
    auto raw = TRY(table.json("annotations"));
    if (!raw) {
        return found;
    }
    auto value = json::parse(*raw, nullptr, false);
    if (!value.is_object()) {
        return fail(Fault::invalid, "annotations is not a table",
                    {.where = table.where("annotations")});
    }
    flatten(value, "", found);
    return found;
}

Result<void> check_env(const core::Environment& env, const core::TomlTable& table) {
    for (const auto& [name, value] : env) {
        if (name.empty() || name.find('=') != std::string::npos ||
            name.find('\0') != std::string::npos || value.find('\0') != std::string::npos) {
            return fail(Fault::invalid,
                        "'" + core::printable(name) + "' cannot be an environment variable",
                        {.where = table.where("env")});
        }
    }
    return {};
}

}  // namespace

Result<Mount> parse_mount(std::string_view text) {
    auto parts = core::split(text, ':');
    auto refuse = [&](std::string why) {
        return fail(Fault::invalid, "mount '" + core::printable(text) + "': " + why,
                    {.hint = "write SOURCE:TARGET or SOURCE:TARGET:ro, TARGET with a leading '/'"});
    };
    if (text.find('\0') != std::string_view::npos || parts.size() > 3 || parts[0].empty()) {
        return refuse("not of the form SOURCE:TARGET[:ro]");
    }
    Mount mount{.source = parts[0], .target = parts.size() > 1 ? parts[1] : parts[0]};
    if (!mount.target.is_absolute()) {
        return refuse("the target must be an absolute path");
    }
    mount.target = mount.target.lexically_normal();
    if (!mount.target.has_filename()) {
        mount.target = mount.target.parent_path();  // "/a/" is "/a"
    }
    if (mount.target == "/") {
        return refuse("the root of an environment is its image");
    }
    if (parts.size() == 3) {
        for (const auto& flag : core::split(parts[2], '+')) {
            TRY(set_flag(mount, flag));
        }
    }
    return mount;
}

Result<Edf> parse_edf(std::string_view text, const Path& file) {
    auto table = TRY(core::TomlTable::parse(text, file.string()));
    Edf edf{.file = file};
    edf.base_environment = TRY(text_or_texts(table, "base_environment"));
    edf.image = TRY(table.text("image"));
    edf.workdir = TRY(table.text("workdir"));
    edf.entrypoint = TRY(table.boolean("entrypoint"));
    edf.writable = TRY(table.boolean("writable"));
    edf.mounts = TRY(table.texts("mounts"));
    edf.env = TRY(table.text_map("env"));
    edf.annotations = TRY(annotations(table));
    TRY(table.no_other_keys());
    TRY(check_env(edf.env, table));
    return edf;
}

Result<std::string> expand(std::string_view text, const core::Environment& caller) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        if (text.substr(at, 2) == "$$") {
            out += '$';
            at += 2;
            continue;
        }
        if (text.substr(at, 2) != "${") {
            out += text[at++];
            continue;
        }
        auto end = text.find('}', at);
        if (end == std::string_view::npos) {
            return fail(Fault::invalid, "'${' without '}' in '" + core::printable(text) + "'",
                        {.hint = "write $$ for a plain dollar sign"});
        }
        auto inner = text.substr(at + 2, end - at - 2);
        auto fallback = inner.find(":-");
        auto found = caller.find(std::string(inner.substr(0, fallback)));
        bool set = found != caller.end() && !found->second.empty();
        if (fallback != std::string_view::npos) {
            out += set ? found->second : std::string(inner.substr(fallback + 2));
        } else if (found != caller.end()) {
            out += found->second;
        } else {
            return fail(Fault::invalid, "the variable '" + core::printable(inner) + "' is not set",
                        {.hint = "set it, or write ${" + core::printable(inner) + ":-default}"});
        }
        at = end + 1;
    }
    return out;
}

}  // namespace sust::env
