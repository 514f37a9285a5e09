#include "control/left_files.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

namespace sust::control {
namespace {

namespace fs = std::filesystem;
using core::Fault;
using core::Path;
using testing::HasSubstr;

class LeftFilesTest : public testing::Test {
  protected:
    Path work() const { return home_.path() / "work"; }
    void write(const Path& path, std::string_view bytes = "bytes") const {
        ASSERT_TRUE(core::make_directories((work() / path).parent_path()));
        ASSERT_TRUE(core::write_file(work() / path, bytes));
    }
    core::Result<LeftFiles> take(const Path& path) {
        return take_left_files(work(), path, {}, store_, stop_.get_token());
    }
    void expect_refused(const Path& path, Fault fault, std::string_view words) {
        const auto taken = take(path);
        ASSERT_FALSE(taken) << path;
        EXPECT_EQ(taken.error().fault, fault) << core::to_string(taken.error());
        EXPECT_THAT(core::to_string(taken.error()), HasSubstr(std::string(words)));
    }
    void SetUp() override { ASSERT_TRUE(core::make_directories(work())); }

    core::ManualClock clock_;
    core::TemporaryDirectory home_ =
        core::TemporaryDirectory::create(fs::temp_directory_path(), "left-").value();
    std::stop_source stop_;
    store::Store store_ = store::Store::open(home_.path() / "store", clock_).value();
};

TEST_F(LeftFilesTest, AFolderIsTakenWithItsPathsAndAFileByItsName) {
    write("out/b/config.json", "{}");
    write("out/a.bin", "12345");
    const auto folder = take("out");
    ASSERT_TRUE(folder) << core::to_string(folder.error());
    EXPECT_TRUE(folder->is_folder);
    ASSERT_EQ(folder->files.size(), 2U);
    EXPECT_EQ(folder->files[0].path, "a.bin");
    EXPECT_EQ(folder->files[0].size, 5U);
    EXPECT_EQ(folder->files[1].path, "b/config.json");
    EXPECT_EQ(store_.read_blob(folder->files[1].digest).value(), "{}");
    const auto file = take("out/a.bin");
    ASSERT_TRUE(file);
    EXPECT_FALSE(file->is_folder);
    EXPECT_EQ(file->files.front().path, "a.bin");
    EXPECT_EQ(file->files.front().digest, folder->files[0].digest);
}

TEST_F(LeftFilesTest, NoSymbolicLinkIsFollowedWhereverItStands) {
    ASSERT_TRUE(core::write_file(home_.path() / "secret", "secret"));
    write("real/file");
    fs::create_symlink(home_.path() / "secret", work() / "link");
    fs::create_symlink(home_.path(), work() / "up");
    fs::create_symlink("real", work() / "inside");
    ASSERT_TRUE(core::make_directories(work() / "out"));
    fs::create_symlink("../../secret", work() / "out/x.json");
    expect_refused("link", Fault::invalid, "a symbolic link");
    expect_refused("up/secret", Fault::invalid, "a symbolic link");
    expect_refused("inside/file", Fault::invalid, "a symbolic link");
    expect_refused("out", Fault::invalid, "x.json");
}

TEST_F(LeftFilesTest, WhatIsMissingEmptyOrNoFileIsTold) {
    ASSERT_TRUE(core::make_directories(work() / "empty/inner"));
    ASSERT_EQ(::mkfifo((work() / "pipe").c_str(), 0600), 0);
    ASSERT_TRUE(core::make_directories(work() / "with"));
    ASSERT_EQ(::mkfifo((work() / "with/pipe").c_str(), 0600), 0);
    expect_refused("none", Fault::not_found, "has not left it");
    expect_refused("no/such", Fault::not_found, "has not left it");
    expect_refused("empty", Fault::invalid, "an empty folder");
    expect_refused("pipe", Fault::invalid, "no plain file");
    expect_refused("with", Fault::invalid, "no plain file");
    fs::remove_all(work());
    expect_refused("none", Fault::not_found, "working directory is not seen here");
}

TEST_F(LeftFilesTest, WhatNoDiskHoldsIsRefusedBeforeAByteIsRead) {
    write("holes");
    fs::resize_file(work() / "holes", 1ULL << 43);
    expect_refused("holes", Fault::exhausted, "has 8.0 TiB");
}

TEST_F(LeftFilesTest, AControllerThatStopsTakesNothingMore) {
    write("file");
    stop_.request_stop();
    expect_refused("file", Fault::unavailable, "sustd stops");
}

TEST_F(LeftFilesTest, FoldersHaveABottom) {
    Path deep = "deep";
    for (int i = 0; i < 40; ++i) {
        deep /= "d";
    }
    write(deep / "file");
    expect_refused("deep", Fault::too_large, "deeper than");
}

}  // namespace
}  // namespace sust::control
