#include "control/run_log.h"

#include <nlohmann/json.hpp>

#include "control/desk.h"

namespace sust::control {

using nlohmann::json;

namespace {

constexpr std::size_t k_piece_bytes = 256 << 10;
constexpr std::uint64_t k_mask = (1ULL << 28) - 1;

// A stage without a job (prepare, register), or whose job has not begun, has printed nothing.
Result<cluster::LogChunk> chunk_of(tune::Runs& runs, const std::string& id, tune::Stage stage,
                                   cluster::Stream stream, std::uint64_t offset,
                                   std::size_t max_bytes) {
    auto chunk = runs.logs(id, stage, stream, offset, max_bytes);
    if (!chunk && chunk.error().fault == Fault::not_found) {
        return cluster::LogChunk{.next_offset = offset, .complete = true};
    }
    return chunk;
}

// Adds what is new of one stream. True: nothing more will come of it.
Result<bool> add(tune::Runs& runs, const std::string& id, tune::Stage stage, cluster::Stream stream,
                 std::uint64_t& offset, std::string& text) {
    const auto room = k_piece_bytes - std::min(text.size(), k_piece_bytes);
    if (room == 0) {
        return false;
    }
    const auto piece = log_json(TRY(chunk_of(runs, id, stage, stream, offset, room)), offset);
    text += piece["text"].get<std::string>();
    offset = piece["next_offset"].get<std::uint64_t>();
    return piece["complete"].get<bool>();
}

Result<bool> add_stage(tune::Runs& runs, const std::string& id, RunStream stream, LogPlace& place,
                       std::string& text) {
    const auto stage = tune::k_stages[place.stage];
    bool complete = true;
    if (stream != RunStream::out) {
        complete = TRY(add(runs, id, stage, cluster::Stream::err, place.err, text));
    }
    if (stream != RunStream::err) {
        complete = TRY(add(runs, id, stage, cluster::Stream::out, place.out, text)) && complete;
    }
    return complete;
}

std::size_t index_of(tune::Stage stage) {
    return static_cast<std::size_t>(std::ranges::find(tune::k_stages, stage) -
                                    std::begin(tune::k_stages));
}

}  // namespace

Result<RunStream> run_stream_of(const std::string& name) {
    if (name == "out") {
        return RunStream::out;
    }
    if (name == "err") {
        return RunStream::err;
    }
    if (name == "both" || name.empty()) {
        return RunStream::both;
    }
    return fail(Fault::invalid, "'stream' is to be out, err or both", {.where = "query"});
}

LogPlace LogPlace::decode(std::uint64_t number) {
    return {.stage = std::min<std::size_t>(number >> 56, std::size(tune::k_stages) - 1),
            .err = number >> 28 & k_mask,
            .out = number & k_mask};
}

std::uint64_t LogPlace::encode() const {
    return static_cast<std::uint64_t>(stage) << 56 | std::min(err, k_mask) << 28 |
           std::min(out, k_mask);
}

Result<json> read_run_log(tune::Runs& runs, const tune::Run& run, std::optional<tune::Stage> stage,
                          RunStream stream, std::uint64_t number) {
    auto place = LogPlace::decode(number);
    const auto last = index_of(run.stage);
    if (stage) {
        place.stage = index_of(*stage);
    }
    std::string text;
    bool complete = false;
    while (text.size() < k_piece_bytes) {
        const auto before = text.size();
        complete = TRY(add_stage(runs, run.id, stream, place, text));
        // A stage that the run has left says no more, also if it never had a job.
        complete = complete || (place.stage < last && text.size() == before);
        if (stage || !complete || place.stage >= last) {
            break;
        }
        place = {.stage = place.stage + 1};
    }
    const bool ended = tune::is_final(run.phase) || place.stage < last;
    return json{{"text", std::move(text)},
                {"next_offset", place.encode()},
                {"complete", complete && ended && (stage || place.stage == last)}};
}

}  // namespace sust::control
