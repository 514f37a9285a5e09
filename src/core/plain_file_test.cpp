#include "core/plain_file.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <sys/stat.h>

namespace sust::core {
namespace {

TEST(PlainFile, NeitherLinksNorPipesAreReadAndNothingIsWaitedFor) {
    const auto folder = TemporaryDirectory::create("/tmp", "sust-plain-").value();
    const auto in = [&](const char* name) { return folder.path() / name; };
    ASSERT_TRUE(write_file(in("file"), "bytes"));
    std::filesystem::create_symlink(in("file"), in("link"));
    ASSERT_EQ(::mkfifo(in("pipe").c_str(), 0600), 0);

    EXPECT_EQ(read_plain_file_if_any(in("file"), 5).value(), "bytes");
    EXPECT_EQ(read_plain_file_if_any(in("none"), 5).value(), std::nullopt);
    EXPECT_EQ(read_plain_file_if_any(in("file"), 4).error().fault, Fault::too_large);
    for (const auto* other : {"link", "pipe", "."}) {
        EXPECT_EQ(read_plain_file_if_any(in(other), 5).error().fault, Fault::invalid) << other;
    }
}

}  // namespace
}  // namespace sust::core
