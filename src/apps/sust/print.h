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
// --json: the object; otherwise "title: value" lines of the columns that are there.
void print_object(const Context& context, const nlohmann::json& object,
                  const std::vector<Column>& columns);
// --json: the object; otherwise the sentence.
void print_done(const Context& context, const nlohmann::json& object, std::string_view sentence);
void print_error(const Context& context, const core::Error& error);

std::string cell(const Context& context, const nlohmann::json& object, const Column& column);

// Of JSON that may lack the key or have null there: the text or nothing; the number, or its share
// of 100, or "not measured".
std::string text_in(const nlohmann::json& object, const char* key);
std::string number_in(const nlohmann::json& object, const char* key);
std::string percent_in(const nlohmann::json& object, const char* key);

// One line that is rewritten on a terminal; elsewhere a line now and then. Standard error.
class Progress {
  public:
    explicit Progress(const Context& context);
    ~Progress();
    void show(const std::string& line);
    void finish();

  private:
    const core::Clock& clock_;
    bool terminal_;
    bool quiet_;
    bool open_ = false;
    std::string last_;
    std::optional<core::MonoTime> shown_;
};

}  // namespace sust::cli
