#include "env/squashfs.h"

#include <array>
#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/fd.h"

namespace sust::env {

using core::fail;
using core::Fault;
using core::Result;

namespace {

constexpr std::size_t k_superblock_bytes = 96;
constexpr std::array k_compressions{"gzip", "lzma", "lzo", "xz", "lz4", "zstd"};

// Fields are little-endian at fixed offsets (kernel Documentation/filesystems/squashfs).
std::uint64_t field(std::string_view head, std::size_t offset, std::size_t bytes) {
    std::uint64_t value = 0;
    for (std::size_t i = bytes; i-- > 0;) {
        value = value << 8 | static_cast<unsigned char>(head[offset + i]);
    }
    return value;
}

}  // namespace

Result<SquashfsFacts> read_superblock(std::string_view head, std::uint64_t file_bytes) {
    if (head.size() < k_superblock_bytes || head.substr(0, 4) != "hsqs") {
        return fail(Fault::invalid, "not a squashfs image");
    }
    auto version = field(head, 28, 2) * 1000 + field(head, 30, 2);
    auto compression = field(head, 20, 2);
    SquashfsFacts facts{.file_bytes = file_bytes,
                        .used_bytes = field(head, 40, 8),
                        .block_bytes = static_cast<std::uint32_t>(field(head, 12, 4)),
                        .inodes = static_cast<std::uint32_t>(field(head, 4, 4))};
    auto block_log = field(head, 22, 2);
    if (version != 4000 || compression < 1 || compression > k_compressions.size() ||
        block_log < 12 || block_log > 20 || facts.block_bytes != 1U << block_log) {
        return fail(Fault::invalid, "a squashfs image of another version, or damaged");
    }
    facts.compression = k_compressions[compression - 1];
    if (facts.used_bytes > file_bytes || facts.used_bytes < k_superblock_bytes) {
        return fail(Fault::invalid, "cut off: the image has " + std::to_string(file_bytes) +
                                        " of " + std::to_string(facts.used_bytes) + " bytes");
    }
    return facts;
}

Result<SquashfsFacts> inspect_squashfs(const core::Path& file) {
    core::Fd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!fd && errno == ENOENT) {
        return fail(Fault::not_found, "the image file is not there", {.where = file.string()});
    }
    struct stat status {};
    if (!fd || ::fstat(fd.get(), &status) != 0) {
        return core::fail_errno("open the image " + file.string(), errno);
    }
    if (!S_ISREG(status.st_mode)) {
        return fail(Fault::invalid, "the image is not a file", {.where = file.string()});
    }
    std::array<char, k_superblock_bytes> head{};
    auto got = ::pread(fd.get(), head.data(), head.size(), 0);
    if (got < 0) {
        return core::fail_errno("read the image " + file.string(), errno);
    }
    auto facts = read_superblock({head.data(), static_cast<std::size_t>(got)},
                                 static_cast<std::uint64_t>(status.st_size));
    if (!facts) {
        facts.error().where = file.string();
        facts.error().hint = "build or copy the image again";
    }
    return facts;
}

}  // namespace sust::env
