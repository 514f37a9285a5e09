#include "apps/sust/key_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tenancy/keys.h"

namespace sust::cli {
namespace {

class KeyFilesTest : public testing::Test {
  protected:
    KeyFilesTest() {
        context_.places.config = home_.path();
        EXPECT_TRUE(make_key_folder(context_));
    }
    // The identifier of a new key of this name, in its file.
    std::string keep(const std::string& name) {
        const core::Secret secret(std::string(32, 's'));
        const auto made = tenancy::make_key(context_.clock, secret, name, {}, {});
        EXPECT_TRUE(core::write_file(key_file(context_, name), made.text.reveal() + "\n", 0600));
        return made.key.id;
    }
    core::TemporaryDirectory home_ =
        core::TemporaryDirectory::create(std::filesystem::temp_directory_path(), "keys-").value();
    Context context_;
};

TEST_F(KeyFilesTest, AreListedByNameAndReadWithoutTheLineEnd) {
    keep("b");
    keep("a");
    EXPECT_TRUE(core::write_file(home_.path() / "keys/notes.txt", "x"));
    const auto files = key_files(context_);
    ASSERT_EQ(files.size(), 2U);
    EXPECT_EQ(files[0].filename(), "a.key");
    EXPECT_TRUE(tenancy::key_id(read_key(files[0]).value()));
}

TEST_F(KeyFilesTest, ARevokedKeyTakesItsOwnFileAndNotThatOfItsSuccessor) {
    const auto first = keep("ci");
    EXPECT_TRUE(remove_key_file(context_, "ci", first).value());
    const auto second = keep("ci");
    EXPECT_FALSE(remove_key_file(context_, "ci", first).value());
    EXPECT_EQ(key_files(context_).size(), 1U);
    EXPECT_TRUE(remove_key_file(context_, "ci", second).value());
    EXPECT_FALSE(remove_key_file(context_, "ci", second).value());
    EXPECT_THAT(key_files(context_), testing::IsEmpty());
}

}  // namespace
}  // namespace sust::cli
