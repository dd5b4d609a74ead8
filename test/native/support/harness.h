// The native tests' harness: TEST(name) { ... } registers itself, CHECK* throw with file and line.
//   native_tests [--list | NAME_PREFIX ...]   runs all, or those whose name starts with a prefix; last line "N passed,
//   N failed".
#pragma once
#include <cmath>
#include <functional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace owl3::test {

struct Case {
  std::string name;
  std::function<void()> run;
};
inline std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}
struct Register {
  Register(const char* name, std::function<void()> run) { cases().push_back({name, std::move(run)}); }
};
struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};
[[noreturn]] inline void fail(const char* file, int line, const std::string& what) {
  throw Failure(std::string(file) + ":" + std::to_string(line) + ": " + what);
}
template <class A, class B>
void check_eq(const char* file, int line, const char* text, const A& a, const B& b) {
  if (a == b) return;
  std::ostringstream out;
  out << text << ": " << a << " != " << b;
  fail(file, line, out.str());
}
inline void check_near(const char* file, int line, const char* text, double a, double b, double tolerance) {
  if (std::abs(a - b) <= tolerance) return;  // false for NaN, which fails
  std::ostringstream out;
  out << text << ": |" << a << " - " << b << "| > " << tolerance;
  fail(file, line, out.str());
}

}  // namespace owl3::test

#define OWL3_CONCAT_(a, b) a##b
#define OWL3_CONCAT(a, b) OWL3_CONCAT_(a, b)
#define OWL3_TEST_(fn, reg, name)                  \
  static void fn();                                \
  static const owl3::test::Register reg(name, fn); \
  static void fn()
/// TEST("room: what must be true") { ... }
#define TEST(name) OWL3_TEST_(OWL3_CONCAT(test_, __LINE__), OWL3_CONCAT(register_, __LINE__), name)
#define CHECK(x) \
  if (!(x)) owl3::test::fail(__FILE__, __LINE__, #x)
#define CHECK_EQ(a, b) owl3::test::check_eq(__FILE__, __LINE__, #a " == " #b, a, b)
#define CHECK_NEAR(a, b, tolerance) owl3::test::check_near(__FILE__, __LINE__, #a " ~ " #b, a, b, tolerance)
#define CHECK_THROWS(expression, error_code)                                          \
  do {                                                                                \
    bool thrown_ = false;                                                             \
    try {                                                                             \
      (void)(expression);                                                             \
    } catch (const owl3::Error& e_) {                                                 \
      thrown_ = true;                                                                 \
      CHECK_EQ(owl3::code_name(e_.code), std::string(owl3::code_name(error_code)));   \
    }                                                                                 \
    if (!thrown_) owl3::test::fail(__FILE__, __LINE__, "no error from " #expression); \
  } while (0)
