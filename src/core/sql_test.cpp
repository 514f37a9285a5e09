#include "core/sql.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

namespace sust::core {
namespace {

constexpr Migration k_first[] = {
    {"CREATE TABLE toys(name TEXT PRIMARY KEY, weight REAL, count INTEGER) STRICT;"
     "CREATE TABLE parts(toy TEXT NOT NULL REFERENCES toys(name)) STRICT"}};
constexpr Migration k_second[] = {k_first[0], {"ALTER TABLE toys ADD COLUMN colour TEXT"}};

class Sql : public testing::Test {
  protected:
    TemporaryDirectory directory_ = TemporaryDirectory::create(testing::TempDir(), "sql").value();
    Path file_ = directory_.path() / "test.db";
};

TEST_F(Sql, ValuesReadBackAsTheyWereWritten) {
    auto database = Database::open(file_).value();
    ASSERT_TRUE(database.migrate("toys", k_first));
    const std::string odd("a\0b'; DROP TABLE toys; --", 25);
    EXPECT_EQ(database.execute("INSERT INTO toys VALUES(?,?,?)", {odd, 1.5, nullptr}).value(), 1);
    const auto rows = database.query("SELECT name, weight, count FROM toys").value();
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_EQ(rows[0].text(0), odd);
    EXPECT_EQ(rows[0].number(1), 1.5);
    EXPECT_FALSE(rows[0].optional_integer(2));
    EXPECT_EQ(rows[0].integer(2), 0);
}

TEST_F(Sql, TheFileIsTheOwnersAlone) {
    const auto database = Database::open(file_);
    struct stat status {};
    ASSERT_EQ(::stat(file_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(Sql, MigrationsRunOnceAndModulesCountApart) {
    {
        auto database = Database::open(file_).value();
        ASSERT_TRUE(database.migrate("toys", k_first));
        ASSERT_TRUE(database.execute("INSERT INTO toys(name) VALUES('wombat')"));
    }
    auto database = Database::open(file_).value();
    ASSERT_TRUE(database.migrate("toys", k_second));
    ASSERT_TRUE(database.migrate("toys", k_second));
    EXPECT_EQ(database.query("SELECT colour FROM toys WHERE name='wombat'")->size(), 1U);
}

TEST_F(Sql, AFileFromALaterVersionIsRefusedNamingBothSteps) {
    auto database = Database::open(file_).value();
    ASSERT_TRUE(database.migrate("toys", k_second));
    const auto older = database.migrate("toys", k_first);
    ASSERT_FALSE(older);
    EXPECT_EQ(older.error().fault, Fault::conflict);
    EXPECT_THAT(older.error().message, testing::HasSubstr("at step 2, this program knows 1"));
}

TEST_F(Sql, AStepThatFailsLeavesNothing) {
    auto database = Database::open(file_).value();
    const Migration bad[] = {{"CREATE TABLE half(x INTEGER) STRICT; CREATE TABLE nonsense("}};
    EXPECT_FALSE(database.migrate("bad", bad));
    EXPECT_FALSE(database.query("SELECT * FROM half"));
}

TEST_F(Sql, ConstraintsAreConflicts) {
    auto database = Database::open(file_).value();
    ASSERT_TRUE(database.migrate("toys", k_first));
    ASSERT_TRUE(database.execute("INSERT INTO toys(name) VALUES('dingo')"));
    EXPECT_EQ(database.execute("INSERT INTO toys(name) VALUES('dingo')").error().fault,
              Fault::conflict);
    EXPECT_EQ(database.execute("INSERT INTO parts VALUES('nobody')").error().fault,
              Fault::conflict);
}

TEST_F(Sql, AFullDiskIsExhausted) {
    auto database = Database::open(file_).value();
    ASSERT_TRUE(database.migrate("toys", k_first));
    ASSERT_TRUE(database.query("PRAGMA max_page_count = 12"));
    const auto result =
        database.execute("INSERT INTO toys(name) VALUES(?)", {std::string(200'000, 'x')});
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().fault, Fault::exhausted);
}

TEST_F(Sql, AFileThatIsNoDatabaseIsRefused) {
    ASSERT_TRUE(write_file(file_, std::string(4096, 'x')));
    const auto database = Database::open(file_);
    ASSERT_FALSE(database);
    EXPECT_FALSE(database.error().hint.empty());
}

TEST_F(Sql, ATransactionThatIsNotCommittedLeavesNothing) {
    auto database = Database::open(file_).value();
    ASSERT_TRUE(database.migrate("toys", k_first));
    {
        const auto transaction = database.begin().value();
        ASSERT_TRUE(database.execute("INSERT INTO toys(name) VALUES('a')"));
    }
    EXPECT_TRUE(database.query("SELECT * FROM toys")->empty());
}

TEST_F(Sql, AnInnerTransactionRollsBackAlone) {
    auto database = Database::open(file_).value();
    ASSERT_TRUE(database.migrate("toys", k_first));
    auto outer = database.begin().value();
    ASSERT_TRUE(database.execute("INSERT INTO toys(name) VALUES('outer')"));
    {
        const auto dropped = database.begin().value();
        ASSERT_TRUE(database.execute("INSERT INTO toys(name) VALUES('dropped')"));
    }
    auto inner = database.begin().value();
    ASSERT_TRUE(database.execute("INSERT INTO toys(name) VALUES('inner')"));
    ASSERT_TRUE(inner.commit());
    ASSERT_TRUE(outer.commit());
    const auto rows = database.query("SELECT name FROM toys ORDER BY name").value();
    ASSERT_EQ(rows.size(), 2U);
    EXPECT_EQ(rows[0].text(0), "inner");
    EXPECT_EQ(rows[1].text(0), "outer");
}

TEST_F(Sql, AWrongNumberOfValuesIsAnError) {
    auto database = Database::open(file_).value();
    ASSERT_TRUE(database.migrate("toys", k_first));
    EXPECT_FALSE(database.execute("INSERT INTO toys(name) VALUES(?)"));
}

}  // namespace
}  // namespace sust::core
