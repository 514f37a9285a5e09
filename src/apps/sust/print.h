#pragma once

// What people see: tables of at most 100 columns, key-value blocks, progress on standard error.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "apps/sust/context.h"

namespace sust::cli {

// A column of a table made from JSON objects; `key` may be a path ("progress.step").
struct Column {
    std::string_view key;
    std::string_view title;
    enum class Form { text, bytes, age, time, digest, percent } form = Form::text;
};

// --json: the items as one array; otherwise a table, or `none` when there are no items.
void print_list(const Context& context, const nlohmann::json& items,
                const std::vector<Column>& columns, std::string_view none);
// --json: the object; otherwise a line "title value" of each column that is there; a value that has
// members goes on with a line of each.
void print_object(const Context& context, const nlohmann::json& object,
                  const std::vector<Column>& columns);
// One such line, and further ones below its value, which stands right of `width` columns.
void print_field(std::string_view title, const std::vector<std::string>& lines,
                 std::size_t width = 14);
// --json: the object; otherwise the sentence, if there is one.
void print_done(const Context& context, const nlohmann::json& object, std::string_view sentence);
// On standard output, at once; bytes that are no UTF-8 are replaced. `line`: one of several
// objects.
enum class JsonForm { indented, line };
void print_json(const nlohmann::json& value, JsonForm form = JsonForm::indented);
// On standard error; what was asked for is done nevertheless.
void print_warning(const Context& context, std::string_view message, std::string_view hint = {});
void print_error(const Context& context, const core::Error& error);

std::string cell(const Context& context, const nlohmann::json& object, const Column& column);

// Of JSON that may lack the key or have null there: the text or nothing; the number, or its share
// of 100, or "not measured".
std::string text_in(const nlohmann::json& object, const char* key);
std::string number_in(const nlohmann::json& object, const char* key);
std::string percent_in(const nlohmann::json& object, const char* key);

// One line that is rewritten on a terminal; elsewhere the first of each phase, and one now and
// then. Standard error.
class Progress {
  public:
    explicit Progress(const Context& context);
    ~Progress();
    // `phase`: what is being done, without how far it is.
    void show(const std::string& line, std::string_view phase = {});
    void finish();

  private:
    const core::Clock& clock_;
    bool terminal_;
    bool quiet_;
    bool open_ = false;
    std::string last_;
    std::string phase_;
    std::optional<core::MonoTime> shown_;
};

}  // namespace sust::cli
