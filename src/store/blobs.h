#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "store/layout.h"
#include "store/store.h"

namespace sust::store {

// blobs/sha256: bytes under the name of their digest, written whole, checked when read.
class Blobs {
  public:
    explicit Blobs(std::shared_ptr<const Layout> layout) : layout_(std::move(layout)) {}

    Result<std::unique_ptr<BlobWriter>> begin(std::string media_type) const;
    Result<Descriptor> put(std::string_view bytes, std::string media_type) const;
    // For callers that have the lock already.
    Result<Descriptor> put(std::string_view bytes, std::string media_type, const Lock& held) const;
    Result<Descriptor> put_file(const Path& file, std::string media_type) const;

    bool has(const Digest& digest) const { return size(digest).has_value(); }
    // Absent if there is no such blob.
    std::optional<std::uint64_t> size(const Digest& digest) const;
    Result<std::string> read(const Digest& digest, std::size_t max_bytes) const;
    Result<void> verify(const Digest& digest) const;

    struct Entry {
        Digest digest;
        std::uint64_t size = 0;
        core::WallTime changed{};
    };
    // Files whose name is no digest are passed over: they are not ours to judge.
    Result<std::vector<Entry>> list() const;
    Result<void> remove(const Digest& digest, const Lock& held) const;

  private:
    std::shared_ptr<const Layout> layout_;
};

}  // namespace sust::store
