#include "cluster/carried.h"

#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cluster/inputs.h"
#include "core/text.h"

namespace sust::cluster {

using core::fail;
using core::Fault;
using core::Path;
using core::Result;
using core::TomlTable;

namespace {

// Each is a folder to fill or to read before the job is done; a set of files is one of them.
constexpr std::size_t k_count_max = 64;
constexpr std::array<std::string_view, 3> k_kinds = {"model", "adapter", "dataset"};

bool is_within(const Path& path, const Path& folder) {
    return std::mismatch(folder.begin(), folder.end(), path.begin(), path.end()).first ==
           folder.end();
}

// Relative to the working directory where it lies in there.
Result<Path> path_of(const TomlTable& part, const Path& workdir) {
    const Path path = TRY(part.required_text("path"));
    TRY(core::within(part.where("path"), check_plain_path(path)));
    return path.is_absolute() && !workdir.empty() && path != workdir && is_within(path, workdir)
               ? path.lexically_relative(workdir)
               : path;
}

Result<void> check_artifact(const std::string& text) {
    return text.starts_with("sha256:") && text.size() == 71 ? Result<void>()
                                                            : core::check_model_name(text);
}

Result<Input> read_input(const TomlTable& part, const Path& workdir, std::string_view image) {
    Input input;
    input.where = part.where();
    input.artifact = TRY(part.required_text("artifact"));
    input.path = TRY(path_of(part, workdir));
    input.name = TRY(part.text("name")).value_or(input.path.filename().string());
    TRY(part.no_other_keys());
    TRY(core::within(part.where("artifact"), check_artifact(input.artifact)));
    if (auto named = core::check_name("input name", input.name); !named) {
        named.error().where = part.where(part.has("name") ? "name" : "path");
        named.error().hint = part.has("name") ? named.error().hint : "say a name beside the path";
        return tl::unexpected<core::Error>(named.error());
    }
    if (!input.path.is_absolute()) {
        return input;
    }
    if (image.empty()) {
        return fail(Fault::invalid,
                    fmt::format("nothing can put an input at {}: the job has no environment",
                                input.path.string()),
                    {.where = part.where("path"),
                     .hint = "a relative path is linked in the working directory"});
    }
    if (input.path == "/" || input.path.native().find(':') != std::string::npos) {
        return fail(Fault::invalid, fmt::format("nothing is mounted at '{}'", input.path.string()),
                    {.where = part.where("path"), .hint = "a folder of its own, without ':'"});
    }
    return input;
}

Result<Output> read_output(const TomlTable& part, const Path& workdir) {
    Output output;
    output.where = part.where();
    output.name = TRY(part.required_text("name"));
    output.kind = TRY(part.required_text("kind"));
    output.path = TRY(path_of(part, workdir));
    output.base = TRY(part.text("base")).value_or("");
    output.replace = TRY(part.boolean("replace")).value_or(false);
    TRY(part.no_other_keys());
    if (std::find(k_kinds.begin(), k_kinds.end(), output.kind) == k_kinds.end()) {
        return fail(Fault::invalid, "no output is a '" + core::printable(output.kind) + "'",
                    {.where = part.where("kind"),
                     .hint = "kind is one of: " + fmt::format("{}", fmt::join(k_kinds, ", "))});
    }
    TRY(core::within(part.where("name"), output.kind == "dataset"
                                             ? core::check_name("dataset name", output.name)
                                             : core::check_model_name(output.name)));
    if (output.path.is_absolute()) {
        return fail(Fault::invalid,
                    fmt::format("{} is outside the working directory", output.path.string()),
                    {.where = part.where("path"), .hint = "say it relative to that, or a workdir"});
    }
    if ((output.kind == "adapter") == output.base.empty()) {
        return fail(Fault::invalid,
                    output.base.empty() ? "an adapter has a base" : "only an adapter has a base",
                    {.where = part.where("base"), .hint = "base = \"the model that it adapts\""});
    }
    if (!output.base.empty()) {
        TRY(core::within(part.where("base"), check_artifact(output.base)));
    }
    return output;
}

Result<void> check_count(const TomlTable& table, const char* key, std::size_t count) {
    return count <= k_count_max
               ? Result<void>()
               : fail(Fault::too_large, fmt::format("more than {} of '{}'", k_count_max, key),
                      {.where = table.where(key),
                       .hint = "an artifact has many files: put them into one"});
}

// A folder of one may not have the other in it: an input is read-only, an output whole.
Result<void> check_apart(const Carried& carried) {
    std::vector<std::pair<Path, std::string>> seen;
    const auto add = [&](const Path& path, const std::string& where) -> Result<void> {
        for (const auto& [other, at] : seen) {
            if (is_within(path, other) || is_within(other, path)) {
                return fail(
                    Fault::invalid,
                    fmt::format("'{}' and '{}' are one place", path.string(), other.string()),
                    {.where = where, .hint = "say places that are apart"});
            }
        }
        seen.emplace_back(path, where);
        return {};
    };
    std::set<std::string> names;
    for (const auto& input : carried.inputs) {
        TRY(add(input.path, input.where));
        if (!names.insert(input_variable(input.name)).second) {
            return fail(Fault::invalid,
                        fmt::format("two inputs are {}", input_variable(input.name)),
                        {.where = input.where, .hint = "say a name beside the path"});
        }
    }
    names.clear();
    for (const auto& output : carried.outputs) {
        TRY(add(output.path, output.where));
        if (!names.insert(output.name).second) {
            return fail(Fault::invalid, fmt::format("two outputs are named {}", output.name),
                        {.where = output.where, .hint = "each has a name of its own"});
        }
    }
    return {};
}

}  // namespace

Result<Carried> read_carried(const TomlTable& table, const Path& workdir, std::string_view image) {
    Carried carried;
    const auto inputs = TRY(table.tables("input"));
    const auto outputs = TRY(table.tables("output"));
    TRY(check_count(table, "input", inputs.size()));
    TRY(check_count(table, "output", outputs.size()));
    for (const auto& part : inputs) {
        carried.inputs.push_back(TRY(read_input(part, workdir, image)));
    }
    for (const auto& part : outputs) {
        carried.outputs.push_back(TRY(read_output(part, workdir)));
    }
    TRY(check_apart(carried));
    return carried;
}

}  // namespace sust::cluster
