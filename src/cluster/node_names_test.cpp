#include "cluster/node_names.h"

#include <gmock/gmock.h>

namespace sust::cluster {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(NodeNames, AreExpandedWithinABound) {
    EXPECT_THAT(expand_nodes("n[1-3,7],m2"), ElementsAre("n1", "n2", "n3", "n7", "m2"));
    EXPECT_THAT(expand_nodes("nid[001-003]"), ElementsAre("nid001", "nid002", "nid003"));
    EXPECT_THAT(expand_nodes("(null)"), IsEmpty());
    EXPECT_THAT(expand_nodes("n[1-999999999]"), IsEmpty());
    EXPECT_THAT(expand_nodes("n[1-5]", 4), IsEmpty());
    for (const auto* bad :
         {"n[", "n[3-1]", "n[x]", "n[1-2][3-4]", "n[-1]", "n[1-99999999999999999999]"}) {
        EXPECT_THAT(expand_nodes(bad), IsEmpty()) << bad;
    }
}

TEST(NodeNames, AreCompressedToWhatExpandsToThem) {
    const std::vector<std::string> names = {"n1", "n2", "n9", "nid001", "nid002", "m", "n10"};
    EXPECT_EQ(compress_nodes(names), "n[1-2],n9,nid[001-002],m,n10");
    EXPECT_EQ(expand_nodes(compress_nodes(names)), names);
    EXPECT_EQ(compress_nodes({"n09", "n10", "n010"}), "n[09-10],n010");
    EXPECT_EQ(compress_nodes({}), "");
}

}  // namespace
}  // namespace sust::cluster
