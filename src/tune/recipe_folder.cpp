#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "core/hash.h"
#include "core/text.h"
#include "tune/recipe.h"

namespace sust::tune {

using core::fail;
using core::Fault;
namespace fs = std::filesystem;

namespace {

// Programs, not data: what is larger belongs into an artifact.
constexpr std::size_t k_max_bytes = 16 << 20;
constexpr std::size_t k_max_files = 1000;
constexpr const char* k_file = "recipe.toml";
constexpr const char* k_common = "common";

std::vector<Path> folders(const core::Places& places) {
    return {places.config / "recipes", places.share / "recipes"};
}

Result<Recipe> read_recipe(const Path& folder) {
    const Path file = folder / k_file;
    auto recipe = TRY(parse_recipe(TRY(core::read_file(file, 1 << 20)), file));
    if (recipe.name != folder.filename()) {
        return fail(Fault::invalid, "the recipe's name is '" + recipe.name + "'",
                    {.where = file.string(), .hint = "name the folder like the recipe"});
    }
    return recipe;
}

// Python's caches come and go with use; they are no part of a recipe.
bool is_part(const fs::directory_entry& entry) {
    const auto name = entry.path().filename().string();
    return name != "__pycache__" && !name.starts_with('.');
}

// Relative path -> file, sorted. Links are followed only if they name a file.
Result<std::map<std::string, Path>> files_below(const Path& folder, const std::string& prefix) {
    std::map<std::string, Path> files;
    std::error_code code;
    for (auto at = fs::recursive_directory_iterator(folder, code);
         !code && at != fs::recursive_directory_iterator(); at.increment(code)) {
        if (!is_part(*at)) {
            at.disable_recursion_pending();
        } else if (at->is_regular_file(code)) {
            files[prefix + "/" + at->path().lexically_relative(folder).string()] = at->path();
        }
        if (files.size() > k_max_files) {
            return fail(Fault::too_large, "a recipe of over 1000 files",
                        {.where = folder.string()});
        }
    }
    if (code) {
        return core::fail_errno("read the folder " + folder.string(), code.value());
    }
    return files;
}

using Visit = std::function<Result<void>(const std::string& path, std::string_view bytes)>;

Result<store::Digest> visit_files(const Recipe& recipe, const Visit& visit) {
    auto files = TRY(files_below(recipe.folder, "recipe"));
    if (const Path common = recipe.folder.parent_path() / k_common; core::path_exists(common)) {
        files.merge(TRY(files_below(common, k_common)));
    }
    core::Sha256 hash;
    std::size_t bytes_left = k_max_bytes;
    for (const auto& [path, file] : files) {
        const auto bytes = TRY(core::read_file(file, bytes_left));
        bytes_left -= bytes.size();
        hash.update(core::sha256_hex(bytes) + "  " + path + "\n");
        TRY(visit(path, bytes));
    }
    return store::Digest::parse("sha256:" + hash.hex());
}

}  // namespace

Result<std::vector<Recipe>> list_recipes(const core::Places& places) {
    std::map<std::string, Recipe> found;
    for (const auto& folder : folders(places)) {
        std::error_code code;
        for (const auto& entry : fs::directory_iterator(folder, code)) {
            if (core::path_exists(entry.path() / k_file)) {
                auto recipe = TRY(read_recipe(entry.path()));
                found.try_emplace(recipe.name, std::move(recipe));  // the first folder wins
            }
        }
    }
    std::vector<Recipe> recipes;
    for (auto& [name, recipe] : found) {
        recipes.push_back(std::move(recipe));
    }
    return recipes;
}

Result<Recipe> find_recipe(std::string_view name, const core::Places& places) {
    TRY(core::check_name("recipe name", name));
    std::vector<std::string> names;
    std::vector<std::string> places_seen;
    for (const auto& folder : folders(places)) {
        if (core::path_exists(folder / name / k_file)) {
            return read_recipe(folder / name);
        }
        places_seen.push_back(folder.string());
        std::error_code code;
        for (const auto& entry : fs::directory_iterator(folder, code)) {
            if (core::path_exists(entry.path() / k_file)) {
                names.push_back(entry.path().filename().string());
            }
        }
    }
    std::sort(names.begin(), names.end());
    const auto near = core::nearest(name, names);
    return fail(
        Fault::not_found,
        "no recipe '" + core::printable(name, 60) + "' in " + core::join(places_seen, " or "),
        {.hint = (near ? "is '" + *near + "' meant? " : std::string()) +
                 "sust recipe ls shows: " + core::join(names, ", ")});
}

Result<store::Digest> copy_recipe(const Recipe& recipe, const Path& to) {
    std::set<Path> made;
    TRY(core::make_directories(to / k_common));
    return visit_files(recipe,
                       [&](const std::string& path, std::string_view bytes) -> Result<void> {
                           const Path file = to / path;
                           if (made.insert(file.parent_path()).second) {
                               TRY(core::make_directories(file.parent_path()));
                           }
                           return core::write_file(file, bytes);
                       });
}

Result<store::Digest> digest_recipe(const Recipe& recipe) {
    return visit_files(recipe, [](const std::string&, std::string_view) { return Result<void>(); });
}

}  // namespace sust::tune
