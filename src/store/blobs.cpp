#include "store/blobs.h"

#include <array>
#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/hash.h"
#include "store/temporary.h"

namespace sust::store {

using core::fail;
using core::Fault;

namespace {

// Its owner may write: tools that keep OCI layouts (skopeo) open a blob that is there to write the
// same bytes again, and what was changed is seen when it is read.
constexpr mode_t k_blob_mode = 0644;

class Upload final : public BlobWriter {
  public:
    Upload(std::shared_ptr<const Layout> layout, TemporaryFile file, std::string media_type)
        : layout_(std::move(layout)), file_(std::move(file)), media_type_(std::move(media_type)) {}

    Result<void> write(std::string_view piece) override {
        if (!file_) {
            return fail(Fault::internal, "this upload has ended");
        }
        auto written = file_->write(piece);
        if (!written) {
            file_.reset();  // a full disk gets its space back at once
            return core::within("store a blob", std::move(written));
        }
        hash_.update(piece);
        size_ += piece.size();
        return {};
    }

    Result<Descriptor> commit(std::optional<Digest> expected) override {
        return finish(expected, nullptr);
    }

    Result<Descriptor> finish(const std::optional<Digest>& expected, const Lock* held) {
        if (!file_) {
            return fail(Fault::internal, "this upload has ended");
        }
        TemporaryFile file = std::move(*file_);
        file_.reset();
        auto digest = Digest::from_hex_unchecked(hash_.hex());
        if (expected && digest != *expected) {
            return fail(
                Fault::conflict,
                fmt::format("these {} bytes are {}, not {}", size_, digest.str(), expected->str()),
                {.hint = "the file changed or the transfer was cut short; send it again"});
        }
        // The slow part, before the lock is taken.
        TRY(core::within("store a blob", file.seal(layout_->clock().wall(), k_blob_mode)));
        TRY(place(file, digest, held));
        TRY(core::sync_directory(layout_->blobs()));
        return Descriptor{.media_type = media_type_, .digest = std::move(digest), .size = size_};
    }

  private:
    // Over a blob that is there already: that renews its age before a collection looks at it, and
    // replaces damaged bytes with good ones.
    Result<void> place(TemporaryFile& file, const Digest& digest, const Lock* held) const {
        if (held != nullptr) {
            return file.place(layout_->blob(digest));
        }
        const auto lock = TRY(layout_->lock());
        return file.place(layout_->blob(digest));
    }

    std::shared_ptr<const Layout> layout_;
    std::optional<TemporaryFile> file_;
    std::string media_type_;
    core::Sha256 hash_;
    std::uint64_t size_ = 0;
};

Result<std::unique_ptr<Upload>> begin_upload(const std::shared_ptr<const Layout>& layout,
                                             std::string media_type) {
    auto file = TRY(core::within("store a blob", TemporaryFile::create(layout->temporary())));
    return std::make_unique<Upload>(layout, std::move(file), std::move(media_type));
}

Result<Descriptor> put_whole(const std::shared_ptr<const Layout>& layout, std::string_view bytes,
                             std::string media_type, const Lock* held) {
    const auto upload = TRY(begin_upload(layout, std::move(media_type)));
    TRY(upload->write(bytes));
    return upload->finish({}, held);
}

tl::unexpected<core::Error> damaged(const Digest& digest, const Path& file,
                                    std::string_view found) {
    return fail(Fault::internal,
                fmt::format("blob {} is damaged: its bytes are sha256:{}", digest.str(), found),
                {file.string(), "bring the same file in again, which replaces it"});
}

tl::unexpected<core::Error> absent(const Digest& digest) {
    return fail(Fault::not_found, "no blob " + digest.str() + " in the store");
}

core::WallTime time_of(const struct timespec& time) {
    return core::WallTime(std::chrono::seconds(time.tv_sec) +
                          std::chrono::milliseconds(time.tv_nsec / 1'000'000));
}

}  // namespace

Result<std::unique_ptr<BlobWriter>> Blobs::begin(std::string media_type) const {
    return TRY(begin_upload(layout_, std::move(media_type)));
}

Result<Descriptor> Blobs::put(std::string_view bytes, std::string media_type) const {
    return put_whole(layout_, bytes, std::move(media_type), nullptr);
}

Result<Descriptor> Blobs::put(std::string_view bytes, std::string media_type,
                              const Lock& held) const {
    return put_whole(layout_, bytes, std::move(media_type), &held);
}

Result<Descriptor> Blobs::put_file(const Path& file, std::string media_type) const {
    const core::Fd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct stat info {};
    if (!fd || ::fstat(fd.get(), &info) != 0) {
        return core::fail_errno("open " + file.string(), errno);
    }
    if (!S_ISREG(info.st_mode)) {
        return fail(Fault::invalid, file.string() + " is not a regular file");
    }
    const auto upload = TRY(begin_upload(layout_, std::move(media_type)));
    std::vector<char> piece(1 << 20);
    while (true) {
        const auto got = ::read(fd.get(), piece.data(), piece.size());
        if (got < 0 && errno != EINTR) {
            return core::fail_errno("read " + file.string(), errno);
        }
        if (got == 0) {
            return upload->finish({}, nullptr);
        }
        TRY(upload->write({piece.data(), got > 0 ? static_cast<std::size_t>(got) : 0}));
    }
}

std::optional<std::uint64_t> Blobs::size(const Digest& digest) const {
    struct stat info {};
    if (::lstat(layout_->blob(digest).c_str(), &info) != 0 || !S_ISREG(info.st_mode)) {
        return std::nullopt;
    }
    return static_cast<std::uint64_t>(info.st_size);
}

Result<std::string> Blobs::read(const Digest& digest, std::size_t max_bytes) const {
    const auto file = layout_->blob(digest);
    auto bytes = TRY(core::read_file_if_any(file, max_bytes));
    if (!bytes) {
        return absent(digest);
    }
    const auto found = core::sha256_hex(*bytes);
    if (found != digest.hex()) {
        return damaged(digest, file, found);
    }
    return std::move(*bytes);
}

Result<void> Blobs::verify(const Digest& digest) const {
    if (!has(digest)) {
        return absent(digest);
    }
    const auto file = layout_->blob(digest);
    const auto found = TRY(core::sha256_hex_of_file(file));
    if (found != digest.hex()) {
        return damaged(digest, file, found);
    }
    return {};
}

Result<std::vector<Blobs::Entry>> Blobs::list() const {
    std::vector<Entry> entries;
    std::error_code error;
    for (std::filesystem::directory_iterator it(layout_->blobs(), error), end; !error && it != end;
         it.increment(error)) {
        auto digest = Digest::parse("sha256:" + it->path().filename().string());
        struct stat info {};
        if (digest && ::lstat(it->path().c_str(), &info) == 0 && S_ISREG(info.st_mode)) {
            entries.push_back({std::move(*digest), static_cast<std::uint64_t>(info.st_size),
                               time_of(info.st_mtim)});
        }
    }
    if (error) {
        return core::fail_errno("list " + layout_->blobs().string(), error.value());
    }
    return entries;
}

Result<void> Blobs::remove(const Digest& digest, const Lock&) const {
    const auto file = layout_->blob(digest);
    if (::unlink(file.c_str()) != 0 && errno != ENOENT) {
        return core::fail_errno("remove " + file.string(), errno);
    }
    return {};
}

}  // namespace sust::store
