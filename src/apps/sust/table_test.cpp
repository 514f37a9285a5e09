#include "apps/sust/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/text.h"

namespace sust::cli {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

std::vector<std::string> lines_of(const std::vector<Row>& rows, std::size_t width) {
    const auto text = table_text(rows, width);
    return core::split(text.substr(0, text.size() - 1), '\n');
}

TEST(Table, ColumnsStandBelowEachOtherWithoutSpacesAtTheEnd) {
    EXPECT_THAT(lines_of({{"A", "B", "C"}, {"long", "b", ""}}, 100),
                ElementsAre("A     B  C", "long  b"));
}

TEST(Table, CutsTheWidestColumnAndNeverTheFirstOrTheLast) {
    const std::string id(30, 'i');
    const auto lines = lines_of({{"ID", "NAME", "MODELS", "STATE"},
                                 {id, std::string(20, 'n'), std::string(90, 'm'), "revoked"}},
                                100);
    EXPECT_EQ(width_of(lines[1]), 100U);
    EXPECT_THAT(lines[1], StartsWith(id + "  " + std::string(20, 'n')));
    EXPECT_THAT(lines[1], HasSubstr("m…  revoked"));
    EXPECT_THAT(lines[0], EndsWith("STATE"));
}

TEST(Table, TheLastColumnGoesOnBelowItself) {
    const auto lines = lines_of({{"NAME", "WHY"}, {"a", "one two three four five six seven"}}, 20);
    EXPECT_THAT(lines, ElementsAre("NAME  WHY", "a     one two three", "      four five six",
                                   "      seven"));
}

TEST(Table, ShownWidthsAreThoseOfCharacters) {
    EXPECT_EQ(width_of("größe…"), 6U);
    EXPECT_EQ(ellipsized("größer", 5), "größ…");
    EXPECT_EQ(ellipsized("größer", 6), "größer");
    EXPECT_THAT(lines_of({{"größe", "b"}, {"x", "y"}}, 100), ElementsAre("größe  b", "x      y"));
}

TEST(Table, NoRowIsWiderThanTheTableWhateverItsCells) {
    for (const std::size_t size : {1U, 7U, 40U, 99U, 300U}) {
        const std::string cell(size, 'x');
        for (const auto& line :
             lines_of({{"A", "B", "C", "D"}, {"id", cell, cell, cell + " " + cell}}, 100)) {
            EXPECT_LE(width_of(line), 100U) << size;
        }
    }
}

}  // namespace
}  // namespace sust::cli
