// main() of core_tests. Layer: tests. Alone in its file because Catch2's runner is slow to compile.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
