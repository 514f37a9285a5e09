#include <atomic>
#include <iostream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <signal.h>

#include "apps/sust/print.h"
#include "core/text.h"
#include "env/build.h"
#include "env/environment.h"
#include "env/export.h"
#include "env/hold.h"
#include "env/images.h"

namespace sust::cli {
namespace {

const std::vector<Column> k_columns{
    {"name", "NAME"},       {"bytes", "SIZE", Column::Form::bytes},
    {"suite", "SUITE"},     {"packages", "PACKAGES"},
    {"used_by", "USED BY"}, {"digest", "DIGEST", Column::Form::digest}};

// Written by the signal handler, read by the build between its waits.
std::atomic<bool> g_interrupted{false};

Result<store::Store> open_store(const Context& context) {
    return store::Store::open(context.places.store(), context.clock);
}

nlohmann::json json_of(const env::ImageInfo& image) {
    nlohmann::json json{{"name", image.name},
                        {"digest", image.digest.str()},
                        {"bytes", image.bytes},
                        {"used_by", image.used_by}};
    if (image.lock) {
        json["summary"] = image.lock->summary;
        json["suite"] = image.lock->suite;
        json["packages"] = image.lock->packages.size();
        json["lock"] = nlohmann::json::parse(image.lock->encode());
    }
    return json;
}

Result<std::optional<env::Lock>> read_lock(const Arguments& arguments) {
    constexpr std::size_t k_max_lock = 16 << 20;
    const auto file = arguments.get("--locked");
    if (!file) {
        return std::optional<env::Lock>();
    }
    return std::optional(
        TRY(core::within(*file, env::Lock::decode(TRY(core::read_file(*file, k_max_lock))))));
}

Result<int> image_build(Context& context, const Arguments& arguments) {
    const auto settings = TRY(context.settings());
    auto store = TRY(open_store(context));
    auto file = TRY(env::read_build_file(arguments.one("FILE")));
    auto locked = TRY(read_lock(arguments));
    env::BuildRequest request{.file = std::move(file),
                              .locked = std::move(locked),
                              .again = arguments.has("--again") ? env::Again::yes : env::Again::no,
                              .environment = context.environment,
                              .cancelled = [] { return g_interrupted.load(); }};
    if (!settings.text("image.mirror").empty()) {
        request.mirror = settings.text("image.mirror");
    }
    for (const int signal : {SIGINT, SIGTERM}) {
        ::signal(signal, [](int) { g_interrupted = true; });
    }
    Progress progress(context);
    const auto built = env::build_image(
        request, store, context.places, context.clock, [&](const env::BuildProgress& p) {
            progress.show(fmt::format("{}: {} ({:.0f} s)", request.file.name, p.phase, p.seconds),
                          p.phase);
        });
    progress.finish();
    TRY(built);
    const auto json = json_of(TRY(env::show_image(store, request.file.name)));
    print_done(
        context, json,
        fmt::format("image {} {} ({}, {} packages)", request.file.name,
                    built->was_there ? "is there already; --again builds it once more" : "built",
                    core::format_size(json.value("bytes", std::uint64_t{0})),
                    built->lock.packages.size()));
    return 0;
}

Result<int> image_ls(Context& context, const Arguments&) {
    auto store = TRY(open_store(context));
    auto items = nlohmann::json::array();
    for (const auto& image : TRY(env::list_images(store))) {
        auto json = json_of(image);
        json.erase("lock");
        items.push_back(std::move(json));
    }
    print_list(context, items, k_columns, "no images; build one with: sust image build FILE");
    return 0;
}

Result<int> image_show(Context& context, const Arguments& arguments) {
    auto store = TRY(open_store(context));
    const auto image = json_of(TRY(env::show_image(store, arguments.one("NAME"))));
    if (arguments.has("--lock")) {
        print_json(image.value("lock", nlohmann::json::object()));
        return 0;
    }
    print_object(context, image,
                 {{"name", "name"},
                  {"summary", "summary"},
                  {"digest", "digest"},
                  {"bytes", "size", Column::Form::bytes},
                  {"suite", "suite"},
                  {"packages", "packages"},
                  {"used_by", "used by"}});
    return 0;
}

Result<int> image_export(Context& context, const Arguments& arguments) {
    const auto store = TRY(open_store(context));
    const auto& name = arguments.one("NAME");
    const env::ExportRequest request{
        .image = name,
        .target = arguments.get("--oci").value_or(""),
        .reference = arguments.get("--reference").value_or(name + ":latest"),
        .environment = context.environment,
        .cancelled = [] { return g_interrupted.load(); }};
    for (const int signal : {SIGINT, SIGTERM}) {
        ::signal(signal, [](int) { g_interrupted = true; });
    }
    Progress progress(context);
    const auto exported =
        env::export_image(request, store, context.clock, [&](std::uint64_t bytes) {
            progress.show(fmt::format("{}: {}", name, core::format_size(bytes)), "exporting");
        });
    progress.finish();
    TRY(exported);
    print_done(context,
               {{"image", name},
                {"reference", request.reference},
                {"target", request.target.string()},
                {"digest", exported->manifest.str()},
                {"bytes", exported->bytes}},
               fmt::format("image {} is {} in {} ({})", name, request.reference,
                           request.target.string(), core::format_size(exported->bytes)));
    return 0;
}

Result<int> image_rm(Context& context, const Arguments& arguments) {
    const auto& name = arguments.one("NAME");
    TRY(confirm(context, fmt::format("remove image {}?", name)));
    auto store = TRY(open_store(context));
    TRY(env::release_stale_mounts(store));
    TRY(env::remove_image(store, name));
    print_done(context, {{"removed", name}},
               fmt::format("image {} removed; sust gc frees its bytes", name));
    return 0;
}

Result<env::RunOptions> run_options(const Context& context, const Arguments& arguments) {
    env::RunOptions options{.inherited = context.environment};
    for (const auto& text : arguments.all("--mount")) {
        options.mounts.push_back(TRY(env::parse_mount(text)));
    }
    for (const auto& [key, value] : TRY(arguments.pairs("--env"))) {
        options.environment[key] = value;
    }
    if (const auto workdir = arguments.get("--workdir")) {
        options.workdir = *workdir;
    }
    return options;
}

// Does not return when the command starts: this process becomes it.
Result<env::ExecFailure> enter(const Context& context, const Arguments& arguments) {
    const auto options = TRY(run_options(context, arguments));
    auto store = TRY(open_store(context));
    const auto plan = TRY(
        env::resolve(arguments.one("--environment"), context.places, store, context.environment));
    if (const auto held = env::hold_image(plan, store, context.clock); !held) {
        // The command runs all the same; only a removal of its image would not be refused.
        std::cerr << "sust run: " << core::to_string(held.error()) << '\n';
    }
    ::signal(SIGPIPE, SIG_DFL);  // as the caller had it; an ignored signal would survive exec
    return env::become(plan, options, arguments.all("COMMAND"), context.places, context.clock);
}

Result<int> run(Context& context, const Arguments& arguments) {
    const auto failure = TRY(enter(context, arguments));
    print_error(context, failure.error);
    return failure.status;
}

}  // namespace

std::vector<Verb> image_verbs() {
    const Positional name{"NAME", "the image", Count::one, Completes::images};
    return {
        {.path = "image build",
         .summary = "build an environment image from Debian packages",
         .positionals = {{"FILE", "name, suite, packages (docs/formats/image.md)", Count::one,
                          Completes::files}},
         .options = {{"--locked", "LOCK", "exactly the versions of this lock; names what is gone",
                      Count::optional, Completes::files},
                     {"--again", "", "build although the same inputs were built before"}},
         .examples = {"sust image build images/llama-cpp.toml",
                      "sust image show trainer --lock > trainer.lock.json",
                      "sust image build images/trainer.toml --locked trainer.lock.json"},
         .run = image_build},
        {.path = "image ls",
         .summary = "all environment images",
         .examples = {"sust image ls"},
         .run = image_ls},
        {.path = "image show",
         .summary = "one image",
         .positionals = {name},
         .options = {{"--lock", "", "print its lock: every package with its version"}},
         .examples = {"sust image show trainer"},
         .run = image_show},
        {.path = "image export",
         .summary = "an image for container runtimes and registries, as an OCI image",
         .positionals = {name},
         .options = {{"--oci", "PATH", "a directory to make, or an archive if it ends in .tar",
                      Count::one},
                     {"--reference", "NAME:TAG", "what runtimes call it (default: NAME:latest)"}},
         .examples = {"sust image export llama-cpp --oci llama-cpp.tar",
                      "sust image export trainer --oci trainer --reference site/trainer:1"},
         .run = image_export},
        {.path = "image rm",
         .summary = "remove an image; refused while something uses it",
         .positionals = {name},
         .examples = {"sust image rm trainer --yes"},
         .run = image_rm},
        {.path = "run",
         .summary = "run a command in an environment; exit status and signals are the command's",
         .positionals = {{"COMMAND", "the command and its arguments", Count::rest}},
         .options = {{"--environment", "NAME", "an environment's name, or a path to its file",
                      Count::one, Completes::environments},
                     {"--mount", "SRC:DST[:ro]", "a file or directory of this machine", Count::any,
                      Completes::mounts},
                     {"--env", "KEY=VALUE", "a variable", Count::any},
                     {"--workdir", "DIR", "the working directory inside"}},
         .examples = {"sust run --environment trainer -- python3 -c 'import torch'",
                      "sust run --environment ./my.toml --mount /scratch:/scratch -- bash"},
         .run = run,
         .status = Verb::Status::of_program}};
}

}  // namespace sust::cli
