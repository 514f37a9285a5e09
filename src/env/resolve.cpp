#include <algorithm>
#include <system_error>

#include "core/text.h"
#include "env/environment.h"
#include "env/squashfs.h"

namespace sust::env {

using core::fail;
using core::Fault;

namespace {

constexpr std::size_t k_max_edf_bytes = 1 << 20;  // a file for people; larger is a mistake

std::vector<Path> search_path(const core::Places& places) {
    return {places.config / "environments", places.share / "environments"};
}

Result<Path> find_file(std::string_view name, const core::Places& places) {
    if (name.find('/') != std::string_view::npos) {
        return Path(name);
    }
    std::string looked;
    for (const auto& folder : search_path(places)) {
        auto file = folder / (std::string(name) + ".toml");
        if (core::path_exists(file)) {
            return file;
        }
        looked += (looked.empty() ? "" : ", ") + folder.string();
    }
    auto names = environment_names(places);
    auto near = core::nearest(name, names);
    return fail(Fault::not_found, "no environment '" + core::printable(name) + "' in " + looked,
                {.hint = near            ? "did you mean '" + *near + "'?"
                         : names.empty() ? "write an EDF there, or give a path with a '/'"
                                         : "there are: " + core::join(names, ", ")});
}

Result<Edf> read_edf(std::string_view name, const core::Places& places) {
    auto file = TRY(find_file(name, places));
    auto text = core::read_file(file, k_max_edf_bytes);
    if (!text) {
        return core::within("environment '" + core::printable(name) + "'",
                            Result<Edf>(tl::unexpected(text.error())));
    }
    return parse_edf(*text, file);
}

// Scalars replace, mounts append, tables merge with the later one winning.
void lay_over(Edf& base, const Edf& top) {
    base.file = top.file;
    auto replace = [](auto& below, const auto& above) {
        if (above) {
            below = above;
        }
    };
    replace(base.image, top.image);
    replace(base.workdir, top.workdir);
    replace(base.entrypoint, top.entrypoint);
    replace(base.writable, top.writable);
    base.mounts.insert(base.mounts.end(), top.mounts.begin(), top.mounts.end());
    for (const auto& [name, value] : top.env) {
        base.env[name] = value;
    }
    for (const auto& [name, value] : top.annotations) {
        base.annotations[name] = value;
    }
}

Result<Edf> compose(std::string_view name, const core::Places& places,
                    const core::Environment& caller) {
    auto self = TRY(read_edf(name, places));
    Edf whole;
    for (const auto& said : self.base_environment) {
        auto base = TRY(read_edf(TRY(expand(said, caller)), places));
        if (!base.base_environment.empty()) {
            return fail(
                Fault::invalid,
                "'" + said +
                    "' is a base environment and has one itself; one level is "
                    "what works",
                {.where = self.file.string(),
                 .hint = "list all of them here: base_environment = [\"" +
                         core::join(base.base_environment, "\", \"") + "\", \"" + said + "\"]"});
        }
        lay_over(whole, base);
    }
    lay_over(whole, self);
    return whole;
}

bool is_path(std::string_view image) {
    return image.starts_with('/') || image.starts_with("./") || image.ends_with(".sqsh") ||
           image.ends_with(".squashfs");
}

// An image that ships as a file is built from it; which others there are is of no help then.
Result<store::Digest> named_image(const std::string& image, const store::Store& store,
                                  const core::Places& places) {
    auto found = store.require(image, store::Kind::image);
    const auto file = places.share / "images" / (image + ".toml");
    if (!found && found.error().fault == Fault::not_found && core::check_name("image", image) &&
        core::path_exists(file)) {
        found.error().hint = "sust image build " + file.string();
    }
    return found;
}

Result<void> find_image(Plan& plan, const std::string& image, const store::Store& store,
                        const core::Places& places) {
    plan.image_name = image;
    if (is_path(image)) {
        plan.image_file = image;
        TRY(inspect_squashfs(plan.image_file));
        return {};
    }
    auto digest = store::Digest::parse(image);
    plan.image = digest ? *digest : TRY(named_image(image, store, places));
    auto manifest = TRY(store.manifest(*plan.image));
    if (manifest.kind() != store::Kind::image || manifest.layers.size() != 1) {
        return fail(Fault::invalid, "'" + image + "' is not an environment image",
                    {.hint = "sust image ls shows the images"});
    }
    const auto& layer = manifest.layers.front();
    plan.image_file = store.blob_path(layer.digest);
    auto facts = TRY(inspect_squashfs(plan.image_file));
    if (facts.file_bytes != layer.size) {
        return fail(Fault::internal,
                    "the image '" + image + "' has " + std::to_string(facts.file_bytes) +
                        " bytes instead of " + std::to_string(layer.size),
                    {.where = plan.image_file.string(),
                     .hint = "remove that file and build again: sust image build FILE --again"});
    }
    return {};
}

}  // namespace

std::vector<std::string> environment_names(const core::Places& places) {
    std::vector<std::string> names;
    for (const auto& folder : search_path(places)) {
        std::error_code error;
        for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end;
             at.increment(error)) {
            if (at->path().extension() == ".toml") {
                names.push_back(at->path().stem().string());
            }
        }
    }
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    return names;
}

Result<Plan> resolve(std::string_view name, const core::Places& places, const store::Store& store,
                     const core::Environment& caller) {
    auto edf = TRY(compose(name, places, caller));
    auto at = [&](auto result) {
        if (!result && result.error().where.empty()) {
            result.error().where = edf.file.string();
        }
        return result;
    };
    Plan plan{.name = std::string(name),
              .writable = edf.writable.value_or(true),
              .annotations = edf.annotations};
    if (!edf.image || edf.image->empty()) {
        return fail(Fault::invalid, "the environment has no image",
                    {.where = edf.file.string(), .hint = "add: image = \"NAME\""});
    }
    plan.workdir = TRY(at(expand(edf.workdir.value_or(""), caller)));
    if (!plan.workdir.empty() && !plan.workdir.is_absolute()) {
        return fail(Fault::invalid, "workdir must be an absolute path",
                    {.where = edf.file.string()});
    }
    for (const auto& text : edf.mounts) {
        plan.mounts.push_back(TRY(at(parse_mount(TRY(at(expand(text, caller)))))));
    }
    for (const auto& [variable, value] : edf.env) {
        plan.env[variable] = TRY(at(expand(value, caller)));
    }
    TRY(at(find_image(plan, TRY(at(expand(*edf.image, caller))), store, places)));
    return plan;
}

}  // namespace sust::env
