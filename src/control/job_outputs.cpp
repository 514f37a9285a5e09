#include "control/job_outputs.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cluster/fence.h"
#include "control/artifacts.h"
#include "control/left_files.h"
#include "store/lineage.h"

namespace sust::control {

using nlohmann::json;
using store::Kind;

namespace {

constexpr const char* k_build_type = "https://sust.dev/job/v1";
constexpr core::Duration k_fence_wait = std::chrono::seconds(5);

core::Path workdir_of(const Publication& publication) {
    return publication.request.workdir.empty()
               ? publication.place.directory / std::to_string(publication.epoch)
               : publication.request.workdir;
}

Result<store::Digest> put(const Publication& publication, const cluster::Output& output,
                          Published& published, store::Store& store, const std::stop_token& stop) {
    const auto workdir = workdir_of(publication);
    auto left = TRY(take_left_files(workdir, output.path, publication.place.owner, store, stop));
    const auto kind = TRY(store::parse_kind(output.kind));
    if (kind != Kind::dataset) {
        const auto base = publication.artifacts.bases.find(output.name);
        const auto made = TRY(put_checked_model(
            store, kind, std::move(left.files), {.name = output.name},
            base == publication.artifacts.bases.end() ? std::nullopt
                                                      : std::optional(base->second)));
        return made.digest;
    }
    if (left.is_folder) {
        return fail(Fault::invalid, "is a folder, and a dataset is one file of JSON lines",
                    {.where = (workdir / output.path).string(),
                     .hint = "say the file as the output's path"});
    }
    auto made = TRY(put_checked_dataset(store, (workdir / output.path).string(),
                                        std::move(left.files.front()), {.name = output.name}));
    published.reports[made.descriptor.digest] = std::move(made.report);
    return made.descriptor.digest;
}

Result<store::Dependency> dependency(const store::Store& store, std::string name,
                                     const std::string& artifact, const store::Digest& digest) {
    const auto kind = TRY(store.manifest(digest)).kind();
    return store::Dependency{.name = std::move(name),
                             .uri = fmt::format("sust:{}/{}", to_string(kind), artifact),
                             .digest = digest};
}

// Of what is on record alone: a repetition must say the same. The environment's variables are not
// told, because they may be secrets.
Result<store::Provenance> provenance_of(const Publication& publication,
                                        const cluster::Output& output, const store::Store& store) {
    const auto& request = publication.request;
    const json parameters{{"name", request.name},
                          {"command", request.command},
                          {"environment", request.image},
                          {"attempt", publication.epoch},
                          {"path", output.path.string()}};
    store::Provenance provenance{
        .subject_name = output.name,
        .build_type = k_build_type,
        .external_parameters_json = parameters.dump(-1, ' ', false, json::error_handler_t::replace),
        .dependencies = {},
        .run = publication.job,
        .started = publication.started,
        .finished = publication.finished};
    for (const auto& input : request.carried.inputs) {
        provenance.dependencies.push_back(
            TRY(dependency(store, "input:" + input.name, input.artifact,
                           publication.artifacts.inputs.at(input.name))));
    }
    if (!output.base.empty()) {
        provenance.dependencies.push_back(TRY(
            dependency(store, "base", output.base, publication.artifacts.bases.at(output.name))));
    }
    return provenance;
}

// Nobody may begin another attempt meanwhile, and an older one does not come this far.
Result<void> commit(const Publication& publication, const Published& published, store::Store& store,
                    const core::Clock& clock) {
    const auto held = TRY([&]() -> Result<core::FileLock> {
        const auto acting = TRY(core::ActAs::begin(publication.place.owner));
        return cluster::hold_fence(publication.place.directory, publication.epoch,
                                   core::Deadline(clock, k_fence_wait));
    }());
    for (const auto& output : publication.request.carried.outputs) {
        const auto kind = TRY(store::parse_kind(output.kind));
        TRY(core::within(output.where,
                         check_free_name(store, output.name, published.digests.at(output.name),
                                         kind, output.replace ? Replace::yes : Replace::no)));
    }
    for (const auto& output : publication.request.carried.outputs) {
        const auto& digest = published.digests.at(output.name);
        const auto provenance = TRY(provenance_of(publication, output, store));
        TRY(store.attach_statement(digest, store::provenance_statement(digest, provenance)));
        TRY(store.set_name(output.name, digest));
    }
    return {};
}

}  // namespace

Result<Published> publish(const Publication& publication, store::Store& store,
                          const core::Clock& clock, const std::stop_token& stop) {
    Published published;
    for (const auto& output : publication.request.carried.outputs) {
        const auto digest = TRY(core::within(fmt::format("output {}", output.name),
                                             put(publication, output, published, store, stop)));
        published.digests.emplace(output.name, digest);
    }
    auto holds = publication.artifacts;
    holds.outputs = published.digests;
    TRY(hold_artifacts(publication.job, publication.created, holds, store));
    TRY(commit(publication, published, store, clock));
    return published;
}

}  // namespace sust::control
