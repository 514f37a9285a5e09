#include <nlohmann/json.hpp>

#include "control/blob_sink.h"
#include "core/text.h"

namespace sust::control {

using nlohmann::json;

namespace {

constexpr int k_max_uploads = 64;
// Left for the database and the logs, which must go on when uploads have filled the disk.
constexpr std::uint64_t k_disk_reserve = 64ULL << 20;

class BlobSink final : public core::http::BodySink {
  public:
    BlobSink(const Desk& desk, std::unique_ptr<store::BlobWriter> writer)
        : uploads_(desk.uploads), writer_(std::move(writer)) {
        ++*uploads_;
    }
    ~BlobSink() override { --*uploads_; }

    Result<void> write(std::string_view piece) override { return writer_->write(piece); }
    store::BlobWriter& writer() { return *writer_; }

  private:
    std::shared_ptr<int> uploads_;
    std::unique_ptr<store::BlobWriter> writer_;
};

Result<store::Digest> digest_in(const Ask& ask) {
    return store::Digest::parse(ask.name("digest"));
}

// Syncing gigabytes takes seconds: elsewhere.
Result<Answer> put_blob(Desk& desk, Ask& ask) {
    const auto digest = TRY(digest_in(ask));
    auto sink = std::dynamic_pointer_cast<BlobSink>(ask.exchange->sink());
    if (!sink) {  // a request without a body: the empty blob
        sink = std::make_shared<BlobSink>(desk, TRY(desk.parts.store.begin_blob()));
    }
    using Committed = Result<store::Descriptor>;
    const auto result = std::make_shared<std::optional<Committed>>();
    TRY(desk.parts.loop.offload([sink, digest, result] { *result = sink->writer().commit(digest); },
                                [exchange = ask.exchange, result] {
                                    const auto& committed = **result;
                                    if (!committed) {
                                        finish(exchange, tl::unexpected<Error>(committed.error()));
                                        return;
                                    }
                                    finish(exchange,
                                           json_answer(201, {{"digest", committed->digest.str()},
                                                             {"bytes", committed->size}}));
                                }));
    return Answer();
}

Result<Answer> get_blob(Desk& desk, Ask& ask) {
    const auto digest = TRY(digest_in(ask));
    if (!desk.parts.store.has_blob(digest)) {
        return fail(Fault::not_found, "no such blob", {.where = digest.str()});
    }
    Response head{.headers = {{"Content-Type", "application/octet-stream"}}};
    ask.exchange->respond_file(std::move(head), desk.parts.store.blob_path(digest));
    return Answer();
}

}  // namespace

bool takes_blob(const Route& route) {
    return route.handler == put_blob;
}

Result<std::shared_ptr<core::http::BodySink>> open_blob(
    Desk& desk, const core::http::Exchange& exchange,
    const std::map<std::string, std::string>& names) {
    TRY(store::Digest::parse(names.at("digest")));
    if (*desk.uploads >= k_max_uploads) {
        return fail(Fault::exhausted, "64 uploads run already", {.hint = "try again later"});
    }
    const auto said = exchange.request().headers.get("Content-Length");
    const auto size = said ? core::parse_integer(*said).value_or(0) : 0;
    const auto free = TRY(core::free_bytes(desk.parts.store.folder()));
    if (static_cast<std::uint64_t>(size) + k_disk_reserve > free) {
        return fail(Fault::exhausted,
                    "the disk of the store has " + core::format_size(free) +
                        " free, not enough for " +
                        core::format_size(static_cast<std::uint64_t>(size)),
                    {.where = desk.parts.store.folder().native(), .hint = "free some: sust gc"});
    }
    return std::make_shared<BlobSink>(desk, TRY(desk.parts.store.begin_blob()));
}

std::vector<Route> blob_routes() {
    return {{"PUT",
             "/api/v1/blobs/{digest}",
             "Upload bytes under their digest",
             put_blob,
             {},
             Effect::changes},
            {"GET", "/api/v1/blobs/{digest}", "Download bytes by their digest", get_blob}};
}

}  // namespace sust::control
