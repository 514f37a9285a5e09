#include "env/lock.h"

#include <algorithm>
#include <set>

#include <nlohmann/json.hpp>

#include "core/text.h"

namespace sust::env {

using core::fail;
using core::Fault;
using core::Result;
using nlohmann::ordered_json;

namespace {

constexpr int k_format = 1;
constexpr std::string_view k_hint = "give the lock that sust image show NAME --json prints";

std::string_view field_of(std::string_view stanza, std::string_view name) {
    for (std::size_t at = 0; at < stanza.size();) {
        auto end = std::min(stanza.find('\n', at), stanza.size());
        auto line = stanza.substr(at, end - at);
        if (line.starts_with(name) && line.substr(name.size(), 1) == ":") {
            return core::trim(line.substr(name.size() + 1));
        }
        at = end + 1;
    }
    return {};
}

}  // namespace

std::string Lock::encode() const {
    ordered_json list = ordered_json::array();
    for (const auto& package : packages) {
        list.push_back({{"name", package.name},
                        {"version", package.version},
                        {"architecture", package.architecture}});
    }
    ordered_json json{{"format", k_format},
                      {"name", name},
                      {"summary", summary},
                      {"suite", suite},
                      {"components", components},
                      {"variant", variant},
                      {"architecture", architecture},
                      {"mirror", mirror},
                      {"epoch", epoch},
                      {"inputs", inputs},
                      {"squashfs", {{"digest", squashfs}, {"bytes", squashfs_bytes}}},
                      {"packages", std::move(list)},
                      {"build_file", build_file}};
    return json.dump(1) + "\n";
}

namespace {

// Throws for 1.7e98, which no integer can be.
std::int64_t whole_at(const ordered_json& object, const char* key) {
    return object.at(key).get_ref<const ordered_json::number_integer_t&>();
}

}  // namespace

Result<Lock> Lock::decode(std::string_view text) {
    auto json = ordered_json::parse(text, nullptr, false);
    try {
        // Compared as JSON: a number far beyond any integer cannot be made one.
        if (!json.is_object() || json.value("format", ordered_json()) != k_format) {
            return fail(Fault::invalid, "not a lock of an image (format 1)",
                        {.hint = std::string(k_hint)});
        }
        Lock lock{
            .name = json.at("name"),
            .summary = json.at("summary"),
            .suite = json.at("suite"),
            .components = json.at("components"),
            .variant = json.at("variant"),
            .architecture = json.at("architecture"),
            .mirror = json.at("mirror"),
            .epoch = whole_at(json, "epoch"),
            .inputs = json.at("inputs"),
            .build_file = json.at("build_file"),
            .squashfs = json.at("squashfs").at("digest"),
            .squashfs_bytes = static_cast<std::uint64_t>(whole_at(json.at("squashfs"), "bytes"))};
        for (const auto& item : json.at("packages")) {
            lock.packages.push_back({.name = item.at("name"),
                                     .version = item.at("version"),
                                     .architecture = item.at("architecture")});
        }
        return lock;
    } catch (const ordered_json::exception& error) {
        return fail(Fault::invalid, std::string("the lock is damaged: ") + error.what(),
                    {.hint = std::string(k_hint)});
    }
}

Result<std::vector<Package>> parse_package_lines(std::string_view text) {
    std::vector<Package> packages;
    for (const auto& line : core::split(text, '\n')) {
        if (line.empty()) {
            continue;
        }
        auto fields = core::split(line, '\t');
        if (fields.size() != 3 || fields[0].empty() || fields[1].empty()) {
            return fail(Fault::internal,
                        "dpkg-query printed a line we cannot read: " + core::printable(line));
        }
        packages.push_back({.name = fields[0], .version = fields[1], .architecture = fields[2]});
    }
    std::sort(packages.begin(), packages.end());
    return packages;
}

void strike_found(std::string_view index, std::vector<Package>& wanted,
                  std::vector<Package>& offered) {
    std::set<Package> missing(wanted.begin(), wanted.end());
    std::set<std::string_view> names;
    for (const auto& package : wanted) {
        names.insert(package.name);
    }
    for (std::size_t at = 0; at < index.size();) {
        auto end = std::min(index.find("\n\n", at), index.size());
        auto stanza = index.substr(at, end - at);
        at = end + 2;
        auto name = field_of(stanza, "Package");
        if (!names.contains(name)) {
            continue;
        }
        Package found{.name = std::string(name),
                      .version = std::string(field_of(stanza, "Version")),
                      .architecture = std::string(field_of(stanza, "Architecture"))};
        missing.erase(found);
        offered.push_back(std::move(found));
    }
    wanted.assign(missing.begin(), missing.end());
}

}  // namespace sust::env
