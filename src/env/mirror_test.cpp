#include "env/mirror.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sust::env {
namespace {

constexpr const char* k_deb822 = R"(# a comment
Types: deb
URIs: http://security.example/debian-security
Suites: bookworm-security
Components: main

Types: deb
Enabled: no
URIs: http://off.example/debian
Suites: bookworm

Types: deb-src
URIs: http://sources.example/debian
Suites: bookworm

types: deb
uris:
 http://main.example/debian
 http://second.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
)";

TEST(Mirror, IsTheFirstAddressOfTheReleasesOwnStanza) {
    EXPECT_EQ(mirror_of_deb822(k_deb822, "bookworm"), "http://main.example/debian");
    EXPECT_EQ(mirror_of_deb822(k_deb822, "trixie"), std::nullopt);
    EXPECT_EQ(mirror_of_deb822("", "bookworm"), std::nullopt);
    EXPECT_EQ(mirror_of_deb822("Types: deb\nSuites: bookworm\n", "bookworm"), std::nullopt);
}

constexpr const char* k_list = R"(
# deb http://commented.example/debian bookworm main
deb-src http://sources.example/debian bookworm main
deb [signed-by=/usr/share/keyrings/x.gpg] http://vendor.example/apt cloud-sdk main
deb http://security.example/ bookworm-security main
deb [arch=amd64 trusted=yes] http://main.example/debian bookworm main contrib
)";

TEST(Mirror, OfALineFormatSkipsOptionsAndOtherVendors) {
    EXPECT_EQ(mirror_of_list(k_list, "bookworm"), "http://main.example/debian");
    EXPECT_EQ(mirror_of_list("deb http://a.example/ stable main", "bookworm"), "http://a.example/");
    EXPECT_EQ(mirror_of_list("deb\ndeb x\n]deb[ y", "bookworm"), std::nullopt);
}

class HostMirror : public ::testing::Test {
  protected:
    void write(const core::Path& path, std::string_view text) {
        ASSERT_TRUE(core::make_directories(etc().parent_path() / path.parent_path()));
        ASSERT_TRUE(core::write_file(etc().parent_path() / path, text));
    }
    core::Path etc() const { return folder_->path() / "etc"; }

    core::Result<core::TemporaryDirectory> folder_ =
        core::TemporaryDirectory::create(::testing::TempDir(), "mirror-");
};

TEST_F(HostMirror, NeverComesFromAnotherVendorsList) {
    write("etc/os-release", "NAME=x\nVERSION_CODENAME=bookworm\n");
    write("etc/apt/sources.list.d/a-vendor.sources",
          "Types: deb\nURIs: http://vendor.example/\nSuites: bookworm\n");
    write("etc/apt/sources.list.d/debian.sources", k_deb822);
    auto mirror = host_mirror(etc());
    ASSERT_TRUE(mirror) << core::to_string(mirror.error());
    EXPECT_EQ(mirror->url, "http://main.example/debian");
    EXPECT_THAT(mirror->source, ::testing::EndsWith("debian.sources"));
}

TEST_F(HostMirror, FallsBackToTheOldList) {
    write("etc/os-release", "VERSION_CODENAME=\"bookworm\"\n");
    write("etc/apt/sources.list", k_list);
    auto mirror = host_mirror(etc());
    ASSERT_TRUE(mirror);
    EXPECT_EQ(mirror->url, "http://main.example/debian");
}

TEST_F(HostMirror, ThatIsNotNamedAnywhereSaysHowToNameOne) {
    write("etc/os-release", "VERSION_CODENAME=bookworm\n");
    auto mirror = host_mirror(etc());
    ASSERT_FALSE(mirror);
    EXPECT_EQ(mirror.error().fault, core::Fault::not_found);
    EXPECT_THAT(mirror.error().hint, ::testing::HasSubstr("image.mirror="));
}

}  // namespace
}  // namespace sust::env
