#include "core/places.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sust::core {
namespace {

TEST(Places, RootPutsEverythingUnderOneDirectory) {
    const auto places = find_places({}, "/opt/bin/sust", 1000, "/tmp/x").value();
    EXPECT_EQ(places.data, "/tmp/x/data");
    EXPECT_EQ(places.api_socket(), "/tmp/x/run/api.sock");
    EXPECT_EQ(places.share, "/opt/share/sust");
}

TEST(Places, AUserHasTheXdgDirectories) {
    const Environment environment{
        {"HOME", "/home/u"}, {"XDG_CACHE_HOME", "/c"}, {"XDG_DATA_HOME", "relative"}};
    const auto places = find_places(environment, "/usr/bin/sust", 1000, {}).value();
    EXPECT_EQ(places.data, "/home/u/.local/share/sust");
    EXPECT_EQ(places.cache, "/c/sust");
    EXPECT_EQ(places.run, "/tmp/sust-1000/run");
    EXPECT_FALSE(find_places({}, "/usr/bin/sust", 1000, {}));
}

TEST(Places, RootUserHasTheSystemDirectories) {
    EXPECT_EQ(find_places({}, "/usr/bin/sust", 0, {}).value().data, "/var/lib/sust");
}

TEST(Places, ALongSocketPathFallsBackToAShortOneThatIsAlwaysTheSame) {
    EXPECT_EQ(socket_path("/run/sust/api.sock", ::getuid()).value(), "/run/sust/api.sock");
    const Path wanted = "/tmp/" + std::string(150, 'd') + "/api.sock";
    const auto first = socket_path(wanted, ::getuid()).value();
    EXPECT_LE(first.string().size(), 100U);
    EXPECT_EQ(first, socket_path(wanted, ::getuid()).value());
    struct stat info {};
    ASSERT_EQ(::stat(first.parent_path().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0700U);
}

}  // namespace
}  // namespace sust::core
