#include "env/build_file.h"

#include <algorithm>
#include <array>

#include "core/text.h"
#include "core/toml.h"

namespace sust::env {

using core::fail;
using core::Fault;
using core::Result;

namespace {

constexpr std::size_t k_max_bytes = 1 << 20;
constexpr std::uint64_t k_default_disk_bytes = std::uint64_t{2}
                                               << 30;  // a small image and its tree
constexpr std::array k_variants{"essential", "apt",       "required", "minbase",
                                "buildd",    "important", "standard"};

// These words become arguments of other programs, separated by commas there.
bool is_word(std::string_view text) {
    constexpr std::string_view k_allowed =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.~:=/_";
    return !text.empty() && text.front() != '-' &&
           text.find_first_not_of(k_allowed) == std::string_view::npos;
}

Result<void> check_words(const std::vector<std::string>& words, std::string_view key,
                         const core::TomlTable& table) {
    for (const auto& word : words) {
        if (!is_word(word)) {
            return fail(Fault::invalid,
                        "'" + core::printable(word) + "' cannot be an entry of " + std::string(key),
                        {.where = table.where(key)});
        }
    }
    return {};
}

Result<void> check(const BuildFile& file, const core::TomlTable& table) {
    auto named = core::check_name("image name", file.name);
    if (!named) {
        named.error().where = table.where("name");
        return named;
    }
    TRY(check_words({file.suite}, "suite", table));
    TRY(check_words(file.components, "components", table));
    TRY(check_words(file.packages, "packages", table));
    if (std::find(k_variants.begin(), k_variants.end(), file.variant) == k_variants.end()) {
        std::vector<std::string> names(k_variants.begin(), k_variants.end());
        return fail(Fault::invalid, "unknown variant '" + core::printable(file.variant) + "'",
                    {.where = table.where("variant"), .hint = "one of " + core::join(names, ", ")});
    }
    if (file.mirror && file.mirror->find("://") == std::string::npos) {
        return fail(Fault::invalid, "the mirror is not a URL", {.where = table.where("mirror")});
    }
    return {};
}

}  // namespace

Result<BuildFile> parse_build_file(std::string_view text, const core::Path& file) {
    auto table = TRY(core::TomlTable::parse(text, file.string()));
    BuildFile build{.text = std::string(text)};
    build.name = TRY(table.required_text("name"));
    build.summary = TRY(table.text("summary")).value_or("");
    build.suite = TRY(table.required_text("suite"));
    if (table.has("components")) {
        build.components = TRY(table.texts("components"));
    }
    build.packages = TRY(table.texts("packages"));
    build.mirror = TRY(table.text("mirror"));
    build.check_valid_until = TRY(table.boolean("check_valid_until")).value_or(true);
    build.variant = TRY(table.text("variant")).value_or("minbase");
    build.disk_bytes = TRY(table.size("disk")).value_or(k_default_disk_bytes);
    TRY(table.no_other_keys());
    TRY(check(build, table));
    return build;
}

Result<BuildFile> read_build_file(const core::Path& file) {
    return parse_build_file(TRY(core::read_file(file, k_max_bytes)), file);
}

}  // namespace sust::env
